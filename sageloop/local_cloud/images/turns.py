"""Who is next: a few at work at a time, in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """A context that ``at_once`` threads may be in; the others enter in the order they came.

    A lock of Python's own, and the interpreter's, go to whoever wakes first. With many threads
    some wait ten times as long as others, which a caller sees as a tail of slow answers.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    @property
    def waiting(self) -> int:
        """How many are not in yet."""
        return len(self._waiting)

    def __enter__(self) -> None:
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # until whoever leaves lets it go

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
