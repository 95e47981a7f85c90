"""The cloud's handle of a worker process: its socket, its log and its end."""

from __future__ import annotations

import json
import os
import select
import socket
import time as wall
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from sageloop.local_cloud.functions.fork_server import Channel

_HEADER = 4
_CHUNK = 1 << 16

Lost = Literal["timeout", "dead"]
Sink = Callable[[bytes], None]


class Worker:
    """One execution environment, used by one invocation at a time."""

    def __init__(self, channel: Channel, *, stream: str, end: Callable[[int], None]) -> None:
        """``stream`` is the log stream of all its invocations, ``end`` kills a process tree."""
        self._channel = channel
        self._end = end
        self._received = bytearray()
        self.stream = stream
        self.pid = 0
        self.idle_since = wall.monotonic()

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait for the worker's first message; returns ``False`` if it does not arrive."""
        message = self._receive(wall.monotonic() + seconds, lambda _: None)
        if isinstance(message, dict):
            self.pid = int(message["pid"])
        return self.pid != 0

    def exchange(
        self, message: dict[str, Any], seconds: float, sink: Sink, *, killed: bool = False
    ) -> dict[str, Any] | Lost:
        """Send a message and wait for the response, passing log output to ``sink``.

        ``killed`` ends the process as soon as it has received the message: an injected fault.
        """
        body = json.dumps(message).encode()
        try:
            self._channel.socket.sendall(len(body).to_bytes(_HEADER, "big") + body)
        except OSError:
            return "dead"
        if killed:
            self.kill()
        answer = self._receive(wall.monotonic() + seconds, sink)
        if answer == "timeout":
            self.kill()
        self._drain(sink)
        return answer

    def kill(self) -> None:
        """End the process and its descendants."""
        if self.pid:
            self._end(self.pid)

    def close(self) -> None:
        """Close the descriptors; an idle worker then ends by itself."""
        with suppress(OSError):
            self._channel.socket.close()
        with suppress(OSError):
            os.close(self._channel.log)

    def _receive(self, deadline: float, sink: Sink) -> dict[str, Any] | Lost:
        channel = self._channel
        poll = select.poll()
        poll.register(channel.socket, select.POLLIN)
        poll.register(channel.log, select.POLLIN)
        while True:
            left = deadline - wall.monotonic()
            if left <= 0:
                return "timeout"
            for fd, _ in poll.poll(left * 1000):
                if fd == channel.log:
                    if not self._read_log(sink):
                        poll.unregister(channel.log)
                elif not self._read_socket():
                    return "dead"
            message = self._message()
            if message is not None:
                return message

    def _read_socket(self) -> bool:
        try:
            part = self._channel.socket.recv(_CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._received += part
        return bool(part)

    def _message(self) -> dict[str, Any] | None:
        size = int.from_bytes(self._received[:_HEADER], "big")
        if len(self._received) < _HEADER or len(self._received) < _HEADER + size:
            return None
        body = bytes(self._received[_HEADER : _HEADER + size])
        del self._received[: _HEADER + size]
        message: dict[str, Any] = json.loads(body)
        return message

    def _read_log(self, sink: Sink) -> bool:
        try:
            part = os.read(self._channel.log, _CHUNK)
        except BlockingIOError:
            return True
        if part:
            sink(part)
        return bool(part)

    def _drain(self, sink: Sink) -> None:
        with suppress(BlockingIOError):
            while part := os.read(self._channel.log, _CHUNK):
                sink(part)
