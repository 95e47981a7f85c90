"""HTTP between the platform and containers that violate the protocol."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPException

import pytest

from sageloop.local_cloud.images.http_server import Reply, Server
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import Connections


@contextmanager
def responding_with(raw: bytes) -> Iterator[int]:
    """The port of a server that sends these bytes to one connection and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(raw)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@contextmanager
def serving(server: Server) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nbody\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        "HTTP/1.1 2\u00b20 OK\r\n\r\n".encode("latin-1"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"something else\r\n\r\n",
    ],
)
def test_malformed_response_raises_exchange_error(raw: bytes) -> None:
    with responding_with(raw) as port, pytest.raises(HTTPException):
        Connections(port).request("GET", "/", None, {}, 5)


def test_container_responds_500_if_its_code_raises() -> None:
    def respond(_: bytes, __: object) -> Reply:
        raise KeyError("column")

    with serving(Server(("127.0.0.1", 0), respond, most_bytes=100)) as port:
        response = Connections(port).request("POST", "/invocations", b"1,2", {}, 5)

    assert (response.status, b"KeyError" in response.body) == (500, True)


def test_truncated_request_does_not_reach_the_model() -> None:
    requests: list[bytes] = []

    def respond(body: bytes, _: object) -> Reply:
        requests.append(body)
        return Reply(HTTPStatus.OK, b"", {})

    server = Server(("127.0.0.1", 0), respond, most_bytes=100)
    with serving(server) as port, closing(socket.create_connection(("127.0.0.1", port))) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 10\r\n\r\n1,2")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""

    assert requests == []
