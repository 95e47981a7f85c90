"""Child processes: each in a session of its own, started and ended by the supervisor.

Nothing that the cloud starts survives it, nor any process that those start; decision 10 says
how. All of it holds on Linux.
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
    """What a child inherits: a few harmless variables, never an ``AWS_*`` one."""
    return {k: os.environ[k] for k in _KEPT_VARIABLES if k in os.environ}


class Processes:
    """Starts children and makes sure that nothing of them outlives the cloud.

    Args:
        kept_open: descriptors that the supervisor holds open until all it started has ended.

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
        """Start ``command`` in a new session with exactly ``env``; ``label`` names it to people.

        ``stdout`` may be ``subprocess.PIPE``; ``stderr`` ``None`` is the cloud's own. ``hidden``
        marks a part of the cloud itself, which no user's resource owns. Raises ``OSError`` as
        ``subprocess.Popen`` does, and if the cloud stops; ``ValueError`` for a null character.
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
        """Drop a child that has ended and been waited for."""
        with self._lock:
            self._hidden.discard(child.pid)
            if self._children.get(child.pid) is child:
                del self._children[child.pid]

    def adopt(self, pid: int, label: str) -> None:
        """Name a process that a child of the cloud has forked for it."""
        with self._lock:
            self._adopted[pid] = label

    def release(self, pid: int) -> None:
        """Drop an adopted process that has ended."""
        with self._lock:
            self._adopted.pop(pid, None)

    def kill(self, child: Child, sig: signal.Signals = signal.SIGTERM) -> None:
        """Signal a child's process group; SIGKILL ends all its descendants, whatever group."""
        if child.returncode is not None or self._link is None:
            return
        if sig == signal.SIGKILL:
            self._link.tell(kind="end", pid=child.pid)
        else:
            self._link.tell(kind="signal", pid=child.pid, signal=int(sig))

    def end_adopted(self, pid: int) -> None:
        """Kill an adopted process with all its descendants."""
        if self._link is not None:
            self._link.tell(kind="end", pid=pid)

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
            return {p: c.label for p, c in children if c.poll() is None} | self._adopted

    def end_cloud_after(self, seconds: float) -> None:
        """Have this very process killed if it still runs after so many wall seconds."""
        self._supervisor().tell(kind="deadline", seconds=seconds)

    def alarm(self, seconds: float) -> int:
        """A descriptor for ``signal.set_wakeup_fd``: a signal has the same effect, at once.

        It works even while some thread lets no Python code run.
        """
        link = self._supervisor()
        link.tell(kind="grace", seconds=seconds)
        return link.alarm

    def stop(self) -> None:
        """Kill every child and all their descendants, and wait until they are gone."""
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
                # One that was killed has taken all it started with it.
                self._link = Link(kept_open=self._kept_open)
            return self._link


@contextmanager
def _streams(
    stdin: int | IO[Any], stdout: int | IO[Any], stderr: int | IO[Any] | None
) -> Iterator[tuple[IO[bytes] | None, list[int]]]:
    """The readable end of what is piped, and the child's three descriptors, closed at the end."""
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
