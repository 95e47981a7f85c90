"""The virtual clock, which all times of AWS services follow.

Periods, schedules, bake times, cooldowns, leases and time stamps follow it. The run time of
processes (start, ping, time-out, grace period) follows the wall clock. One thread waits on a
condition and fires timers, so a change of the rate applies immediately and nothing polls.
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

# 1 January 9000: dates and all intervals that are added to them stay below the maximum year.
_LAST_MOMENT = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


@dataclass(order=True)
class Timer:
    """A call scheduled for a virtual time; ``settle()`` waits for timers that have ``holds``."""

    when: float
    order: int
    callback: Callable[[], None] = field(compare=False)
    label: str = field(compare=False)
    holds: bool = field(compare=False, default=False)
    cancelled: bool = field(compare=False, default=False)

    def cancel(self) -> None:
        """Cancel the call; no effect once it has started."""
        self.cancelled = True


class VirtualClock:
    """A clock that runs ``rate`` times as fast as the wall clock and can be advanced."""

    def __init__(
        self, *, run: Callable[[str, Callable[[], None]], None], rate: float = 1.0
    ) -> None:
        """``run(label, callback)`` executes a due timer; it must not block.

        Raises ``ValueError`` for a rate that is not allowed.
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
        """Virtual seconds per wall second."""
        return self._rate

    def time(self) -> float:
        """Current virtual time in seconds since the epoch."""
        with self._changed:
            return self._time()

    def now(self) -> datetime:
        """Current virtual time as an aware UTC ``datetime``."""
        return datetime.fromtimestamp(self.time(), UTC)

    def set_rate(self, rate: float) -> None:
        """Change the rate; it must be positive and at most 100,000."""
        check_rate(rate)
        with self._changed:
            self._rebase(self._time())
            self._rate = rate
            self._changed.notify_all()

    def advance(self, seconds: float) -> None:
        """Move the time forward; timers that become due fire in the order of their times.

        Raises ``ValueError`` for a negative value, or for a time beyond the year 9000.
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
        """Call once at virtual epoch second ``when``; ``holds`` counts it as work in flight."""
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
            # A timer that is due is in flight, with or without `holds`.
            waiting = [
                t.label for t in self._heap if (t.holds or t.when <= now) and not t.cancelled
            ]
            # A timer taken off the heap counts until its callback is registered as work in flight.
            return [*waiting, self._firing.label] if self._firing else waiting

    def stop(self) -> None:
        """Fire no more timers."""
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
