"""Child processes, each in its own session, started and ended by the supervisor.

No process that the cloud starts, and no descendant of one, outlives the cloud; decision 10
describes how. Linux only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sageloop.local_cloud.core.child import Child
from sageloop.local_cloud.core.supervision.link import Link

_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE")


def clean_environment() -> dict[str, str]:
    """Environment of a child: a few harmless variables, no ``AWS_*`` variable."""
    return {k: os.environ[k] for k in _KEPT_VARIABLES if k in os.environ}


class Processes:
    """Starts child processes and ends all of them with the cloud.

    Args:
        kept_open: Descriptors that the supervisor holds open until all processes have ended.

    """

    def __init__(self, *, kept_open: Sequence[int] = ()) -> None:
        self._kept_open = tuple(kept_open)
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._stopped = False
        self._children: dict[int, Child] = {}
        self._adopted: dict[int, str] = {}
        self._hidden: set[int] = set()
        self._work: dict[str, float] = {}

    def start(
        self, label: str, command: Sequence[str], *, env: Mapping[str, str],
        cwd: str | Path | None = None, stdin: int | IO[Any] = subprocess.DEVNULL,
        stdout: int | IO[Any] = subprocess.DEVNULL,
        stderr: int | IO[Any] | None = subprocess.STDOUT, hidden: bool = False,
    ) -> Child:  # fmt: skip
        """Start ``command`` in a new session with exactly ``env``; ``label`` identifies it.

        ``stdout`` may be ``subprocess.PIPE``; ``None`` for ``stderr`` is the cloud's own.
        ``hidden`` marks a part of the cloud itself, which belongs to no resource of the user.
        Raises ``OSError`` as ``subprocess.Popen`` does, and if the cloud stops; ``ValueError`` for
        a null character.
        """
        if any("\0" in text for text in (*command, *env, *env.values())):
            raise ValueError("a command and its variables cannot hold a null character")
        link = self._supervisor()
        with _streams(stdin, stdout, stderr) as (read_end, descriptors):
            child = Child(label, read_end)
            link.start(child, command, env, str(Path.cwd() if cwd is None else cwd), descriptors)
        with self._lock:
            self._children[child.pid] = child
            if hidden:
                self._hidden.add(child.pid)
        return child

    def forget(self, child: Child) -> None:
        """Remove a child that has ended and whose exit code was read."""
        with self._lock:
            self._hidden.discard(child.pid)
            if self._children.get(child.pid) is child:
                del self._children[child.pid]

    def adopt(self, pid: int, label: str) -> None:
        """Register a process that a child of the cloud has forked for it."""
        with self._lock:
            self._adopted[pid] = label

    def release(self, pid: int) -> None:
        """Remove a registered process that has ended."""
        with self._lock:
            self._adopted.pop(pid, None)

    def kill(self, child: Child, sig: signal.Signals = signal.SIGTERM) -> None:
        """Signal a child's process group; SIGKILL ends all its descendants in any group."""
        if child.returncode is not None or self._link is None:
            return
        if sig == signal.SIGKILL:
            self._link.send(kind="end", pid=child.pid)
        else:
            self._link.send(kind="signal", pid=child.pid, signal=int(sig))

    def kill_adopted(self, pid: int) -> None:
        """Kill a registered process with all its descendants."""
        if self._link is not None:
            self._link.send(kind="end", pid=pid)

    def note_work(self, label: str, seconds: float) -> None:
        """Record wall seconds of work (a training program, a model's start-up)."""
        with self._lock:
            self._work[label] = self._work.get(label, 0.0) + seconds

    def work_seconds(self) -> dict[str, float]:
        """Wall seconds of recorded work by label."""
        with self._lock:
            return dict(self._work)

    def running(self) -> dict[int, str]:
        """Process ids and labels of running children, without the cloud's own parts."""
        with self._lock:
            children = [(p, c) for p, c in self._children.items() if p not in self._hidden]
            return {p: c.label for p, c in children if c.poll() is None} | self._adopted

    def end_cloud_after(self, seconds: float) -> None:
        """Kill the cloud's own process if it still runs after ``seconds`` wall seconds."""
        self._supervisor().send(kind="deadline", seconds=seconds)

    def alarm(self, seconds: float) -> int:
        """A descriptor for ``signal.set_wakeup_fd`` that makes a signal effective immediately.

        It works even while another thread holds the interpreter.
        """
        link = self._supervisor()
        link.send(kind="grace", seconds=seconds)
        return link.alarm

    def stop(self) -> None:
        """Kill all children and their descendants, and wait for their end."""
        with self._lock:
            self._stopped = True
            link, self._link = self._link, None
        if link is not None:
            link.close()

    def _supervisor(self) -> Link:
        with self._lock:
            if self._stopped:
                raise OSError("the cloud is stopping")
            if self._link is None or self._link.lost:
                # A killed supervisor has ended everything that it started.
                self._link = Link(kept_open=self._kept_open)
            return self._link


@contextmanager
def _streams(
    stdin: int | IO[Any], stdout: int | IO[Any], stderr: int | IO[Any] | None
) -> Iterator[tuple[IO[bytes] | None, list[int]]]:
    """The readable end of a pipe, and the child's three descriptors, closed at exit."""
    opened: list[int] = []
    read_end: IO[bytes] | None = None
    try:
        if subprocess.DEVNULL in (stdin, stdout, stderr):
            opened.append(os.open(os.devnull, os.O_RDWR))
        nothing = opened[0] if opened else -1
        if stdout == subprocess.PIPE:
            reading, writing = os.pipe()
            opened.append(writing)
            read_end, stdout = os.fdopen(reading, "rb"), writing
        numbers = [nothing if s == subprocess.DEVNULL else _number(s) for s in (stdin, stdout)]
        if stderr == subprocess.STDOUT:
            numbers.append(numbers[1])
        elif stderr is None:
            numbers.append(sys.__stderr__.fileno() if sys.__stderr__ else nothing)
        else:
            numbers.append(nothing if stderr == subprocess.DEVNULL else _number(stderr))
        yield read_end, numbers
    except BaseException:
        if read_end is not None:
            read_end.close()
        raise
    finally:
        for number in opened:
            with suppress(OSError):
                os.close(number)


def _number(stream: int | IO[Any]) -> int:
    return stream if isinstance(stream, int) else stream.fileno()
