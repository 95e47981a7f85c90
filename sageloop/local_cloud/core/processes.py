"""Child processes: each in a session of its own, all known to the guardian."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE")


def clean_environment() -> dict[str, str]:
    """What a child inherits: a few harmless variables, never an ``AWS_*`` one."""
    return {k: os.environ[k] for k in _KEPT_VARIABLES if k in os.environ}


class Processes:
    """Starts children and makes sure that none outlives the cloud."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
        self._adopted: dict[int, str] = {}
        self._hidden: set[int] = set()
        self._work: dict[str, float] = {}
        self._guardian = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("guardian.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def start(
        self, label: str, command: Sequence[str], *, env: Mapping[str, str],
        cwd: str | Path | None = None, stdin: int | IO[Any] | None = subprocess.DEVNULL,
        stdout: int | IO[Any] | None = subprocess.DEVNULL,
        stderr: int | IO[Any] | None = subprocess.STDOUT, pass_fds: Sequence[int] = (),
        hidden: bool = False,
    ) -> subprocess.Popen[bytes]:  # fmt: skip
        """Start ``command`` in a new session with exactly ``env``; ``label`` names it to people.

        ``hidden`` marks a part of the cloud itself, which no user's resource owns.
        """
        child = subprocess.Popen(
            list(command), env=dict(env), cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr,
            start_new_session=True, pass_fds=tuple(pass_fds),
        )  # fmt: skip
        with self._lock:
            self._children[child.pid] = (label, child)
            if hidden:
                self._hidden.add(child.pid)
            self._tell(f"+{child.pid}")
        return child

    def forget(self, child: subprocess.Popen[bytes]) -> None:
        """Drop a child that has ended and been waited for, with what is left of its group."""
        self.kill(child, signal.SIGKILL)
        with self._lock:
            self._hidden.discard(child.pid)
            if self._children.pop(child.pid, None) is not None:
                self._tell(f"-{child.pid}")

    def adopt(self, pid: int, label: str) -> None:
        """Take charge of a grandchild that leads a session of its own."""
        with self._lock:
            self._adopted[pid] = label
            self._tell(f"+{pid}")

    def release(self, pid: int) -> None:
        """Drop an adopted process that has ended."""
        with self._lock:
            if self._adopted.pop(pid, None) is not None:
                self._tell(f"-{pid}")

    def kill(self, child: subprocess.Popen[bytes], sig: signal.Signals = signal.SIGTERM) -> None:
        """Signal a child's whole process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, sig)

    def note_work(self, label: str, seconds: float) -> None:
        """Note wall seconds of real work (a training program, a model's start-up)."""
        with self._lock:
            self._work[label] = self._work.get(label, 0.0) + seconds

    def work_seconds(self) -> dict[str, float]:
        """Wall seconds of real work by label."""
        with self._lock:
            return dict(self._work)

    def running(self) -> dict[int, str]:
        """Process ids and labels of children that still run, the cloud's own parts apart."""
        with self._lock:
            children = [(p, c) for p, c in self._children.items() if p not in self._hidden]
            own = {p: label for p, (label, c) in children if c.poll() is None}
            return own | self._adopted

    def stop(self) -> None:
        """Kill every child and let the guardian go."""
        with self._lock:
            children = [c for _, c in self._children.values()]
            adopted = list(self._adopted)
        for pid in adopted:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        for child in children:
            self.kill(child, signal.SIGKILL)
        for child in children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(5)
        if self._guardian.stdin:
            self._guardian.stdin.close()
        self._guardian.wait(5)

    def _tell(self, line: str) -> None:
        if self._guardian.stdin:
            with suppress(BrokenPipeError, ValueError):
                self._guardian.stdin.write(f"{line}\n".encode())
                self._guardian.stdin.flush()
