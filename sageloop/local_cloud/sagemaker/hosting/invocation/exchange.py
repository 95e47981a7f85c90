"""A minimal HTTP/1.1 client for serving processes: one request and response at a time.

``http.client`` parses headers with the e-mail parser and sends a request in two parts, which costs
more than the rest of an invocation.
"""

from __future__ import annotations

import select
import socket
import struct
import time as wall
from collections.abc import Iterator, Mapping
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
from typing import NamedTuple, overload

from sageloop.local_cloud.core.chunked_body import chunk_size

_READ = 65_536
_SLACK = 0.05  # seconds past a deadline that still count as in time
_MAX_HEAD_BYTES = 131_072
_JOINED = 65_536  # a body up to this size is sent in one piece with its head
_BODILESS = (204, 304)


class Headers(dict[str, str]):
    """The headers of a response by lower-case name; lookup ignores case."""

    @overload  # type: ignore[override]
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of a header, or ``default``."""
        return super().get(name.lower(), default)


class HttpRequest(NamedTuple):
    """A request; ``timeout`` is wall seconds until the complete response must be received."""

    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str]
    timeout: float


class ResponseHead(NamedTuple):
    """The status line and headers; ``length`` is ``None`` without a Content-Length."""

    status: int
    headers: Headers
    length: int | None
    chunked: bool
    keep_alive: bool


class HttpConnection:
    """A connection with one request in progress at a time."""

    def __init__(self, port: int, timeout: float) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._host = f"Host: 127.0.0.1:{port}\r\n"
        self._read = b""
        self._deadline = 0.0
        # The kernel enforces the timeout: in Python it would cost a poll and the GIL at each step.
        self._socket.settimeout(None)
        self._allowed = 0.0

    @property
    def open(self) -> bool:
        """Whether an idle connection is usable: it is readable once the server has closed it."""
        return not self._poll.poll(0)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def send(self, request: HttpRequest) -> None:
        """Send a request."""
        self._deadline = wall.monotonic() + request.timeout
        self._allow(request.timeout)
        self._read = b""
        head, body = self._head(request), request.body
        try:
            if body is None:
                self._socket.sendall(head)
            elif isinstance(body, bytes) and len(body) <= _JOINED:
                self._socket.sendall(head + body)
            else:
                self._socket.sendall(head)
                self._socket.sendall(body)
        except BlockingIOError:
            raise TimeoutError("timed out") from None

    def receive(self) -> ResponseHead:
        """The head of the response. Raises ``RemoteDisconnected`` without any data."""
        while True:
            end = self._read.find(b"\r\n\r\n")
            if end >= 0:
                head = _parsed(self._read[:end])
                self._read = self._read[end + 4 :]
                if head.status >= 200:
                    return head
            elif len(self._read) > _MAX_HEAD_BYTES:
                raise BadStatusLine("the head of the response is incomplete")
            else:
                self._more()

    def body(self, head: ResponseHead) -> bytes:
        """The complete body of a response."""
        length = head.length
        if length is None:
            return b"".join(self.parts(head))
        if len(self._read) == length:
            return self._read
        return self._exactly(length)

    def parts(self, head: ResponseHead) -> Iterator[bytes]:
        """The body of a response in parts as they are received."""
        if head.chunked:
            yield from self._chunks()
        elif head.length is None:
            yield from self._until_closed()
        else:
            yield from self._counted(head.length)

    def _head(self, request: HttpRequest) -> bytes:
        lines = [f"{request.method} {request.path} HTTP/1.1\r\n", self._host]
        headers = request.headers
        if request.body is not None and "Transfer-Encoding" not in headers:
            lines.append(f"Content-Length: {len(request.body)}\r\n")
        for name, value in headers.items():
            if "\r" in value or "\n" in value:
                raise ValueError(f"the header {name} contains a line break")
            lines.append(f"{name}: {value}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1", "replace")

    def _more(self) -> bytes:
        left = self._deadline - wall.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        part = self._receive(left)
        if not part:
            if not self._read:
                raise RemoteDisconnected("the server closed the connection without a response")
            raise IncompleteRead(self._read)
        self._read += part
        return part

    def _receive(self, seconds: float) -> bytes:
        if seconds < self._allowed - _SLACK:
            self._allow(seconds)
        try:
            return self._socket.recv(_READ)
        except BlockingIOError:
            raise TimeoutError("timed out") from None

    def _allow(self, seconds: float) -> None:
        if seconds != self._allowed:
            self._allowed = seconds
            set_time_out(self._socket, seconds)

    def _exactly(self, number: int) -> bytes:
        pieces, missing = [self._read], number - len(self._read)
        while missing > 0:
            self._read = b"."  # an end of the stream from now on means a truncated response
            pieces.append(self._more())
            missing -= len(pieces[-1])
        whole = b"".join(pieces)
        self._read = whole[number:]
        return whole[:number]

    def _counted(self, missing: int) -> Iterator[bytes]:
        part, self._read = self._read, b""
        while True:
            if part:
                missing -= len(part)
                yield part
            if missing <= 0:
                return
            self._read = b"."
            part, self._read = self._more(), b""

    def _until_closed(self) -> Iterator[bytes]:
        part, self._read = self._read, b""
        while True:
            if part:
                yield part
            part = self._receive(max(0.001, self._deadline - wall.monotonic()))
            if not part:
                return

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = _chunk_size(self._line())
            if size == 0:
                while self._line():
                    pass  # trailers are ignored
                return
            yield self._exactly(size)
            self._line()

    def _line(self) -> bytes:
        while (end := self._read.find(b"\r\n")) < 0:
            if not self._read:
                self._read = self._first()
            else:
                self._more()
        line, self._read = self._read[:end], self._read[end + 2 :]
        return line

    def _first(self) -> bytes:
        self._read = b"."
        return self._more()


def set_time_out(connection: socket.socket, seconds: float) -> None:
    """Make operations of a blocking socket raise ``BlockingIOError`` after so many wall seconds."""
    whole = int(seconds)
    packed = struct.pack("ll", whole, max(1, int((seconds - whole) * 1e6)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, packed)


def _chunk_size(line: bytes) -> int:
    size = chunk_size(line.partition(b";")[0].strip())
    if size is None:
        raise BadStatusLine(f"invalid chunk size: {line[:80]!r}")
    return size


def _parsed(text: bytes) -> ResponseHead:
    lines = text.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    if not version.startswith("HTTP/") or not _digits(rest[:3]):
        raise BadStatusLine(lines[0])
    status, headers = int(rest[:3]), Headers()
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    connection_options = headers.get("connection", "").lower()
    keep_alive = (
        connection_options != "close"
        if version != "HTTP/1.0"
        else connection_options == "keep-alive"
    )
    length = headers.get("content-length", "")
    if status in _BODILESS or status < 200:
        return ResponseHead(status, headers, 0, chunked=False, keep_alive=keep_alive)
    if chunked:
        return ResponseHead(status, headers, None, chunked=True, keep_alive=keep_alive)
    if not _digits(length):
        return ResponseHead(status, headers, None, chunked=False, keep_alive=False)
    return ResponseHead(status, headers, int(length), chunked=False, keep_alive=keep_alive)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
