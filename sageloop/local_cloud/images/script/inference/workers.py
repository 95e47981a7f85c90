"""Workers that handle requests: this process, or a pool of worker processes.

On AWS each worker is a process that loads the model and handles one request at a time. A single
worker runs in this process; several workers, or a request timeout, need worker processes.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from multiprocessing.connection import Connection
from typing import Protocol

from sageloop.local_cloud.images.http_server import Reply
from sageloop.local_cloud.images.turns import Turns

_STARTED = "started"


class Handles(Protocol):
    """A request handler that processes one request at a time."""

    def load(self) -> None:
        """Load the model."""

    def reply(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The response to a request."""


class SingleWorker:
    """The single worker in this process."""

    def __init__(self, handler: Handles) -> None:
        self._handler = handler
        self._turns = Turns(1)

    def reply(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The response, after those of the requests that arrived earlier."""
        with self._turns:
            return self._handler.reply(body, headers)


class Pool:
    """Worker processes; ``timeout``: wall seconds for one request, ``None`` without limit."""

    def __init__(self, command: Sequence[str], count: int, timeout: float | None) -> None:
        self._command = tuple(command)
        self._timeout = timeout
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._workers = [_Worker(self._command) for _ in range(count)]
        self._count = count
        self._turns = Turns(count)

    def wait(self) -> bool:
        """Wait until every worker has loaded the model; returns whether all succeeded."""
        for worker in self._workers:
            if not worker.started():
                return False
            self._idle.put(worker)
        return True

    def reply(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The response of the first idle worker; requests wait in the order of their arrival."""
        with self._turns:
            return self._invoked(body, headers)

    def _invoked(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        worker = self._idle.get()
        try:
            reply = worker.invoke(body, dict(headers), self._timeout)
        except (EOFError, OSError):
            return self._replaced(worker, "Worker died.")
        if reply is None:
            message = f"the worker gave no answer within {self._timeout:g} s and was ended"
            return self._replaced(worker, message)
        self._idle.put(worker)
        return reply

    def _replaced(self, worker: _Worker, message: str) -> Reply:
        worker.end()
        threading.Thread(target=self._replace, daemon=True).start()
        return Reply(
            HTTPStatus.INTERNAL_SERVER_ERROR, message.encode(), {"Content-Type": "text/plain"}
        )

    def _replace(self) -> None:
        fresh = _Worker(self._command)
        if fresh.started():
            self._idle.put(fresh)
            return
        self._count -= 1
        sys.stderr.write(f"a worker did not restart; {self._count} remain\n")
        if self._count == 0:
            os._exit(1)  # no worker remains: the platform restarts the container


class _Worker:
    def __init__(self, command: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = subprocess.Popen(
                [*command, f"--worker={theirs.fileno()}"], pass_fds=(theirs.fileno(),)
            )
        self._link = Connection(ours.detach())

    def started(self) -> bool:
        """Wait until the model is loaded; ``False`` if the process ended instead."""
        try:
            return bool(self._link.recv() == _STARTED)
        except (EOFError, OSError):
            self.end()
            return False

    def invoke(self, body: bytes, headers: dict[str, str], timeout: float | None) -> Reply | None:
        """The response, or ``None`` after ``timeout`` wall seconds."""
        self._link.send((body, headers))
        if not self._link.poll(timeout):
            return None
        reply: Reply = self._link.recv()
        return reply

    def end(self) -> None:
        """Kill the process."""
        self._child.kill()
        self._child.wait()
        self._link.close()


def work(descriptor: int, made: Callable[[], Handles]) -> None:
    """Run a worker: load the model and answer requests from a socket until it closes."""
    link = Connection(descriptor)
    # SIGTERM reaches the whole group; running requests must still be answered.
    signal.signal(signal.SIGTERM, lambda *_: None)
    handler = made()
    handler.load()
    link.send(_STARTED)
    while True:
        try:
            body, headers = link.recv()
        except EOFError:
            return
        link.send(handler.reply(body, headers))
