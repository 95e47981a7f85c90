"""Giving work up that is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Cancel:
    """A flag that tells its listeners once it is raised."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._raised = False
        self.reason: str | None = None

    @property
    def raised(self) -> bool:
        """Whether the work is to end."""
        return self._raised

    def __call__(self, reason: str | None = None) -> None:
        """Raise the flag; ``reason`` replaces the stack's own wording."""
        with self._lock:
            if self._raised:
                return
            self._raised, self.reason = True, reason
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when the flag is raised, at once if it is."""
        with self._lock:
            self._listeners.append(listener)
            raised = self._raised
        if raised:
            listener()
