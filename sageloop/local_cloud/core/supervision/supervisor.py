"""Two small processes that start every process of a cloud and outlive it until all have ended.

``supervisor.py`` is run as a script. An outer process forks the inner one, which starts the
processes that the cloud requests. Both are subreapers, so that no descendant can leave their tree.
The inner process ends everything when the cloud or the outer process has ended, the outer one when
the inner one has. Messages are JSON on a socket that preserves message boundaries; see
``core/processes.py``.
"""

# ruff: noqa: PTH100, PTH120, PTH123
# These processes are small and start often: pathlib is left out of them.

from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

if TYPE_CHECKING:
    from sageloop.local_cloud.core.supervision import tree
else:
    import tree

_LARGEST_MESSAGE = 4096
# Above every descriptor that a child receives.
_OUT_OF_THE_WAY = 16
# A process that does not end on SIGKILL (another user's, or blocked in the kernel) delays its exit
# report by so much.
_REPORT_DELAY = 1.0


def main() -> None:
    """Start the inner process and watch it: ``supervisor.py CONTROL-FD ALARM-FD OPEN-FILES``."""
    # Low numbers: select() accepts no others.
    control, alarm = socket.socket(fileno=os.dup(int(sys.argv[1]))), os.dup(int(sys.argv[2]))
    for inherited in sys.argv[1:3]:
        os.close(int(inherited))
    open_files = int(sys.argv[3])
    cloud = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _keep_descriptors()
    tree.become_subreaper()
    watched, held = os.pipe()
    inner = os.fork()
    if inner == 0:
        os.close(held)
        tree.become_subreaper()
        Launcher(control, watched, alarm, cloud=cloud, open_files=open_files).run()
    os.close(watched)
    os.close(alarm)
    control.close()
    while os.waitpid(-1, 0)[0] != inner:
        pass
    tree.end_all_children()
    os.close(held)


def _keep_descriptors() -> None:
    # They belong to the supervisor only: no process that it starts inherits any of them.
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):
            if int(name) > 2:
                os.set_inheritable(int(name), False)


