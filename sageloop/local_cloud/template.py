"""A process in which the local cloud's code and AWS's models are loaded, to fork clouds from.

A cloud of its own process spends 1.5 s of CPU time on imports, and some 10 s more on the service
models and the parts of moto that a first deployment needs. Forks of one template share all of it
and nothing else: each is a cloud with its own state, keys, port, environment and supervisor.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from sageloop.environment import blind_client, local_environment

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
        """Wait for the end of the process; its exit code is the template's.

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
        stdin, ours_in = os.pipe()
        ours_out, stdout = os.pipe()
        ours_error, error = (-1, stderr.fileno()) if stderr else os.pipe()
        message = {"arguments": list(arguments), "env": dict(env), "cwd": str(Path.cwd())}
        try:
            with self._lock:
                link = self._link()
                socket.send_fds(link, [json.dumps(message).encode()], [stdin, stdout, error])
                answer = link.recv(_MESSAGE)
        except ConnectionError:
            answer = b""
        finally:
            for descriptor in (stdin, stdout, *([] if stderr else [error])):
                os.close(descriptor)
        if not answer:
            raise TemplateError("the template of the local clouds has ended")
        return ForkedServer(
            int(answer), os.fdopen(ours_in, "w"), os.fdopen(ours_out),
            os.fdopen(ours_error) if ours_error >= 0 else None,
        )  # fmt: skip

    def stop(self) -> None:
        """End the template process; clouds that were forked from it go on."""
        with self._lock:
            if self._running is not None:
                link, process = self._running
                link.close()
                process.wait()
            self._running = None

    def _link(self) -> socket.socket:
        if self._running is None:
            ours, theirs = socket.socketpair()
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


def load() -> None:
    """Import what clouds use, and read AWS's models of their services."""
    from moto.core.routing import get_service_router

    from sageloop.local_cloud.core.cloud import WARMED
    from sageloop.local_cloud.core.moto_bridge import load_part
    from sageloop.local_cloud.core.naming import moto_part

    __import__("sageloop.local_cloud.server")
    for service in WARMED:
        get_service_router(service)
        blind_client(service, region_name="us-east-1")
        if moto_part(service) is not None:
            load_part(service, "us-east-1")
    forget_state()
    gc.collect()
    gc.freeze()


def forget_state() -> None:
    """Empty moto's state, which it keeps by process."""
    from moto.iam.models import iam_backends
    from moto.moto_api._internal.models import moto_api_backend

    # moto would fill what it forgets with all of AWS's policies anew first.
    iam_backends.clear()
    moto_api_backend.reset()


def main(descriptor: int) -> int:
    """Fork a server for each request until the owner closes the connection."""
    load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended servers are removed at once
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


def _serve(request: dict[str, Any], streams: list[int]) -> int:
    from moto.moto_api._internal import mock_random

    from sageloop.local_cloud.server import main as serve

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    moto = {name: value for name, value in os.environ.items() if name.startswith("MOTO_")}
    os.environ.clear()
    os.environ |= moto | request["env"]  # moto's are set by the import of what uses it
    os.chdir(request["cwd"])
    mock_random.seed()
    try:
        return serve(request["arguments"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
