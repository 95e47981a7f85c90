"""HTTP server of the inference container contract, shared by all algorithms.

Environment: ``SAGEMAKER_BIND_TO_PORT`` (8080; 0 selects a free port and prints it),
``SM_MODEL_DIR`` (``/opt/ml/model``, or ``model`` under ``SAGEMAKER_BASE_DIR``),
``SAGEMAKER_BATCH`` (``true`` in batch transform) and ``SAGEMAKER_MAX_PAYLOAD_IN_MB`` (100).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler
from types import FrameType
from typing import Any, NoReturn

from sageloop.local_cloud.images.turns import Turns

# The maximum of batch transform, the largest payload limit of all requests.
_MOST_MEGABYTES = 100
_MEGABYTE = 1024 * 1024
_GRACE_SECONDS = 25.0
_FOREVER = 3600.0
_LONGEST_LINE = 65_536
_MOST_HEADERS = 100
_PHRASES: dict[int, str] = {status.value: status.phrase for status in HTTPStatus}


class Refused(Exception):
    """A request that is refused with an HTTP error status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response; ``headers`` without Content-Length."""

    status: int
    body: bytes
    headers: Mapping[str, str]


# (body, content type, accepted types) to (body, content type).
Predict = Callable[[bytes, str, str], tuple[bytes, str]]
# (body, headers by lower-case name) to a response.
Respond = Callable[[bytes, Mapping[str, str]], Reply]
# (method, path, body, headers) to a response, for /models of a multi-model container.
Manage = Callable[[str, str, bytes, Mapping[str, str]], Reply]


class _Terminated(BaseException):
    """Raised on SIGTERM; a BaseException, which error handlers do not catch."""


def in_batch() -> bool:
    """Whether the container runs in a batch transform job."""
    return os.environ.get("SAGEMAKER_BATCH") == "true"


def model_directory() -> Path:
    """The directory of the model's files."""
    base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
    return Path(os.environ.get("SM_MODEL_DIR", f"{base}/model"))


def main(load: Callable[[Path], Predict]) -> None:
    """Load the model, serve it until SIGTERM and exit.

    ``load`` raises :class:`OSError` or :class:`ValueError` if the model cannot be loaded; the
    process then exits with 1 and writes the reason to standard error.
    """
    try:
        predict = load(model_directory())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"Unable to load model: {error}\n")
        _exit(1)
    run(responder(predict))


def run(respond: Respond, manage: Manage | None = None) -> NoReturn:
    """Serve until SIGTERM and exit. ``respond`` and ``manage`` must not raise."""
    _exit(_serve(respond, manage))


def responder(predict: Predict) -> Respond:
    """A request handler like that of the built-in algorithms: refusals are plain text.

    An empty body has an empty response. At most as many requests as there are processors are
    computed concurrently, as in AWS's containers, which have one web server worker for each.
    """
    turns = Turns(os.cpu_count() or 1)

    def respond(body: bytes, headers: Mapping[str, str]) -> Reply:
        if not body:
            return Reply(HTTPStatus.NO_CONTENT, b"", {})
        try:
            types = headers.get("content-type", ""), headers.get("accept", "")
            with turns:
                answer, kind = predict(body, *types)
        except Refused as refused:
            return Reply(refused.status, str(refused).encode(), {"Content-Type": "text/plain"})
        return Reply(HTTPStatus.OK, answer, {"Content-Type": kind})

    return respond


