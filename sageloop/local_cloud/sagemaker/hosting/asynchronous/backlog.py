"""The queue of one asynchronous endpoint, and who may take from it."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.hosting.asynchronous.request import Ticket
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
    from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint, Route


@dataclass(frozen=True, slots=True)
class Seat:
    """A place on an instance, taken by ``begin`` and given back by ``finish``."""

    variant: VariantFleet
    instance: Instance


class Backlog:
    """Requests that wait, oldest first, and those in work.

    It belongs to one running endpoint and goes with it; an update leaves it alone.
    """

    def __init__(self, live: LiveEndpoint) -> None:
        self.live = live
        self._lock = threading.Lock()
        self._waiting: deque[Ticket] = deque()
        self._working: set[Ticket] = set()

    @property
    def size(self) -> int:
        """Requests that wait or are in work."""
        with self._lock:
            return len(self._waiting) + len(self._working)

    def oldest(self) -> float | None:
        """The virtual moment at which the oldest request came."""
        with self._lock:
            held = [t.request.received for t in (*self._waiting, *self._working)]
        return min(held, default=None)

    def put(self, ticket: Ticket) -> None:
        """Queue a new request."""
        with self._lock:
            self._waiting.append(ticket)

    def put_back(self, ticket: Ticket) -> None:
        """Queue a request again that was taken, before all that wait."""
        with self._lock:
            self._working.discard(ticket)
            self._waiting.appendleft(ticket)

    def take(self) -> tuple[Ticket, Seat] | None:
        """The oldest request and a place for it; ``None`` if there is not both."""
        with self._lock:
            if not self._waiting:
                return None
            seat = _seat(self.live.routes)
            if seat is None:
                return None
            ticket = self._waiting.popleft()
            self._working.add(ticket)
            return ticket, seat

    def withdraw(self, ticket: Ticket) -> bool:
        """Take a request that waits out of the queue; whether it still waited."""
        with self._lock:
            if ticket not in self._waiting:
                return False
            self._waiting.remove(ticket)
            return True

    def done(self, ticket: Ticket) -> None:
        """Forget a request that was taken."""
        with self._lock:
            self._working.discard(ticket)

    def drop(self) -> list[Ticket]:
        """Forget all that wait, and return them."""
        with self._lock:
            dropped = list(self._waiting)
            self._waiting.clear()
            return dropped


def _seat(routes: Iterable[Route]) -> Seat | None:
    """A place by the variants' weights, among those that have one."""
    left = [route for route in routes if route[0] > 0]
    while left:
        chosen = random.choices(left, [weight for weight, _ in left])[0]  # noqa: S311 - routing
        seat = _seat_of(chosen[1])
        if seat is not None:
            return seat
        left.remove(chosen)
    return None


def _seat_of(variant: VariantFleet) -> Seat | None:
    most = getattr(variant, "concurrency", 0)
    # Only the queue sends requests to these instances, and it does so under its lock.
    for instance in sorted(variant.serving, key=lambda each: each.outstanding):
        if instance.outstanding < most and instance.begin():
            return Seat(variant, instance)
    return None
