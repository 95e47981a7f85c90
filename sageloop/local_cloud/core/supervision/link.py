"""The cloud's connection to its supervisor: starts processes and receives their exit codes."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sageloop.local_cloud.core.child import Child
from sageloop.local_cloud.core.supervision import tree

log = logging.getLogger(__name__)

_PROGRAM = Path(__file__).with_name("supervisor.py")
_LARGEST_MESSAGE = 4096
_END_SECONDS = 10.0
_open_files: int | None = None
_adopts = False


def prepare_cloud_process() -> None:
    """Prepare this process to be a cloud.

    Raises its limit of open files to the maximum, but not its children's. Makes it the subreaper
    of processes whose supervisor was killed. Raises ``OSError``.
    """
    global _open_files, _adopts
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tree.become_subreaper()
    _open_files, _adopts = soft, True


class Link:
    """The connection to a running supervisor."""

    def __init__(self, *, kept_open: Sequence[int]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        alarm_read, self.alarm = os.pipe()
        os.set_blocking(self.alarm, False)
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if _open_files is None else _open_files
        arguments = [str(theirs.fileno()), str(alarm_read), str(soft)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PROGRAM), *arguments],
                env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
                pass_fds=(theirs.fileno(), alarm_read, *kept_open),
            )  # fmt: skip
        finally:
            theirs.close()
            os.close(alarm_read)
        self._control = ours
        self._lock = threading.Lock()
        self._tickets = 0
        self._pending: dict[int, tuple[Child, threading.Event, dict[str, Any]]] = {}
        self._running: dict[int, Child] = {}
        self._closing = False
        self.lost = False
        self._listener = threading.Thread(target=self._listen, name="processes", daemon=True)
        self._listener.start()

    def start(
        self, child: Child, command: Sequence[str], env: Mapping[str, str], cwd: str,
        descriptors: Sequence[int],
    ) -> None:  # fmt: skip
        """Start a process and set the id of ``child``. Raises ``OSError`` if it cannot start."""
        request = {"command": list(command), "env": dict(env), "cwd": cwd}
        answered, answer = threading.Event(), dict[str, Any]()
        with self._lock:
            self._tickets += 1
            ticket = self._tickets
            self._pending[ticket] = (child, answered, answer)
        memory = os.memfd_create("request")
        try:
            os.write(memory, json.dumps(request).encode())
            self._send({"kind": "start", "ticket": ticket}, [memory, *descriptors])
        finally:
            os.close(memory)
        if not self.lost:
            answered.wait()
        if "pid" not in answer:
            number = answer.get("errno")
            if number is None:
                raise OSError("the supervisor of processes has ended")
            raise OSError(number, os.strerror(number), answer["filename"])

    def send(self, **message: Any) -> None:
        """Send a message; it has no effect if the supervisor has ended."""
        with suppress(OSError):
            self._send(message, [])

    def close(self) -> None:
        """End all processes and wait for their end."""
        self._closing = True
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            log.exception("a process cannot be killed: its supervisor waits for it")
        self._listener.join(_END_SECONDS)
        with suppress(OSError):
            os.close(self.alarm)

    def _send(self, message: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        body = json.dumps(message).encode()
        if descriptors:
            socket.send_fds(self._control, [body], descriptors)
        else:
            self._control.send(body)

    def _listen(self) -> None:
        with suppress(OSError):
            while body := self._control.recv(_LARGEST_MESSAGE):
                message = json.loads(body)
                if message["kind"] == "started":
                    self._started(message)
                else:
                    self._ended(message)
        self._connection_lost()

    def _started(self, message: dict[str, Any]) -> None:
        with self._lock:
            child, answered, answer = self._pending.pop(message["ticket"])
            if "pid" in message:
                child.pid = message["pid"]
                self._running[child.pid] = child
        answer.update(message)
        answered.set()

    def _ended(self, message: dict[str, Any]) -> None:
        with self._lock:
            child = self._running.pop(message["pid"], None)
        if child is not None:
            child.end(message["status"])

    def _connection_lost(self) -> None:
        """The supervisor has ended, and with it all that it started."""
        with self._lock:
            self.lost = True
            children, pending = list(self._running.values()), list(self._pending.values())
        if not self._closing:
            log.error("the supervisor of processes was killed; so were all processes of the cloud")
        # First: a killed supervisor closes its socket before the kernel passes its children on.
        # When the outer process has ended, this one has them, the inner process among them.
        self._process.wait()
        if _adopts:
            _end_orphans()
        self._control.close()
        for child in children:
            child.end(-signal.SIGKILL)
        for _, answered, _ in pending:
            answered.set()


def _end_orphans() -> None:
    """End adopted processes: unlike this process's own children they are in other sessions."""
    own = os.getsid(0)
    while True:
        children = tree.children_of(os.getpid())
        orphans = [pid for pid in children if _session_of(pid) not in (own, None)]
        if not orphans:
            return
        for pid in orphans:
            tree.kill_tree(pid)
        for pid in orphans:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
