"""The models that an instance has loaded, their users and their eviction."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sageloop.local_cloud.sagemaker.hosting.invocation.connections import ContainerResponse

_serials = itertools.count(1)


@dataclass(eq=False, slots=True)
class Model:
    """A target model on an instance.

    ``id`` is its name in the container's API. ``memory`` and ``disk`` are bytes. When ``ready`` is
    set, the model is loaded, or ``failure`` is the reason why it is not available, or ``refusal``
    is the response of a container that did not load it.
    """

    target: str
    id: str
    users: int = 0
    last_used: int = 0
    memory: int = 0
    disk: int = 0
    loaded: bool = False
    ready: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None
    refusal: ContainerResponse | None = None


class ModelCache:
    """Models by target, thread-safe. A caller that claims a model must release it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, Model] = {}

    @property
    def memory(self) -> int:
        """The memory that the models use, in bytes."""
        return self._sum(lambda model: model.memory)

    @property
    def disk(self) -> int:
        """The disk space that the models use, in bytes."""
        return self._sum(lambda model: model.disk)

    @property
    def loaded(self) -> int:
        """The number of loaded models."""
        return self._sum(lambda model: int(model.loaded))

    def has(self, target: str) -> bool:
        """Whether a model is loaded or being loaded."""
        return target in self._models

    def claim(self, target: str) -> tuple[Model, bool]:
        """Return the model, and whether the caller must load it."""
        with self._lock:
            known = self._models.get(target)
            model = self._models[target] = _create(target) if known is None else known
            model.users += 1
            model.last_used = next(_serials)
            return model, known is None

    def release(self, model: Model) -> None:
        """End the use of a model."""
        with self._lock:
            model.users -= 1

    def drop(self, model: Model) -> None:
        """Remove a model; the next claim loads it again."""
        with self._lock:
            if self._models.get(model.target) is model:
                del self._models[model.target]

    def take_idle(self, only: Model | None = None) -> Model | None:
        """Remove and return the least recently used idle model, or ``only`` if it is idle."""
        with self._lock:
            idle = [m for m in self._models.values() if m.loaded and m.users == 0]
            if only is not None:
                idle = [m for m in idle if m is only]
            model = min(idle, key=lambda each: each.last_used, default=None)
            if model is not None:
                del self._models[model.target]
            return model

    def _sum(self, size: Callable[[Model], int]) -> int:
        with self._lock:
            return sum(size(model) for model in self._models.values())


def _create(target: str) -> Model:
    # A model that is being unloaded must not have the name of one that is loaded again.
    serial_name = f"{target}\n{next(_serials)}"
    return Model(target, hashlib.sha256(serial_name.encode()).hexdigest()[:32])
