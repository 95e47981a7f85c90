"""Fires schedules on the virtual clock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from sageloop.local_cloud.events.schedules import Schedule

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import Timer, VirtualClock

log = logging.getLogger(__name__)

# A jump of the clock fires the occurrences in between, as AWS would have; up to this number.
MOST_MISSED = 1000


class Recurrence:
    """Fires one schedule, occurrence by occurrence, until it ends or is cancelled.

    Args:
        clock: The virtual clock.
        schedule: The times.
        fire: Called with each time (virtual epoch seconds), one after the other.
        label: Label of the timers.
        until: Epoch second after which nothing fires.
        ended: Called once when the schedule has ended.

    """

    def __init__(
        self, *, clock: VirtualClock, schedule: Schedule, fire: Callable[[float], None],
        label: str, until: float | None = None, ended: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._clock = clock
        self.schedule = schedule
        self._fire = fire
        self._label = label
        self._until = until
        self._ended = ended
        self._lock = threading.Lock()
        self._cancelled = False
        self._timer: Timer | None = None
        self._missed = 0

    def begin(self, not_before: float | None = None) -> None:
        """Start the first timer, for a time not before ``not_before``."""
        now = self._clock.time()
        # A time equal to the start counts.
        self._arm(now if not_before is None else max(now, not_before - 0.001))

    def cancel(self) -> None:
        """Cancel all occurrences."""
        with self._lock:
            self._cancelled = True
            if self._timer is not None:
                self._timer.cancel()

    def _arm(self, after: float) -> None:
        when = self.schedule.next_after(after)
        if when is None or (self._until is not None and when > self._until):
            if self._ended is not None:
                self._ended()
            return
        with self._lock:
            if not self._cancelled:
                self._timer = self._clock.call_at(when, lambda: self._due(when), label=self._label)

    def _due(self, when: float) -> None:
        if self._cancelled:
            return
        try:
            self._fire(when)
        finally:
            self._arm(self._resume(when))

    def _resume(self, when: float) -> float:
        now = self._clock.time()
        following = self.schedule.next_after(when)
        behind = following is not None and following <= now
        self._missed = self._missed + 1 if behind else 0
        if self._missed < MOST_MISSED:
            return when
        log.warning("%s: a jump passed more than %d occurrences", self._label, MOST_MISSED)
        self._missed = 0
        return now
