"""Work in flight, for which ``settle()`` waits."""

from __future__ import annotations

import logging
import threading
import time as wall
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Activity:
    """Counts work in flight by label and runs background work on a pool of threads."""

    def __init__(self, *, threads: int = 2_048) -> None:
        """``threads`` bounds the pool; they start on demand, one for each item of work."""
        self._changed = threading.Condition()
        self._labels: Counter[str] = Counter()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="cloud")
        self._stopped = False

    @contextmanager
    def track(self, label: str) -> Iterator[None]:
        """Count the body of the ``with`` statement as work in flight."""
        self.begin(label)
        try:
            yield
        finally:
            self.end(label)

    def begin(self, label: str) -> None:
        """Register work in flight that :meth:`end` completes, possibly in another thread."""
        with self._changed:
            self._labels[label] += 1

    def end(self, label: str) -> None:
        """Complete work that :meth:`begin` registered."""
        with self._changed:
            self._labels[label] -= 1
            if self._labels[label] <= 0:
                del self._labels[label]
            self._changed.notify_all()

    def spawn(self, label: str, work: Callable[[], None], *, background: bool = False) -> None:
        """Run ``work`` on the pool; ``settle()`` does not wait for ``background`` work."""
        if self._stopped:
            return
        if not background:
            self.begin(label)

        def body() -> None:
            try:
                work()
            except Exception:
                log.exception("background work failed: %s", label)
            finally:
                if not background:
                    self.end(label)

        try:
            self._pool.submit(body)
        except RuntimeError:  # the pool is shut down: the cloud is stopping
            if not background:
                self.end(label)

    def in_flight(self) -> list[str]:
        """Labels of the work in flight."""
        with self._changed:
            return sorted(self._labels)

    def wait_idle(self, timeout: float, *, also: Callable[[], list[str]]) -> list[str]:
        """Wait up to ``timeout`` wall seconds for all work; returns the labels still in flight."""
        deadline = wall.monotonic() + timeout
        with self._changed:
            while True:
                busy = sorted(self._labels) + also()
                left = deadline - wall.monotonic()
                if not busy or left <= 0:
                    return busy
                # The clock does not notify this condition about its held timers: check them at
                # intervals.
                self._changed.wait(min(left, 0.05))

    def stop(self) -> None:
        """Accept no more work; work that is running is not interrupted."""
        self._stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)
