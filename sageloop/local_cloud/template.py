"""A process in which the local cloud's code and AWS's models are loaded, to fork clouds from.

A cloud of its own process spends 1.5 s of CPU time on imports, and some 10 s more on the service
models and the parts of moto that a first deployment needs. Forks of one template share all of it
and nothing else: each is a cloud with its own state, keys, port, environment and supervisor.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from sageloop.environment import blind_client, local_environment
from sageloop.local_cloud.core import moto_state

_REGION = "us-east-1"
_MESSAGE = 1 << 20
_STREAMS = 3


class TemplateError(RuntimeError):
    """The template process has ended."""


class ForkedServer:
    """The process of a forked cloud: the members of ``subprocess.Popen`` that its owner uses."""

    def __init__(self, pid: int, stdin: IO[str], stdout: IO[str], stderr: IO[str] | None) -> None:
        self.pid = pid
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr

    def terminate(self) -> None:
        """Send SIGTERM, unless the process has ended."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, unless the process has ended."""
        self._signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the end of the process, a child of the template, which discards its exit code.

        Raises ``psutil.TimeoutExpired`` after ``timeout`` seconds.
        """
        import psutil

        try:
            psutil.Process(self.pid).wait(timeout)
        except psutil.NoSuchProcess:
            return

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return


class CloudTemplate:
    """Forks servers from a template process, which the first of them starts.

    Example::

        with CloudTemplate() as template:
            LocalCloud.template = template

    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: tuple[socket.socket, subprocess.Popen[bytes]] | None = None

    def fork(
        self, arguments: Sequence[str], *, env: Mapping[str, str], stderr: IO[str] | None = None
    ) -> ForkedServer:
        """Fork a server with the arguments of ``python -m sageloop.local_cloud.server``.

        ``stderr`` is a file for its messages; without one they are read from the result. Raises
        :class:`TemplateError` if the template process has ended.
        """
        message = {"arguments": list(arguments), "env": dict(env), "cwd": str(Path.cwd())}
        with ExitStack() as theirs, ExitStack() as ours:
            stdin, our_input = _pipe(theirs, ours, "w")
            stdout, our_output = _pipe(theirs, ours, "r")
            error, our_errors = (stderr, None) if stderr else _pipe(theirs, ours, "r")
            pid = self._request(message, [each.fileno() for each in (stdin, stdout, error)])
            ours.pop_all()
        return ForkedServer(pid, our_input, our_output, our_errors)

    def stop(self) -> None:
        """End the template process; clouds that were forked from it go on."""
        with self._lock:
            if self._running is not None:
                link, process = self._running
                link.close()
                process.wait()
            self._running = None

    def _request(self, message: Mapping[str, Any], streams: Sequence[int]) -> int:
        with self._lock:
            link = self._link()
            try:
                socket.send_fds(link, [json.dumps(message).encode()], streams)
                answer = link.recv(_MESSAGE)
            except ConnectionError:
                answer = b""
        if not answer:
            raise TemplateError("the template of the local clouds has ended")
        return int(answer)

    def _link(self) -> socket.socket:
        if self._running is None:
            # A message arrives as a whole, whatever the size of the environment.
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, "-m", __name__, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                    env=local_environment("http://127.0.0.1", region="us-east-1"),
                )  # fmt: skip
            self._running = ours, process
        return self._running[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.stop()


def _pipe(theirs: ExitStack, ours: ExitStack, mode: str) -> tuple[IO[str], IO[str]]:
    """The server's end of a pipe and the owner's, which reads or writes it by ``mode``."""
    read, write = os.pipe()
    reader, writer = os.fdopen(read), os.fdopen(write, "w")
    end, own = (writer, reader) if mode == "r" else (reader, writer)
    return theirs.enter_context(end), ours.enter_context(own)


def load() -> None:
    """Import what clouds use, and read AWS's models of their services."""
    from sageloop.local_cloud.core.cloud import WARMED
    from sageloop.local_cloud.core.moto_bridge import preload

    importlib.import_module("sageloop.local_cloud.server")
    preload(WARMED, _REGION)
    for service in WARMED:
        blind_client(service, region_name=_REGION)
    gc.collect()
    gc.freeze()


def main(descriptor: int) -> int:
    """Fork a server for each request until the owner closes the connection."""
    load()
    signal.signal(signal.SIGCHLD, _reap)
    with socket.socket(fileno=descriptor) as link:
        while True:
            message, streams, _, _ = socket.recv_fds(link, _MESSAGE, _STREAMS)
            if not message:
                return 0
            pid = os.fork()
            if pid == 0:
                link.close()
                os._exit(_serve(json.loads(message), streams))
            for stream in streams:
                os.close(stream)
            link.sendall(str(pid).encode())


def _reap(*_: object) -> None:
    """Wait for the servers that have ended, so that their CPU time counts as this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _serve(request: dict[str, Any], streams: list[int]) -> int:
    from sageloop.local_cloud.server import main as serve

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ |= request["env"]
    os.chdir(request["cwd"])
    moto_state.reseed()
    try:
        return serve(request["arguments"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
