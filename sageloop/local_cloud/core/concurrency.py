"""Limits the requests that wait for a process, so that its own calls still get a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sageloop.local_cloud.core.errors import AwsError


class ConcurrencyLimit:
    """A number of concurrent requests; further requests are throttled."""

    def __init__(self, number: int) -> None:
        self._lock = threading.Lock()
        self._free = number

    def acquire(self) -> None:
        """Occupy a slot. Raises ThrottlingException if none is free."""
        with self._lock:
            if not self._free:
                raise AwsError("ThrottlingException", "Rate exceeded", 400)
            self._free -= 1

    def release(self) -> None:
        """Free a slot."""
        with self._lock:
            self._free += 1

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Occupy a slot for the ``with`` statement. Raises ThrottlingException."""
        self.acquire()
        try:
            yield
        finally:
            self.release()


class Closing:
    """An iterator that calls ``then`` once, when it is closed."""

    def __init__(self, parts: Iterator[bytes], then: Callable[[], None]) -> None:
        self._parts = parts
        self._then: Callable[[], None] | None = then

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """Close the underlying iterable."""
        then, self._then = self._then, None
        try:
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()
        finally:
            if then is not None:
                then()
