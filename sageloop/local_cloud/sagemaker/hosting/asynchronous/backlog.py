"""The request queue of an asynchronous endpoint."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.hosting.asynchronous.request import QueuedRequest
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
    from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint, Route


@dataclass(frozen=True, slots=True)
class Slot:
    """Capacity for one request on an instance, from ``begin`` until ``finish``."""

    variant: VariantFleet
    instance: Instance


class Backlog:
    """Waiting requests, oldest first, and requests in progress.

    A backlog belongs to a running endpoint; it is kept in updates and ends with the endpoint.
    """

    def __init__(self, live: LiveEndpoint) -> None:
        self.live = live
        self._lock = threading.Lock()
        self._waiting: deque[QueuedRequest] = deque()
        self._working: set[QueuedRequest] = set()

    @property
    def size(self) -> int:
        """The number of requests that wait or are in progress."""
        with self._lock:
            return len(self._waiting) + len(self._working)

    def oldest(self) -> float | None:
        """The virtual time at which the oldest request was received."""
        with self._lock:
            held = [t.request.received for t in (*self._waiting, *self._working)]
        return min(held, default=None)

    def put(self, queued: QueuedRequest) -> None:
        """Add a new request to the end of the queue."""
        with self._lock:
            self._waiting.append(queued)

    def put_back(self, queued: QueuedRequest) -> None:
        """Return a dequeued request to the front of the queue."""
        with self._lock:
            self._working.discard(queued)
            self._waiting.appendleft(queued)

    def take(self) -> tuple[QueuedRequest, Slot] | None:
        """Dequeue the oldest request with a slot for it; ``None`` without a request or a slot."""
        with self._lock:
            if not self._waiting:
                return None
            slot = _slot(self.live.routes)
            if slot is None:
                return None
            queued = self._waiting.popleft()
            self._working.add(queued)
            return queued, slot

    def withdraw(self, queued: QueuedRequest) -> bool:
        """Remove a waiting request from the queue; return whether it was still waiting."""
        with self._lock:
            if queued not in self._waiting:
                return False
            self._waiting.remove(queued)
            return True

    def complete(self, queued: QueuedRequest) -> None:
        """Remove a request that was in progress."""
        with self._lock:
            self._working.discard(queued)

    def clear(self) -> list[QueuedRequest]:
        """Remove all waiting requests and return them."""
        with self._lock:
            dropped = list(self._waiting)
            self._waiting.clear()
            return dropped


def _slot(routes: Iterable[Route]) -> Slot | None:
    """A free slot, chosen by the weights of the variants that have one."""
    left = [route for route in routes if route[0] > 0]
    while left:
        chosen = random.choices(left, [weight for weight, _ in left])[0]  # noqa: S311 - routing
        slot = _slot_of(chosen[1])
        if slot is not None:
            return slot
        left.remove(chosen)
    return None


def _slot_of(variant: VariantFleet) -> Slot | None:
    concurrency = getattr(variant, "concurrency", 0)
    # No other component sends requests to these instances, and the queue does so under its lock.
    for instance in sorted(variant.serving, key=lambda each: each.outstanding):
        if instance.outstanding < concurrency and instance.begin():
            return Slot(variant, instance)
    return None
