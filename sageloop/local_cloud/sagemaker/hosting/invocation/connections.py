"""Keep-alive connections to one serving process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import RemoteDisconnected

from sageloop.local_cloud.sagemaker.hosting.invocation.exchange import (
    Headers,
    HttpConnection,
    HttpRequest,
    ResponseHead,
)


@dataclass(frozen=True, slots=True)
class ContainerResponse:
    """The response of a container; one of several containers adds its name and its log."""

    status: int
    headers: Headers
    body: bytes
    container: str | None = None
    log_arn: str | None = None


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """The head of a streamed response; ``parts`` must be read to the end or closed."""

    status: int
    headers: Headers
    parts: Iterator[bytes]
    container: str = "primary"


class NotSent(Exception):
    """The request was not sent; it may be sent to another instance."""


class Connections:
    """A thread-safe connection pool; each connection serves one request at a time.

    Exchanges raise :class:`NotSent` if no connection could be opened, ``TimeoutError`` after
    ``timeout`` wall seconds without a complete response, ``OSError`` or ``HTTPException`` if the
    exchange failed.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[HttpConnection] = deque()

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str],
        timeout: float,
    ) -> ContainerResponse:  # fmt: skip
        """Send a request and return its response."""
        wire, head = self._begin(HttpRequest(method, path, body, headers, timeout))
        try:
            content = wire.body(head)
        except BaseException:
            wire.close()
            raise
        self._release(wire, head)
        return ContainerResponse(head.status, head.headers, content)

    def stream(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str],
        timeout: float,
    ) -> StreamedResponse:  # fmt: skip
        """Send a request and return its response with a body that is read in parts."""
        wire, head = self._begin(HttpRequest(method, path, body, headers, timeout))
        return StreamedResponse(head.status, head.headers, self._parts(wire, head))

    def close(self) -> None:
        """Close idle connections."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _parts(self, wire: HttpConnection, head: ResponseHead) -> Iterator[bytes]:
        try:
            yield from wire.parts(head)
        except BaseException:
            wire.close()
            raise
        self._release(wire, head)

    def _begin(self, request: HttpRequest) -> tuple[HttpConnection, ResponseHead]:
        idle = self._take()
        if idle is None:
            fresh = self._connect(request.timeout)
            return fresh, _exchanged(fresh, request)
        try:
            return idle, _exchanged(idle, request)
        except (RemoteDisconnected, BrokenPipeError, ConnectionResetError) as broken:
            # The server may have closed the idle connection just now. If it is running, it gets
            # the request again; otherwise it exited with the request.
            try:
                fresh = self._connect(request.timeout)
            except NotSent:
                raise broken from None
            return fresh, _exchanged(fresh, request)

    def _release(self, wire: HttpConnection, head: ResponseHead) -> None:
        if head.keep_alive:
            self._idle.append(wire)
        else:
            wire.close()

    def _take(self) -> HttpConnection | None:
        with suppress(IndexError):
            while True:
                wire = self._idle.pop()
                if wire.open:
                    return wire
                wire.close()
        return None

    def _connect(self, timeout: float) -> HttpConnection:
        try:
            return HttpConnection(self._port, timeout)
        except OSError as error:
            raise NotSent(str(error)) from error


def _exchanged(wire: HttpConnection, request: HttpRequest) -> ResponseHead:
    try:
        wire.send(request)
        return wire.receive()
    except BaseException:
        wire.close()
        raise
