"""Which models an instance holds, who uses them and which one goes first."""

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
    """One target model on one instance.

    ``id`` is its name for the container. ``memory`` and ``disk`` are bytes. Once ``ready`` is set
    it is loaded, or ``failure`` says why there is no model, or ``refusal`` is what the container
    answered instead of loading it.
    """

    target: str
    id: str
    users: int = 0
    used: int = 0
    memory: int = 0
    disk: int = 0
    loaded: bool = False
    ready: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None
    refusal: ContainerResponse | None = None


class ModelCache:
    """Models by target, thread-safe. Whoever claims a model releases it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, Model] = {}

    @property
    def memory(self) -> int:
        """Bytes that the models take of memory."""
        return self._sum(lambda model: model.memory)

    @property
    def disk(self) -> int:
        """Bytes that the models take on disk."""
        return self._sum(lambda model: model.disk)

    @property
    def loaded(self) -> int:
        """Models that are loaded."""
        return self._sum(lambda model: int(model.loaded))

    def has(self, target: str) -> bool:
        """Whether a model is loaded, or about to be."""
        return target in self._models

    def claim(self, target: str) -> tuple[Model, bool]:
        """The model, and whether it is for the caller to load it."""
        with self._lock:
            known = self._models.get(target)
            model = self._models[target] = _create(target) if known is None else known
            model.users += 1
            model.used = next(_serials)
            return model, known is None

    def release(self, model: Model) -> None:
        """Use a model no more."""
        with self._lock:
            model.users -= 1

    def drop(self, model: Model) -> None:
        """Forget a model, so that the next claim loads it anew."""
        with self._lock:
            if self._models.get(model.target) is model:
                del self._models[model.target]

    def take_idle(self, only: Model | None = None) -> Model | None:
        """Forget the least recently used model that nobody uses (or ``only``); returns it."""
        with self._lock:
            idle = [m for m in self._models.values() if m.loaded and m.users == 0]
            if only is not None:
                idle = [m for m in idle if m is only]
            model = min(idle, key=lambda model: model.used, default=None)
            if model is not None:
                del self._models[model.target]
            return model

    def _sum(self, size: Callable[[Model], int]) -> int:
        with self._lock:
            return sum(size(model) for model in self._models.values())


def _create(target: str) -> Model:
    # A model that is unloaded and one that is loaded anew must not meet under one name.
    serial_name = f"{target}\n{next(_serials)}"
    return Model(target, hashlib.sha256(serial_name.encode()).hexdigest()[:32])
