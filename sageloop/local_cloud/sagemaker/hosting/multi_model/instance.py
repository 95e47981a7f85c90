"""An instance whose container loads models on demand."""

from __future__ import annotations

import shutil
import threading
import time as wall
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.instances.archives import BadArchive, unpack
from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint, Instance
from sageloop.local_cloud.sagemaker.hosting.instances.usage import usage_of_processes
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import (
    ContainerResponse,
    NotSent,
    StreamedResponse,
)
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation
from sageloop.local_cloud.sagemaker.hosting.multi_model.cache import Model, ModelCache
from sageloop.local_cloud.sagemaker.hosting.multi_model.container import Container, refusal
from sageloop.local_cloud.sagemaker.hosting.multi_model.download import fetch
from sageloop.local_cloud.sagemaker.hosting.multi_model.metrics import ModelMetrics
from sageloop.local_cloud.sagemaker.hosting.multi_model.settings import MultiModelSettings
from sageloop.local_cloud.sagemaker.hosting.requests import not_executed

if TYPE_CHECKING:
    from pathlib import Path

    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing

_ALREADY_LOADED = 409
_NO_MEMORY = 507


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInvocation(Invocation):
    """A request and the loaded model that serves it."""

    model: Model


class MultiModelInstance(Instance):
    """Downloads and loads models on demand; evicts the least recently used ones.

    The memory of a model is the growth of the container while it was loaded, at least the size of
    its files.
    """

    def __init__(
        self, cloud: Cloud, blueprint: Blueprint, timing: Timing, on_change: Callable[[], None],
        settings: MultiModelSettings,
    ) -> None:  # fmt: skip
        super().__init__(cloud, blueprint, timing, on_change)
        self._settings = settings
        self._metrics = ModelMetrics(cloud, blueprint.endpoint, blueprint.variant)
        self._cache = ModelCache()
        self._loading = threading.Lock()
        self._container_bytes: int | None = None

    @property
    def loaded(self) -> int:
        """The number of loaded models."""
        return self._cache.loaded

    def has(self, target: str) -> bool:
        """Whether a model is loaded or being loaded."""
        return self._cache.has(target)

    def prepare(self, invocation: Invocation) -> Invocation:
        """Load the target model. Raises ``AwsError`` if it is not available in time."""
        began = wall.perf_counter()
        model, first = self._cache.claim(str(invocation.target_model))
        hit = model.ready.is_set()
        self._metrics.requested(hit=hit)
        if first:
            label = f"loading {model.target} on {self.id}"
            self._cloud.activity.spawn(label, lambda: self._download_and_load(model))
        in_time = model.ready.wait(self._allowed(invocation))
        if not hit:
            self._metrics.waited(wall.perf_counter() - began)
        failure = model.failure if in_time else _not_ready(model.target)
        if failure is not None:
            self._release(model)
            raise failure
        members = {f.name: getattr(invocation, f.name) for f in fields(Invocation)}
        return ModelInvocation(**members, model=model)

    def serve(self, invocation: Invocation, headers: Mapping[str, str]) -> ContainerResponse:
        """The response of the model, or that of a container that did not load it."""
        if not isinstance(invocation, ModelInvocation):
            raise TypeError("the request has no loaded model")
        model = invocation.model
        try:
            if model.refusal is not None:
                return model.refusal
            return self._container.invoke(
                model.id, model.target, invocation.body, headers, self._allowed(invocation)
            )
        finally:
            self._release(model)

    def open(self, invocation: Invocation, headers: Mapping[str, str]) -> StreamedResponse:
        """Refused: streamed responses of multi-model endpoints are not supported."""
        raise not_executed("InvokeEndpointWithResponseStream to a multi-model endpoint")

    def measure(self) -> None:
        """Publish the number of loaded models."""
        self._metrics.count(self._cache.loaded)

    @property
    def _container(self) -> Container:
        return Container(self._connections, self._timing.model_load)

    def _allowed(self, invocation: Invocation) -> float:
        return self._timing.invocation if invocation.timeout is None else invocation.timeout

    def _prepare(self) -> None:
        super()._prepare()
        # A new process has no loaded models.
        self._cache = ModelCache()
        self._container_bytes = None
        shutil.rmtree(self._base / "models", ignore_errors=True)
        (self._base / "models").mkdir()

    def _ping(self, timeout: float) -> bool:
        if not super()._ping(timeout):
            return False
        try:
            return self._container.lists(timeout)
        except (OSError, HTTPException, NotSent):
            return False

    def _release(self, model: Model) -> None:
        self._cache.release(model)
        self._discard_unless_cached(model)

    def _discard_unless_cached(self, model: Model) -> None:
        if self._settings.cached or model.users > 0 or not model.loaded:
            return
        self._cloud.activity.spawn(
            f"unloading {model.target} on {self.id}", lambda: self._discard(model)
        )

    def _discard(self, model: Model) -> None:
        with self._loading:
            if self._cache.take_idle(model) is not None:
                self._unload(model)

    def _download_and_load(self, model: Model) -> None:
        cache = self._cache
        try:
            model.refusal = self._download(model) or self._load(model)
            model.loaded = model.refusal is None
        except Exception as error:
            model.failure = error
        finally:
            if not model.loaded:
                cache.drop(model)
                shutil.rmtree(self._directory(model).parent, ignore_errors=True)
            model.ready.set()
        self.measure()
        self._discard_unless_cached(model)

    def _download(self, model: Model) -> ContainerResponse | None:
        began = wall.perf_counter()
        archive = self._base / "models" / f"{model.id}.tar.gz"
        s3 = self._cloud.client("s3", principal=self.blueprint.role)
        key = self._settings.key(model.target)
        fetch(s3, self._settings.bucket, key, archive)
        try:
            model.disk = unpack(archive, self._directory(model))
        except BadArchive as error:
            where = f"s3://{self._settings.bucket}/{key}"
            reason = f"Failed to extract model data archive from URL {where}: {error}"
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, reason)
        self._metrics.downloaded(wall.perf_counter() - began)
        return None

    def _load(self, model: Model) -> ContainerResponse | None:
        """Load a model; return the response of a container that did not load it."""
        with self._loading:
            if self._container_bytes is None:
                self._container_bytes = self._resident()
            model.memory = model.disk
            if not self._fits():
                return self._insufficient_storage(model)
            before, began = self._resident(), wall.perf_counter()
            response = self._request_load(model)
            while response.status == _NO_MEMORY and self._evict():
                response = self._request_load(model)
            if response.status not in (200, _ALREADY_LOADED):
                return response
            self._metrics.loaded(wall.perf_counter() - began)
            model.memory = max(model.disk, self._resident() - before)
            if self._fits():
                return None
            self._unload(model)
            return self._insufficient_storage(model)

    def _request_load(self, model: Model) -> ContainerResponse:
        try:
            return self._container.load(model.id, f"/opt/ml/models/{model.id}/model")
        except TimeoutError:
            # The container may still load the model later, when it is no longer used.
            self._unload(model)
            raise

    def _fits(self) -> bool:
        """Evict models until the others fit; return whether they do."""
        room, base = self._settings, self._container_bytes or 0
        while base + self._cache.memory > room.memory or self._cache.disk > room.disk:
            if not self._evict():
                return False
        return True

    def _evict(self) -> bool:
        model = self._cache.take_idle()
        if model is None:
            return False
        self._unload(model)
        return True

    def _unload(self, model: Model) -> None:
        began = wall.perf_counter()
        model.loaded = False
        with suppress(OSError, HTTPException, NotSent):
            self._container.unload(model.id)
        shutil.rmtree(self._directory(model).parent, ignore_errors=True)
        self._metrics.unloaded(wall.perf_counter() - began)

    def _insufficient_storage(self, model: Model) -> ContainerResponse:
        room = self._settings
        return refusal(
            HTTPStatus.INSUFFICIENT_STORAGE,
            f"Model {model.target} takes {model.memory} bytes of memory and {model.disk} of disk; "
            f"the instance has {room.memory} and {room.disk}, and no loaded model can be unloaded",
        )

    def _directory(self, model: Model) -> Path:
        return self._base / "models" / model.id / "model"

    def _resident(self) -> int:
        return sum(usage.resident for usage in usage_of_processes(self.processes))


def _not_ready(target: str) -> AwsError:
    return AwsError(
        "ModelNotReadyException", f"Model {target} is not ready yet: it is still being loaded.", 429
    )
