"""Keep-alive connections to one serving process."""

from __future__ import annotations

import http.client
import select
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPMessage


@dataclass(frozen=True, slots=True)
class Answer:
    """What a container answered."""

    status: int
    headers: HTTPMessage
    body: bytes


class NotSent(Exception):
    """The request never left: it may be tried elsewhere."""


class Connections:
    """A thread-safe pool; each connection serves one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[http.client.HTTPConnection] = deque()

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str],
        timeout: float,
    ) -> Answer:  # fmt: skip
        """One exchange.

        Raises :class:`NotSent` if no connection could be made, ``TimeoutError`` after
        ``timeout`` wall seconds without an answer, ``OSError`` or ``HTTPException`` if the
        exchange broke.
        """
        kept = self._take(timeout)
        if kept is None:
            return self._exchange(self._connect(timeout), method, path, body, headers)
        try:
            return self._exchange(kept, method, path, body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as broken:
            # The server may have closed the idle connection just now. If it is there, it gets
            # the request again; if it is not, it died with the request.
            try:
                fresh = self._connect(timeout)
            except NotSent:
                raise broken from None
            return self._exchange(fresh, method, path, body, headers)

    def close(self) -> None:
        """Close idle connections."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str,
        body: bytes | None, headers: Mapping[str, str],
    ) -> Answer:  # fmt: skip
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:
            connection.close()
            raise
        if answer.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        return Answer(answer.status, answer.headers, content)

    def _take(self, timeout: float) -> http.client.HTTPConnection | None:
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if _is_open(connection):
                    connection.sock.settimeout(timeout)
                    return connection
                connection.close()
        return None

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        try:
            connection.connect()
        except OSError as error:
            raise NotSent(str(error)) from error
        return connection


def _is_open(connection: http.client.HTTPConnection) -> bool:
    # An idle connection has nothing to say: readable means that the server closed it.
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)
