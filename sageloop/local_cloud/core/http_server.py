"""The HTTP server of a cloud: cheroot with limits for slow clients.

A connection occupies a thread only from the arrival of its request to the end of the response.
"""

from __future__ import annotations

import errno
import logging
import time as wall
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cheroot.connections import ConnectionManager
from cheroot.wsgi import Server

from sageloop.local_cloud.core.chunked_body import ChunkingGateway
from sageloop.local_cloud.core.invocation_connection import InvocationConnection
from sageloop.local_cloud.core.threads import Threads

if TYPE_CHECKING:
    from cheroot.server import HTTPConnection

log = logging.getLogger(__name__)

# Each synchronous invocation of a function occupies a thread: up to 1,000, Lambda's quota of
# concurrent executions. Each invocation of an endpoint does: `sagemaker/runtime.py` admits 512. The
# remaining threads answer the calls that functions and containers make.
_THREADS = 1_000 + 512 + 256
_IDLE_SECONDS = 120
_HEADER_BYTES = 65_536
# cheroot's own limit is 10, beyond which every client would reconnect for each request.
_KEPT_CONNECTIONS = 512
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)


class HttpServer(Server):
    """Serves a WSGI application on loopback.

    Args:
        host: An address of this machine.
        port: Its port; 0 selects a free port.
        application: The WSGI application.
        head_seconds: Wall seconds within which a request's head, and a body of up to 16 KB, must
            arrive; until then it occupies no thread.
        body_seconds: Wall seconds for which a client may block a thread in total, while it sends
            a longer body or receives the response; each 64 KB add a second.
        threads: Maximum number of requests answered at once.

    """

    _connections: Any

    def __init__(
        self, host: str, port: int, application: Callable[..., Iterable[bytes]], *,
        head_seconds: float = 10.0, body_seconds: float = 30.0, threads: int = _THREADS,
    ) -> None:  # fmt: skip
        self.head_seconds = head_seconds
        self.body_seconds = body_seconds
        super().__init__(
            (host, port), application, timeout=_IDLE_SECONDS, request_queue_size=1024,
            server_name="sageloop", shutdown_timeout=1,
        )  # fmt: skip
        self.max_request_body_size = 0  # each service has its own limits
        self.max_request_header_size = _HEADER_BYTES
        self.keep_alive_conn_limit = _KEPT_CONNECTIONS
        self.ConnectionClass = InvocationConnection
        self.gateway = ChunkingGateway
        self.requests = Threads(self, most=threads)

    def prepare(self) -> None:
        """Bind and listen. Raises ``OSError`` if the port is in use."""
        super().prepare()
        self._connections.close()
        self._connections = _Connections(self)

    def process_conn(self, conn: HTTPConnection) -> None:
        """Serve a connection; a new connection first waits, without a thread, for its request."""
        if conn.last_used is None:
            self._connections.put(conn)
        else:
            self.requests.put(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log to the cloud's logger."""
        log.log(level, msg, exc_info=traceback)


class _Connections(ConnectionManager):
    """Connections that wait for a request or for the rest of a request."""

    _selector: Any

    def _expire(self, threshold: float) -> None:
        begun_before = wall.time() - self.server.head_seconds
        for fd, connection in list(self._selector.connections):
            if connection is self.server:
                continue
            slow = connection.begun is not None and connection.begun < begun_before
            if slow or connection.last_used < threshold:
                self._drop(fd, connection)

    def _from_server_socket(self, server_socket: Any) -> HTTPConnection | None:
        try:
            made: HTTPConnection | None = super()._from_server_socket(server_socket)  # type: ignore[misc]
            return made
        except OSError as error:
            if error.errno not in _OUT_OF_FILES:
                raise
            self._make_room()
            return None

    def _make_room(self) -> None:
        """Close the connection that has waited longest, when no more files can be opened."""
        log.warning("too many open files: the connection that waited longest is closed")
        waiting = [(fd, c) for fd, c in self._selector.connections if c is not self.server]
        if waiting:
            self._drop(*min(waiting, key=lambda known: known[1].last_used))
        else:
            wall.sleep(0.1)  # all of them serve requests; one of these will end

    def _drop(self, fd: int, connection: HTTPConnection) -> None:
        self._selector.unregister(fd)
        connection.close()
