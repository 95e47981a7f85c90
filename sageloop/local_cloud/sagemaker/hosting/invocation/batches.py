"""Background processing of items in batches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from sageloop.local_cloud.core.activity import Activity

log = logging.getLogger(__name__)
Item = TypeVar("Item")


class Batcher(Generic[Item]):
    """Calls ``flush`` with batches: ``size`` items, or the items of ``delay`` seconds.

    A batch counts as work in flight while it waits, so ``settle()`` implies that it was flushed.
    Batches are flushed one after another in the order of their items.
    """

    def __init__(
        self, activity: Activity, label: str, flush: Callable[[list[Item]], None], *,
        size: int, delay: float,
    ) -> None:  # fmt: skip
        self._activity = activity
        self._label = label
        self._flush = flush
        self._size = size
        self._delay = delay
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._items: list[Item] = []
        self._full = threading.Event()

    def add(self, item: Item) -> None:
        """Add an item and return at once."""
        with self._lock:
            self._items.append(item)
            first = len(self._items) == 1
            if len(self._items) >= self._size:
                self._full.set()
        if first:
            self._activity.spawn(self._label, self._run)

    def _run(self) -> None:
        self._full.wait(self._delay)
        # A batch is closed when the one before it was flushed, which keeps the order.
        with self._flushing:
            with self._lock:
                items, self._items = self._items, []
                self._full.clear()
            try:
                self._flush(items)
            except Exception:
                log.exception("%s: a batch of %d was lost", self._label, len(items))