def _exit(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # idle keep-alive connections must not hold the process


def _serve(respond: Respond, manage: Manage | None) -> int:
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    megabytes = float(os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB", str(_MOST_MEGABYTES)))
    server = Server(("127.0.0.1", port), respond, most_bytes=int(megabytes * _MEGABYTE))
    server.manage = manage

    def on_signal(_: int, __: FrameType | None) -> None:
        raise _Terminated

    signal.signal(signal.SIGTERM, on_signal)
    sys.stdout.write(f"serving on 127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    try:
        server.serve_forever(poll_interval=_FOREVER)
    except _Terminated:
        server.server_close()
    server.drain(_GRACE_SECONDS)
    return 0


@dataclass(frozen=True, slots=True)
class _Request:
    """The head of a request; headers by lower-case name."""

    method: str
    path: str
    headers: dict[str, str]
    keeps: bool


class _Handler(StreamRequestHandler):
    """HTTP/1.1 request handler; faster than the standard library's, which parses e-mail headers."""

    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        """Answer requests until the connection is closed."""
        self._keeps = True
        while self._keeps:
            try:
                request = self._read()
            except (ConnectionError, TimeoutError):
                return
            except ValueError as error:
                self._keeps = False
                self._reply_with_text(HTTPStatus.BAD_REQUEST, str(error))
                return
            if request is None:
                return
            self._keeps = request.keeps
            try:
                self._serve(request)
            except ConnectionError:
                return
            except Exception as error:
                # Status 500, as of every web server; the platform distinguishes it from 503.
                sys.stderr.write(traceback.format_exc())
                self._keeps = False
                self._reply_with_text(
                    HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}"
                )

    def _read(self) -> _Request | None:
        first = self.rfile.readline(_LONGEST_LINE)
        if first in (b"\r\n", b"\n"):  # some clients send it after a body
            first = self.rfile.readline(_LONGEST_LINE)
        if not first:
            return None
        words = first.decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise ValueError(f"not a request line: {first[:80]!r}")
        headers: dict[str, str] = {}
        while (line := self.rfile.readline(_LONGEST_LINE)) not in (b"\r\n", b"\n", b""):
            name, separator, value = line.decode("latin-1").partition(":")
            if not separator or len(headers) > _MOST_HEADERS:
                raise ValueError(f"not a header: {line[:80]!r}")
            headers[name.strip().lower()] = value.strip()
        connection = headers.get("connection", "").lower()
        keeps = connection == "keep-alive" if words[2] == "HTTP/1.0" else connection != "close"
        return _Request(words[0], words[1], headers, keeps)

    def _serve(self, request: _Request) -> None:
        manage = self.server.manage
        if manage is not None and request.path.startswith("/models"):
            with self.server.busy():
                self._manage(request, manage)
        elif request.method == "GET":
            self._get(request.path)
        elif request.method == "POST":
            with self.server.busy():
                self._post(request)
        else:
            self._keeps = False
            self._reply_with_text(HTTPStatus.NOT_IMPLEMENTED, f"no such method: {request.method}")

    def _get(self, path: str) -> None:
        if path == "/ping":
            self._reply_with_text(HTTPStatus.OK, "")
        elif path == "/execution-parameters":
            limits = {
                "MaxConcurrentTransforms": os.cpu_count() or 1, "BatchStrategy": "MULTI_RECORD",
                "MaxPayloadInMB": 6,
            }  # fmt: skip
            self._reply_with_text(HTTPStatus.OK, json.dumps(limits), "application/json")
        else:
            self._reply_with_text(HTTPStatus.NOT_FOUND, f"no such path: {path}")

    def _post(self, request: _Request) -> None:
        body = self._body(request.headers)
        if body is None:
            self._keeps = False
        elif request.path != "/invocations":
            self._reply_with_text(HTTPStatus.NOT_FOUND, f"no such path: {request.path}")
        else:
            self._answer(self.server.respond(body, request.headers))

    def _manage(self, request: _Request, manage: Manage) -> None:
        body = self._body(request.headers) if request.method == "POST" else b""
        if body is None:
            self._keeps = False
        else:
            self._answer(manage(request.method, request.path, body, request.headers))

    def _body(self, headers: dict[str, str]) -> bytes | None:
        length, most = headers.get("content-length", ""), self.server.most_bytes
        if not (length.isascii() and length.isdigit()):
            self._reply_with_text(HTTPStatus.LENGTH_REQUIRED, "a body needs Content-Length")
            return None
        if int(length) > most:
            message = f"the payload has {length} bytes, {most} are allowed"
            self._reply_with_text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
            return None
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the request was cut short")
        return body

    def _reply_with_text(self, status: HTTPStatus, message: str, kind: str = "text/plain") -> None:
        self._answer(Reply(status, message.encode(), {"Content-Type": kind}))

    def _answer(self, reply: Reply) -> None:
        lines = [f"HTTP/1.1 {int(reply.status)} {_PHRASES.get(reply.status, 'Status')}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in reply.headers.items()]
        if reply.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(reply.body)}\r\n")
        if not self._keeps:
            lines.append("Connection: close\r\n")
        lines.append("\r\n")
        self.wfile.write("".join(lines).encode("latin-1", "replace") + reply.body)


class Server(ThreadingHTTPServer):
    """HTTP server with a thread for each connection; on SIGTERM it completes running requests."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], respond: Respond, *, most_bytes: int) -> None:
        self.respond = respond
        self.most_bytes = most_bytes
        self.manage: Manage | None = None
        self._idle = threading.Condition()
        self._running = 0
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without resolving the host's name, which may take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def busy(self) -> Any:
        """A context manager that counts a request as running."""
        return _Busy(self)

    def count(self, change: int) -> None:
        """Count the start (1) or the end (-1) of a request."""
        with self._idle:
            self._running += change
            self._idle.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until no request is running, at most ``seconds`` wall seconds."""
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0, seconds)


class _Busy:
    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> None:
        self._server.count(1)

    def __exit__(self, *_: object) -> None:
        self._server.count(-1)