class Launcher:
    """Starts processes, reports their exit codes and ends all of them at exit."""

    def __init__(
        self, control: socket.socket, watched: int, alarm: int, *, cloud: int, open_files: int
    ) -> None:
        """``watched`` gets end-of-file when the outer process ends, ``alarm`` a byte per signal."""
        self._control = control
        self._watched = watched
        self._alarm: int | None = alarm
        self._cloud = cloud
        self._open_files = open_files
        self._roots: set[int] = set()
        self._ended: list[tuple[int, int]] = []
        self._ended_since = 0.0
        self._deadline: float | None = None
        self._grace = 0.0
        self._wake, self._waker = os.pipe()
        for fd in (self._wake, self._waker, alarm):
            os.set_blocking(fd, False)

    def run(self) -> NoReturn:
        """Serve until the cloud or the outer process has ended; then end everything."""
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with suppress(ConnectionError):
            while self._serve_once():
                pass
        tree.end_all_children()
        os._exit(0)

    def _serve_once(self) -> bool:
        waited_for = [self._control.fileno(), self._watched, self._wake]
        waited_for += [] if self._alarm is None else [self._alarm]
        ready, _, _ = select.select(waited_for, [], [], self._timeout())
        if self._watched in ready:
            return False
        if self._wake in ready:
            with suppress(BlockingIOError):
                os.read(self._wake, _LARGEST_MESSAGE)
            self._reap()
        if self._ended:
            self._report()
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._kill_cloud()
        if self._control.fileno() in ready:
            return self._execute_message()
        # Last: an earlier message may have set the time until the cloud is killed.
        if self._alarm in ready:
            self._receive_signals(self._alarm)
        return True

    def _timeout(self) -> float | None:
        moments = [self._ended_since + _REPORT_DELAY] if self._ended else []
        moments += [] if self._deadline is None else [self._deadline]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _execute_message(self) -> bool:
        body, fds, _, _ = socket.recv_fds(self._control, _LARGEST_MESSAGE, 4)
        if not body:
            return False
        message = json.loads(body)
        match message["kind"]:
            case "start":
                self._start(message["ticket"], fds)
            case "signal":
                self._signal(message["pid"], message["signal"])
            case "end":
                self._end(message["pid"])
            case "deadline":
                self._set_deadline(message["seconds"])
            case "grace":
                self._grace = message["seconds"]
        return True

    def _start(self, ticket: int, fds: list[int]) -> None:
        for fd in fds:
            os.set_inheritable(fd, False)
        with open(fds[0], "rb") as file:
            file.seek(0)
            request = json.loads(file.read())
        answer = {"kind": "started", "ticket": ticket}
        try:
            pid = _spawn(request, fds[1:], self._open_files)
        except OSError as error:
            answer |= {"errno": error.errno, "filename": error.filename}
        else:
            self._roots.add(pid)
            answer["pid"] = pid
        finally:
            for fd in fds[1:]:
                os.close(fd)
        self._send(answer)

    def _signal(self, pid: int, number: int) -> None:
        if pid in self._roots:  # not reaped yet: the id cannot have been reused
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)

    def _end(self, pid: int) -> None:
        # Either a process started by this one, or one that such a process has forked.
        if pid in self._roots or tree.parent_of(pid) in self._roots:
            tree.kill_tree(pid)

    def _receive_signals(self, alarm: int) -> None:
        # The cloud's wakeup descriptor receives the number of each signal.
        if os.read(alarm, _LARGEST_MESSAGE):
            self._set_deadline(self._grace)
        else:
            self._alarm = None

    def _kill_cloud(self) -> None:
        self._deadline = None
        if tree.parent_of(os.getppid()) == self._cloud:
            with suppress(ProcessLookupError):
                os.kill(self._cloud, signal.SIGKILL)

    def _set_deadline(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid in self._roots:
                self._roots.discard(pid)
                if not self._ended:
                    self._ended_since = time.monotonic()
                self._ended.append((pid, os.waitstatus_to_exitcode(status)))

    def _report(self) -> None:
        # A living root adopts its own orphans, so any other child was left by an ended root.
        left = tree.kill_children(apart_from=self._roots)
        if left and time.monotonic() < self._ended_since + _REPORT_DELAY:
            return
        for pid, code in self._ended:
            self._send({"kind": "ended", "pid": pid, "status": code})
        self._ended = []

    def _send(self, message: dict[str, Any]) -> None:
        self._control.send(json.dumps(message).encode())


def _spawn(request: dict[str, Any], fds: list[int], open_files: int) -> int:
    """Fork and execute; raises the ``OSError`` of the child."""
    failed_read, failed_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _execute(request, fds, open_files)
        except OSError as error:
            failure = {"errno": error.errno, "filename": error.filename}
            os.write(failed_write, json.dumps(failure).encode())
        finally:
            os._exit(127)
    os.close(failed_write)
    with open(failed_read, "rb") as failed:
        report = failed.read()
    if not report:
        return pid
    os.waitpid(pid, 0)
    failure = json.loads(report)
    raise OSError(failure["errno"], os.strerror(failure["errno"]), failure["filename"])


def _execute(request: dict[str, Any], fds: list[int], open_files: int) -> NoReturn:
    os.setsid()
    tree.become_subreaper()
    tree.die_with_parent()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, hard))
    # The descriptors may have the very numbers that they are assigned.
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY) for fd in fds]
    for place, fd in enumerate(moved):
        os.dup2(fd, place)
    command: list[str] = request["command"]
    try:
        os.chdir(request["cwd"])
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), request["cwd"]) from None
    try:
        os.execvpe(command[0], command, request["env"])  # noqa: S606 - no shell is the point
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), command[0]) from None


if __name__ == "__main__":
    main()
