"""A fair semaphore: threads enter in the order of their arrival."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """A context manager for at most ``at_once`` threads; others enter in the order they arrived.

    Locks of Python go to any waiting thread. With many threads some wait ten times as long as
    others, which callers observe as high tail latency.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    @property
    def waiting(self) -> int:
        """The number of waiting threads."""
        return len(self._waiting)

    def __enter__(self) -> None:
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # until another thread leaves

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
