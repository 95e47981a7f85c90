"""Connections that read requests for inference at once, without the server's own machinery.

cheroot reads a request header by header and answers through several layers, which is as dear as
all that the front does for an invocation. Such a request comes whole in one piece: it is looked
at before it is read, and whatever looks otherwise is left to cheroot.
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

from sageloop.local_cloud.core.patience import Patience

_LOOK = 16_384
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d{1,10})[ \t]*\r\n")
_EXPECTS = re.compile(rb"(?i)\r\nexpect:")
_START = b"POST /endpoints/"
_END = b"/invocations HTTP/1.1"
_JOINED = 65_536
# An endpoint takes 6 MB; what is far more is refused by those who read it bit by bit.
_MOST = 16 * 1024**2
# A body that is sent in chunks or only when asked for is read by those who know how.
_OTHERS = ("HTTP_TRANSFER_ENCODING", "HTTP_EXPECT")
_BARE = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}


class QuickConnection(HTTPConnection):
    """A connection of cheroot that answers ``POST /endpoints/<name>/invocations`` itself.

    A request that has not come as a whole, or as far as it can be looked at, goes back to wait
    without a thread; :attr:`begun` is then when it was first seen, in seconds since the epoch.
    """

    begun: float | None = None
    _blocking = False
    _seen = 0

    def __init__(self, server: Any, sock: socket.socket, _: Any = None) -> None:
        self._patience = Patience(server.body_seconds)
        super().__init__(server, sock, self._patience.file)

    def communicate(self) -> bool:
        """Answer one request, or see that it is not there yet; whether the connection is kept."""
        try:
            if self.rfile.has_data():
                return self._answer_the_long_way()
            self._let_kernel_keep_time()
            seen = self.socket.recv(_LOOK, socket.MSG_PEEK)
            end = seen.find(b"\r\n\r\n")
            wanted = _wanted(seen, end)
            if len(seen) < wanted and self._waits_for(wanted, len(seen)):
                return True
            self._begin()
            found = _invocation(seen, end)
            return self._answer_the_long_way() if found is None else self._answered(*found)
        except OSError:  # the client has gone, or says nothing
            return False

    def _waits_for(self, wanted: int, seen: int) -> bool:
        """Go on when so many bytes are there; ``False`` if no more will come."""
        if seen == self._seen:
            return False  # woken with nothing new: the client has closed its side
        if self.begun is None:
            self.begun = wall.time()
        self._seen = seen
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
        return True

    def _begin(self) -> None:
        if self.begun is not None:
            self.begun, self._seen = None, 0
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def _answer_the_long_way(self) -> bool:
        if self._blocking:
            self.socket.settimeout(self.server.timeout)
            self._blocking = False
        self._patience.renew()
        return bool(super().communicate())  # type: ignore[no-untyped-call]

    def _let_kernel_keep_time(self) -> None:
        # Python would ask the kernel before every step, and let go of its lock each time.
        if not self._blocking:
            self.socket.settimeout(None)
            seconds, rest = divmod(self.server.body_seconds, 1)
            packed = struct.pack("ll", int(seconds), int(rest * 1e6))
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, packed)
            self._blocking = True

    def _answered(self, environ: dict[str, Any], head: int) -> bool:
        length = int(environ["CONTENT_LENGTH"])
        whole = _exactly(self.socket, head + length, Patience(self.server.body_seconds))
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


def _wanted(seen: bytes, end: int) -> int:
    """How many bytes of a request must be there before a thread reads it."""
    if end < 0:
        return len(seen) + 1 if 0 < len(seen) < _LOOK else 0
    head = seen[: end + 2]
    length = _LENGTH.search(head)
    if length is None or _EXPECTS.search(head) is not None:
        return 0
    whole = end + 4 + int(length[1])
    return whole if whole <= _LOOK else 0


def _invocation(seen: bytes, end: int) -> tuple[dict[str, Any], int] | None:
    """The environment of an invocation and the length of its head, if it can be read here."""
    if not seen.startswith(_START) or end < 0:
        return None
    head = seen[:end]
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
    """WSGI's ``start_response`` that keeps what it is told."""

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
            return None  # to be joined, or a way to smuggle: cheroot decides
        environ[variable] = value.strip()
    return environ


@lru_cache(maxsize=512)
def _variable(header: str) -> str:
    name = header.upper()
    return _BARE.get(name, f"HTTP_{name.replace('-', '_')}")


def _exactly(connection: socket.socket, number: int, patience: Patience) -> bytes:
    pieces, missing = [], number
    while missing > 0:
        patience.begin_to_wait()
        part = connection.recv(min(missing, 1 << 20))
        if not part:
            raise ConnectionResetError("the request was cut short")
        patience.end_to_wait(len(part))
        pieces.append(part)
        missing -= len(part)
    return b"".join(pieces)
