"""Work gathered for a moment and done at once, in the background."""

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
    """Hands items to ``flush`` in batches: ``size`` of them, or what came in ``delay`` seconds.

    As long as an item waits the batch counts as work in flight, so ``settle()`` implies that
    it was flushed. Batches are flushed one after the other, in the order of their items.
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
        """Take an item; returns at once."""
        with self._lock:
            self._items.append(item)
            first = len(self._items) == 1
            if len(self._items) >= self._size:
                self._full.set()
        if first:
            self._activity.spawn(self._label, self._run)

    def _run(self) -> None:
        self._full.wait(self._delay)
        # The batch is closed only when its turn has come: none overtakes the one before it.
        with self._flushing:
            with self._lock:
                items, self._items = self._items, []
                self._full.clear()
            try:
                self._flush(items)
            except Exception:
                log.exception("%s: a batch of %d was lost", self._label, len(items))
