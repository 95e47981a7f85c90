"""Exclusive access to a target: one change at a time; decisions wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """Lock of one target, for decisions and changes.

    A decision takes milliseconds, a change of capacity minutes. Alarms act concurrently: a
    decision waits for other decisions, but not for a change.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._taken = False
        self._changing = False

    @contextmanager
    def taken(self, *, patient: bool) -> Iterator[bool]:
        """Acquire the lock; false if a change is running and the caller is not ``patient``."""
        with self._condition:
            self._condition.wait_for(lambda: not self._taken or (self._changing and not patient))
            mine = not self._taken
            self._taken = True
        try:
            yield mine
        finally:
            if mine:
                with self._condition:
                    self._taken = self._changing = False
                    self._condition.notify_all()

    def change(self) -> None:
        """Declare, while holding the lock, that the target is being changed."""
        with self._condition:
            self._changing = True
            self._condition.notify_all()
