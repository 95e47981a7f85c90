"""Keep-alive connections to one serving process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import RemoteDisconnected

from sageloop.local_cloud.sagemaker.hosting.invocation.exchange import Ask, Head, Headers, Wire


@dataclass(frozen=True, slots=True)
class Answer:
    """What a container answered; one of several says its name and its log."""

    status: int
    headers: Headers
    body: bytes
    container: str | None = None
    log_arn: str | None = None


@dataclass(frozen=True, slots=True)
class Streamed:
    """What a container begins to answer; ``parts`` must be read to the end, or closed."""

    status: int
    headers: Headers
    parts: Iterator[bytes]
    container: str = "primary"


class NotSent(Exception):
    """The request never left: it may be tried elsewhere."""


class Connections:
    """A thread-safe pool; each connection serves one request at a time.

    Exchanges raise :class:`NotSent` if no connection could be made, ``TimeoutError`` after
    ``timeout`` wall seconds without a whole answer, ``OSError`` or ``HTTPException`` if the
    exchange broke.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[Wire] = deque()

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str],
        timeout: float,
    ) -> Answer:  # fmt: skip
        """One exchange."""
        wire, head = self._begin(Ask(method, path, body, headers, timeout))
        try:
            content = wire.body(head)
        except BaseException:
            wire.close()
            raise
        self._release(wire, head)
        return Answer(head.status, head.headers, content)

    def stream(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str],
        timeout: float,
    ) -> Streamed:  # fmt: skip
        """One exchange whose body is handed on as it comes."""
        wire, head = self._begin(Ask(method, path, body, headers, timeout))
        return Streamed(head.status, head.headers, self._parts(wire, head))

    def close(self) -> None:
        """Close idle connections."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _parts(self, wire: Wire, head: Head) -> Iterator[bytes]:
        try:
            yield from wire.parts(head)
        except BaseException:
            wire.close()
            raise
        self._release(wire, head)

    def _begin(self, ask: Ask) -> tuple[Wire, Head]:
        kept = self._take()
        if kept is None:
            fresh = self._connect(ask.timeout)
            return fresh, _asked(fresh, ask)
        try:
            return kept, _asked(kept, ask)
        except (RemoteDisconnected, BrokenPipeError, ConnectionResetError) as broken:
            # The server may have closed the idle connection just now. If it is there, it gets
            # the request again; if it is not, it died with the request.
            try:
                fresh = self._connect(ask.timeout)
            except NotSent:
                raise broken from None
            return fresh, _asked(fresh, ask)

    def _release(self, wire: Wire, head: Head) -> None:
        if head.keeps:
            self._idle.append(wire)
        else:
            wire.close()

    def _take(self) -> Wire | None:
        with suppress(IndexError):
            while True:
                wire = self._idle.pop()
                if wire.open:
                    return wire
                wire.close()
        return None

    def _connect(self, timeout: float) -> Wire:
        try:
            return Wire(self._port, timeout)
        except OSError as error:
            raise NotSent(str(error)) from error


def _asked(wire: Wire, ask: Ask) -> Head:
    try:
        wire.send(ask)
        return wire.receive()
    except BaseException:
        wire.close()
        raise
