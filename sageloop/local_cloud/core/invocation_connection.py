"""Connections that parse invocation requests without the server's own parser.

cheroot parses each header separately and answers through several layers, which costs as much as
the rest of request handling. An invocation usually arrives in one segment: it is inspected in the
socket's buffer, and cheroot handles every other request.
"""

from __future__ import annotations

import io
import re
import socket
import struct
import time as wall
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from cheroot.server import HTTPConnection

from sageloop.local_cloud.core.client_time import ClientTimeAllowance

_PEEK_BYTES = 16_384
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d{1,10})[ \t]*\r\n")
_EXPECTS = re.compile(rb"(?i)\r\nexpect:")
_START = b"POST /endpoints/"
_END = b"/invocations HTTP/1.1"
_JOINED = 65_536
# An endpoint accepts 6 MB; a request that is much larger is read and refused by cheroot.
_MOST = 16 * 1024**2
# cheroot reads a body that is sent in chunks or after "100 Continue".
_OTHERS = ("HTTP_TRANSFER_ENCODING", "HTTP_EXPECT")
_BARE = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}


class InvocationConnection(HTTPConnection):
    """A cheroot connection that itself answers ``POST /endpoints/<name>/invocations``.

    A request whose bytes have not all arrived waits without a thread; :attr:`begun` is then the
    time of its first bytes in seconds since the epoch.
    """

    begun: float | None = None
    _blocking = False
    _peeked = 0

    def __init__(self, server: Any, sock: socket.socket, _: Any = None) -> None:
        self._allowance = ClientTimeAllowance(server.body_seconds)
        super().__init__(server, sock, self._allowance.file)

    def communicate(self) -> bool:
        """Answer one request or wait for the rest of it; whether the connection is kept."""
        try:
            if self.rfile.has_data():
                return self._answer_by_cheroot()
            self._set_kernel_timeouts()
            peeked = self.socket.recv(_PEEK_BYTES, socket.MSG_PEEK)
            end = peeked.find(b"\r\n\r\n")
            needed = _needed(peeked, end)
            if len(peeked) < needed and self._await_bytes(needed, len(peeked)):
                return True
            self._begin()
            invocation = _invocation(peeked, end)
            return self._answer_by_cheroot() if invocation is None else self._answered(*invocation)
        except OSError:  # the client has closed its side or sends nothing
            return False

    def _await_bytes(self, needed: int, peeked: int) -> bool:
        """Wait for ``needed`` bytes; ``False`` if no more will arrive."""
        if peeked == self._peeked:
            return False  # woken without new bytes: the client has closed its side
        if self.begun is None:
            self.begun = wall.time()
        self._peeked = peeked
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, needed)
        return True

    def _begin(self) -> None:
        if self.begun is not None:
            self.begun, self._peeked = None, 0
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def _answer_by_cheroot(self) -> bool:
        if self._blocking:
            self.socket.settimeout(self.server.timeout)
            self._blocking = False
        self._allowance.renew()
        return bool(super().communicate())  # type: ignore[no-untyped-call]

    def _set_kernel_timeouts(self) -> None:
        # Python would poll the descriptor before every operation, and release its lock each time.
        if not self._blocking:
            self.socket.settimeout(None)
            seconds, rest = divmod(self.server.body_seconds, 1)
            packed = struct.pack("ll", int(seconds), int(rest * 1e6))
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, packed)
            self._blocking = True

    def _answered(self, environ: dict[str, Any], head: int) -> bool:
        length = int(environ["CONTENT_LENGTH"])
        whole = _exactly(self.socket, head + length, ClientTimeAllowance(self.server.body_seconds))
        environ["wsgi.input"] = io.BytesIO(whole[head:])
        answer = _Answer()
        body = self.server.wsgi_app(environ, answer)
        keeps: bool = environ.get("HTTP_CONNECTION", "").lower() != "close"
        self._write(answer, body, keeps=keeps)
        return keeps

    def _write(self, answer: _Answer, body: Iterable[bytes], *, keeps: bool) -> None:
        lines = [f"HTTP/1.1 {answer.status}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in answer.headers]
        lines.append("\r\n" if keeps else "Connection: close\r\n\r\n")
        head, content = "".join(lines).encode("latin-1"), b"".join(body)
        if len(content) <= _JOINED:
            self.socket.sendall(head + content)
        else:
            self.socket.sendall(head)
            self.socket.sendall(content)


def _needed(peeked: bytes, end: int) -> int:
    """Number of bytes that must have arrived before a thread reads the request."""
    if end < 0:
        return len(peeked) + 1 if 0 < len(peeked) < _PEEK_BYTES else 0
    head = peeked[: end + 2]
    length = _LENGTH.search(head)
    if length is None or _EXPECTS.search(head) is not None:
        return 0
    whole = end + 4 + int(length[1])
    return whole if whole <= _PEEK_BYTES else 0


def _invocation(peeked: bytes, end: int) -> tuple[dict[str, Any], int] | None:
    """The environment of an invocation and the length of its head; ``None`` for cheroot."""
    if not peeked.startswith(_START) or end < 0:
        return None
    head = peeked[:end]
    if not head.partition(b"\r\n")[0].endswith(_END):
        return None
    environ = _environ(head)
    if environ is None or any(name in environ for name in _OTHERS):
        return None
    if "HTTP_AUTHORIZATION" not in environ:
        return None
    length = environ.get("CONTENT_LENGTH", "")
    return (environ, end + 4) if length.isdigit() and int(length) <= _MOST else None


class _Answer:
    """WSGI's ``start_response``, which stores its arguments."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []

    def __call__(
        self, status: str, headers: list[tuple[str, str]], _: Any = None
    ) -> Callable[..., None]:
        self.status, self.headers = status, headers
        return lambda *_: None


def _environ(head: bytes) -> dict[str, Any] | None:
    lines = head.decode("latin-1").split("\r\n")
    path = lines[0][5:-9]
    if "?" in path or "%" in path:
        return None
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "",
        "REQUEST_URI": path, "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "0",
    }  # fmt: skip
    for line in lines[1:]:
        name, separator, value = line.partition(":")
        if not separator or name != name.strip():
            return None
        variable = _variable(name)
        if variable in environ:
            return None  # to be joined, or request smuggling: cheroot decides
        environ[variable] = value.strip()
    return environ


@lru_cache(maxsize=512)
def _variable(header: str) -> str:
    name = header.upper()
    return _BARE.get(name, f"HTTP_{name.replace('-', '_')}")


def _exactly(connection: socket.socket, number: int, allowance: ClientTimeAllowance) -> bytes:
    pieces, missing = [], number
    while missing > 0:
        allowance.start_wait()
        part = connection.recv(min(missing, 1 << 20))
        if not part:
            raise ConnectionResetError("the request was cut short")
        allowance.end_wait(len(part))
        pieces.append(part)
        missing -= len(part)
    return b"".join(pieces)
