"""Cancellation of running operations."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Cancellation:
    """A flag that notifies its listeners when it is set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._raised = False
        self.reason: str | None = None

    @property
    def raised(self) -> bool:
        """Whether the operation is cancelled."""
        return self._raised

    def __call__(self, reason: str | None = None) -> None:
        """Set the flag; ``reason`` replaces the stack's default status reason."""
        with self._lock:
            if self._raised:
                return
            self._raised, self.reason = True, reason
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when the flag is set, immediately if it is already."""
        with self._lock:
            self._listeners.append(listener)
            raised = self._raised
        if raised:
            listener()
