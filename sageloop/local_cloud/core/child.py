"""A process that the supervisor runs for the cloud, in the manner of ``subprocess.Popen``."""

from __future__ import annotations

import subprocess
import threading
from typing import IO


class Child:
    """One process, in a session of its own. ``label`` names it to people.

    ``stdout`` is the readable end of its output if it was started with ``subprocess.PIPE``.
    """

    def __init__(self, label: str, stdout: IO[bytes] | None) -> None:
        self.label = label
        self.stdout = stdout
        self.pid = 0
        self.returncode: int | None = None
        self._ended = threading.Event()

    def poll(self) -> int | None:
        """The exit code (negative: a signal), or ``None`` while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end (wall seconds) and return the exit code.

        No process that it started lives then. Raises ``subprocess.TimeoutExpired``.
        """
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired(self.label, timeout or 0.0)
        return self.returncode

    def end(self, code: int) -> None:
        """Note that it has ended."""
        if self.returncode is None:
            self.returncode = code
            self._ended.set()
