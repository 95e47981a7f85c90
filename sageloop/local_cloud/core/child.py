"""A process that the supervisor runs, with the interface of ``subprocess.Popen``."""

from __future__ import annotations

import subprocess
import threading
from typing import IO


class Child:
    """One process in its own session; ``label`` identifies it in messages.

    ``stdout`` is the readable end of its output if it was started with ``subprocess.PIPE``.
    """

    def __init__(self, label: str, stdout: IO[bytes] | None) -> None:
        self.label = label
        self.stdout = stdout
        self.pid = 0
        self.returncode: int | None = None
        self._ended = threading.Event()

    def poll(self) -> int | None:
        """The exit code (negative: the number of a signal), or ``None`` while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait up to ``timeout`` wall seconds for the process to end; returns its exit code.

        All its descendants have ended by then. Raises ``subprocess.TimeoutExpired``.
        """
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired(self.label, timeout or 0.0)
        return self.returncode

    def end(self, code: int) -> None:
        """Record the exit code."""
        if self.returncode is None:
            self.returncode = code
            self._ended.set()
