"""Bodies of requests in HTTP's chunked transfer coding (RFC 9112, section 7.1).

cheroot's own reader never returns from ``readline``, which S3's ``aws-chunked`` bodies need, and
copies its buffer at each read. It also leaves unread data on the connection.
"""

from __future__ import annotations

import io
import re
from typing import Any, cast

from cheroot.wsgi import Gateway_10

from sageloop.local_cloud.core.errors import AwsError

# Python's own int() also takes signs, underscores and a prefix, which no other server does.
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_LINE = 8192
_TRAILERS = 64
_BUFFER = 1 << 16


def chunk_size(text: bytes) -> int | None:
    """The size that a chunk states in hexadecimal digits; ``None`` if it is not one."""
    return int(text, 16) if _SIZE.fullmatch(text) else None


class ChunkedBody(io.RawIOBase):
    """The content of a chunked body, read from its connection on demand.

    Raises ``AwsError`` (IncompleteBody) once for a body that is malformed or ends early, and reads
    as ended from then on.

    Args:
        stream: the connection's file, at the first chunk's size.

    Attributes:
        finished: whether the body has been read up to its end, so that the next request follows.

    """

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream
        self._left = 0
        self._begun = False
        self._broken = False
        self.finished = False

    def readable(self) -> bool:
        """It is: there is nothing else that it can do."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with content as far as the present chunk has it; 0 at the end."""
        if not self._left and not self.finished and not self._broken:
            self._next_chunk()
        piece = self._stream.read(min(len(buffer), self._left)) if self._left else b""
        if self._left and not piece:
            raise self._malformed()
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        return len(piece)

    def _next_chunk(self) -> None:
        if self._begun and self._stream.readline(_LINE) != b"\r\n":
            raise self._malformed()
        self._begun = True
        line = self._stream.readline(_LINE)
        size = chunk_size(line.partition(b";")[0].strip())
        if size is None or not line.endswith(b"\n"):
            raise self._malformed()
        self._left = size
        if not size:
            self._skip_trailers()

    def _skip_trailers(self) -> None:
        for _ in range(_TRAILERS):
            line = self._stream.readline(_LINE)
            if line in (b"\r\n", b"\n"):
                self.finished = True
                return
            if not line.endswith(b"\n"):
                break
        raise self._malformed()

    def _malformed(self) -> AwsError:
        self._broken, self._left = True, 0
        return AwsError(
            "IncompleteBody",
            "The request body does not have the chunks that its Transfer-Encoding declares.",
        )


class ChunkingGateway(Gateway_10):
    """cheroot's gateway to WSGI, with a reader of its own for chunked bodies."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        """The environment of the request."""
        environ = cast("dict[str, Any]", super().get_environ())  # type: ignore[no-untyped-call]
        self._body = ChunkedBody(self.req.conn.rfile) if self.req.chunked_read else None
        if self._body is not None:
            environ["wsgi.input"] = io.BufferedReader(self._body, _BUFFER)
        return environ

    def respond(self) -> None:
        """Answer the request; what is left of its body must not be read as the next request."""
        super().respond()
        if self._body is not None and not self._body.finished:
            self.req.close_connection = True
