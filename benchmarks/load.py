"""Closed-loop load over persistent connections: ``python -m benchmarks.load SPECIFICATION``.

It runs in its own process, so that its cost is not the server's. One thread and one selector;
each connection has one request in flight. Prints JSON.
"""

from __future__ import annotations

import itertools
import json
import selectors
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_READ = 65_536
_TIMEOUT = 60.0
_MOST_ANSWERS = 64
_END = b"\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Load:
    """The requests to send: ``requests`` over ``connections``, after ``warm_up`` others.

    ``body_headers`` are additional headers, such as signatures, one set for each body.
    """

    port: int
    path: str
    headers: dict[str, str]
    bodies: list[str]
    connections: int
    requests: int
    warm_up: int = 0
    body_headers: list[dict[str, str]] = field(default_factory=list)

    def messages(self) -> list[bytes]:
        """The requests as bytes."""
        more = self.body_headers or [{}] * len(self.bodies)
        return [
            self._message(body.encode(), own) for body, own in zip(self.bodies, more, strict=True)
        ]

    def _message(self, body: bytes, own: dict[str, str]) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in (self.headers | own).items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body


class _Connection:
    """One connection with its request in flight."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self._read = bytearray()

    def send(self, message: bytes) -> None:
        self._read.clear()
        self.began = time.perf_counter()
        self.socket.sendall(message)

    def answered(self) -> tuple[int, bytes] | None:
        """Status and body of a complete response. Raises ``OSError`` for a broken connection."""
        part = self.socket.recv(_READ)
        if not part:
            raise ConnectionResetError("the server closed the connection")
        self._read += part
        head = self._read.find(_END)
        if head < 0:
            return None
        top = bytes(self._read[:head]).lower()
        at = top.find(b"content-length:")
        length = int(top[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._read) < head + 4 + length:
            return None
        return int(self._read[9:12]), bytes(self._read[head + 4 : head + 4 + length])


class _Results:
    """The results of the measured requests."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._completed = 0
        self._began = time.perf_counter()
        self._latencies: list[float] = []
        self._statuses: Counter[int] = Counter()
        self._answers: Counter[str] = Counter()

    def note(self, seconds: float, status: int, body: bytes) -> bool:
        """Record a response; returns whether more are expected."""
        self._completed += 1
        if self._completed == self._load.warm_up:
            self._began = time.perf_counter()
        elif self._completed > self._load.warm_up:
            self._latencies.append(seconds)
            self._statuses[status] += 1
            if status != 200 and len(self._answers) < _MOST_ANSWERS:
                self._answers[body.decode(errors="replace")[:200]] += 1
        return self._completed < self._load.warm_up + self._load.requests

    def figures(self) -> dict[str, Any]:
        """Requests per second, milliseconds, statuses, and responses other than 200."""
        took = time.perf_counter() - self._began
        ordered = sorted(self._latencies)
        return {
            "rate": len(ordered) / took,
            "p50": 1000 * ordered[len(ordered) // 2],
            "p99": 1000 * ordered[int(len(ordered) * 0.99)],
            "statuses": {str(status): number for status, number in self._statuses.items()},
            "refusals": dict(self._answers.most_common(5)),
        }


def run(load: Load) -> dict[str, Any]:
    """Send all requests; returns the figures. Raises ``OSError`` for a broken connection."""
    results, waiting = _Results(load), selectors.DefaultSelector()
    left = iter(itertools.islice(itertools.cycle(load.messages()), load.warm_up + load.requests))
    for message in itertools.islice(left, load.connections):
        connection = _Connection(load.port)
        waiting.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(message)
    more = True
    while more:
        for key, _ in waiting.select(_TIMEOUT):
            connection = key.data
            answer = connection.answered()
            if answer is not None:
                more = results.note(time.perf_counter() - connection.began, *answer)
                if (following := next(left, None)) is not None:
                    connection.send(following)
    return results.figures()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Load(**json.loads(sys.stdin.read())))))
