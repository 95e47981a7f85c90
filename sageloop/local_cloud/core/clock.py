"""The virtual clock: one dial for everything AWS would make a user wait for.

Periods, schedules, bakes, cooldowns, leases and stamps run on it. What a process does
(start, ping, time-out, grace) stays on the wall clock. Timers fire from one thread that
waits on a condition, so turning the dial takes effect at once and nothing ever polls.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time as wall
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sageloop.local_cloud.config_checks import check_rate

# A moment that dates and all that is added to them can still hold.
_LAST_MOMENT = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


@dataclass(order=True)
class Timer:
    """A call owed at a virtual moment; ``holds`` timers keep ``settle()`` waiting."""

    when: float
    order: int
    callback: Callable[[], None] = field(compare=False)
    label: str = field(compare=False)
    holds: bool = field(compare=False, default=False)
    cancelled: bool = field(compare=False, default=False)

    def cancel(self) -> None:
        """Make sure the call never happens (no effect once it has started)."""
        self.cancelled = True


class VirtualClock:
    """Time that runs ``rate`` times as fast as the wall's, and can be moved forward."""

    def __init__(
        self, *, run: Callable[[str, Callable[[], None]], None], rate: float = 1.0
    ) -> None:
        """``run(label, callback)`` executes a due timer; it must not block.

        Raises ``ValueError`` for a rate that no clock can have.
        """
        check_rate(rate)
        self._run = run
        self._changed = threading.Condition()
        self._rate = rate
        self._base_virtual = wall.time()
        self._base_wall = wall.monotonic()
        self._heap: list[Timer] = []
        self._orders = itertools.count()
        self._stopped = False
        self._firing: Timer | None = None
        self._thread = threading.Thread(target=self._loop, name="virtual-clock", daemon=True)
        self._thread.start()

    @property
    def rate(self) -> float:
        """Virtual seconds a wall second."""
        return self._rate

    def time(self) -> float:
        """Virtual now, in seconds since the epoch."""
        with self._changed:
            return self._time()

    def now(self) -> datetime:
        """Virtual now, timezone-aware UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def set_rate(self, rate: float) -> None:
        """Turn the dial; ``rate`` must be positive and at most 100,000."""
        check_rate(rate)
        with self._changed:
            self._rebase(self._time())
            self._rate = rate
            self._changed.notify_all()

    def advance(self, seconds: float) -> None:
        """Jump forward; every timer passed on the way fires, in order of its moment.

        Raises ``ValueError`` for a jump back, or beyond the year 9000.
        """
        if not seconds >= 0:
            raise ValueError(f"virtual time only runs forward, got {seconds} seconds")
        with self._changed:
            moment = self._time() + seconds
            if not moment <= _LAST_MOMENT:
                raise ValueError(f"virtual time ends with the year 9000, got {seconds} seconds")
            self._rebase(moment)
            self._changed.notify_all()

    def call_at(
        self, when: float, callback: Callable[[], None], *, label: str, holds: bool = False
    ) -> Timer:
        """Call once at virtual epoch second ``when``; ``holds`` marks work that is in flight."""
        with self._changed:
            timer = Timer(when, next(self._orders), callback, label, holds)
            heapq.heappush(self._heap, timer)
            self._changed.notify_all()
            return timer

    def call_later(
        self, seconds: float, callback: Callable[[], None], *, label: str, holds: bool = False
    ) -> Timer:
        """Call once after ``seconds`` of virtual time."""
        return self.call_at(self.time() + seconds, callback, label=label, holds=holds)

    def held(self) -> list[str]:
        """Labels of pending timers that count as work in flight."""
        with self._changed:
            now = self._time()
            # What is due already is in flight, whether it holds or not.
            waiting = [
                t.label for t in self._heap if (t.holds or t.when <= now) and not t.cancelled
            ]
            # A timer taken off the heap counts until its callback is known as work in flight.
            return [*waiting, self._firing.label] if self._firing else waiting

    def stop(self) -> None:
        """Fire nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _time(self) -> float:
        return self._base_virtual + (wall.monotonic() - self._base_wall) * self._rate

    def _rebase(self, virtual: float) -> None:
        self._base_virtual, self._base_wall = virtual, wall.monotonic()

    def _loop(self) -> None:
        while True:
            with self._changed:
                timer = self._next_due()
                if timer is None:
                    return
                self._firing = timer
            self._run(timer.label, timer.callback)
            with self._changed:
                self._firing = None

    def _next_due(self) -> Timer | None:
        while not self._stopped:
            while self._heap and self._heap[0].cancelled:
                heapq.heappop(self._heap)
            if not self._heap:
                self._changed.wait()
                continue
            ahead = self._heap[0].when - self._time()
            if ahead <= 0:
                return heapq.heappop(self._heap)
            self._changed.wait(ahead / self._rate)
        return None
