"""Who may change a target: one at a time, and nobody is sent away for a mere decision."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """The turn to look at one target and maybe to change it.

    To decide takes a moment, to change a capacity minutes. Several alarms act in the same moment:
    one of them may decide that nothing is to be done, and must not cost another its say.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._taken = False
        self._changing = False

    @contextmanager
    def taken(self, *, patient: bool) -> Iterator[bool]:
        """Take the turn for the body; false if a change is under way and one is not ``patient``."""
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
        """Say, within one's turn, that the target is being changed from now on."""
        with self._condition:
            self._changing = True
            self._condition.notify_all()
