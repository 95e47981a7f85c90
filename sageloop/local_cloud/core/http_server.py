"""The HTTP server in front of a cloud: cheroot, made proof against clients that dawdle.

A connection costs a thread only from when its request can be read to when it is answered.
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
from sageloop.local_cloud.core.quick import QuickConnection
from sageloop.local_cloud.core.threads import Threads

if TYPE_CHECKING:
    from cheroot.server import HTTPConnection

log = logging.getLogger(__name__)

# Each synchronous invocation of a function holds a thread: there may be 1,000, by Lambda's
# quota of concurrent executions. Each invocation of an endpoint does: `sagemaker/runtime.py`
# admits 512. What is left answers the calls that their functions and containers make.
_THREADS = 1_000 + 512 + 256
_IDLE_SECONDS = 120
_HEADER_BYTES = 65_536
# cheroot's own limit is 10: every further client would connect anew for each request.
_KEPT_CONNECTIONS = 512
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)


class HttpServer(Server):
    """Serves a WSGI application on loopback.

    Args:
        host: an address of this machine.
        port: its port; 0 takes a free one.
        application: the WSGI application.
        head_seconds: wall seconds in which a request's head, and a body of up to 16 KB, must
            come; until it has, it costs no thread.
        body_seconds: wall seconds that a client may keep a thread waiting in all, for a longer
            body or while it takes the answer; each 64 KB earn a second.
        threads: how many requests are answered at once.

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
        self.max_request_body_size = 0  # each service has limits of its own
        self.max_request_header_size = _HEADER_BYTES
        self.keep_alive_conn_limit = _KEPT_CONNECTIONS
        self.ConnectionClass = QuickConnection
        self.gateway = ChunkingGateway
        self.requests = Threads(self, most=threads)

    def prepare(self) -> None:
        """Bind and listen. Raises ``OSError`` if the port is taken."""
        super().prepare()
        self._connections.close()
        self._connections = _Connections(self)

    def process_conn(self, conn: HTTPConnection) -> None:
        """Have a connection served; a new one first waits, without a thread, for its request."""
        if conn.last_used is None:
            self._connections.put(conn)
        else:
            self.requests.put(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log as the rest of the cloud does."""
        log.log(level, msg, exc_info=traceback)


class _Connections(ConnectionManager):
    """Connections that wait for a request, or for the rest of one."""

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
        """Close the connection that has waited longest: the process can open no more files."""
        log.warning("too many open files: the connection that waited longest is closed")
        waiting = [(fd, c) for fd, c in self._selector.connections if c is not self.server]
        if waiting:
            self._drop(*min(waiting, key=lambda known: known[1].last_used))
        else:
            wall.sleep(0.1)  # requests in flight hold all of them; one will end

    def _drop(self, fd: int, connection: HTTPConnection) -> None:
        self._selector.unregister(fd)
        connection.close()
