"""What is in flight, so that ``settle()`` can say when the cloud is at rest."""

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
        """``threads`` are started as needed: each invocation or job in flight holds one."""
        self._changed = threading.Condition()
        self._labels: Counter[str] = Counter()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="cloud")
        self._stopped = False

    @contextmanager
    def track(self, label: str) -> Iterator[None]:
        """Count the body as work in flight."""
        self.begin(label)
        try:
            yield
        finally:
            self.end(label)

    def begin(self, label: str) -> None:
        """Open a piece of work whose end is reported by :meth:`end`, maybe elsewhere."""
        with self._changed:
            self._labels[label] += 1

    def end(self, label: str) -> None:
        """Close a piece of work opened by :meth:`begin`."""
        with self._changed:
            self._labels[label] -= 1
            if self._labels[label] <= 0:
                del self._labels[label]
            self._changed.notify_all()

    def spawn(self, label: str, work: Callable[[], None], *, background: bool = False) -> None:
        """Run ``work`` on the pool; ``background`` work never holds ``settle()`` up."""
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
        """Labels of what runs now."""
        with self._changed:
            return sorted(self._labels)

    def wait_idle(self, timeout: float, *, also: Callable[[], list[str]]) -> list[str]:
        """Wait (wall seconds) until nothing is in flight; returns what still is."""
        deadline = wall.monotonic() + timeout
        with self._changed:
            while True:
                busy = sorted(self._labels) + also()
                left = deadline - wall.monotonic()
                if not busy or left <= 0:
                    return busy
                # Held timers live in the clock, which does not notify us: look again soon.
                self._changed.wait(min(left, 0.05))

    def stop(self) -> None:
        """Accept no more work; what runs is left to end or to die with the process."""
        self._stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)
