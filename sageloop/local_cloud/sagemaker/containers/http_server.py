"""Serves a model under the inference container contract: what all algorithms have in common.

Environment: ``SAGEMAKER_BIND_TO_PORT`` (8080; 0 takes a free one and prints it),
``SM_MODEL_DIR`` (``/opt/ml/model``, or ``model`` under ``SAGEMAKER_BASE_DIR``),
``SAGEMAKER_BATCH`` (``true`` in batch transform) and ``SAGEMAKER_MAX_PAYLOAD_IN_MB`` (100).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

# Batch transform's limit, the largest there is for one request.
_MOST_MEGABYTES = 100
_MEGABYTE = 1024 * 1024
_GRACE_SECONDS = 25.0
_FOREVER = 3600.0


class Refused(Exception):
    """A request that is answered with an error status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


# A body, its content type and what is accepted become an answer and its content type.
Predict = Callable[[bytes, str, str], tuple[bytes, str]]


class _Terminated(BaseException):
    """SIGTERM came; no handler of errors may swallow it."""


def in_batch() -> bool:
    """Whether batch transform is asking."""
    return os.environ.get("SAGEMAKER_BATCH") == "true"


def model_directory() -> Path:
    """Where the model's files are."""
    base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
    return Path(os.environ.get("SM_MODEL_DIR", f"{base}/model"))


def main(load: Callable[[Path], Predict]) -> None:
    """Load the model, serve it until SIGTERM and end the process.

    ``load`` raises :class:`OSError` or :class:`ValueError` if the model cannot be loaded; the
    process then ends with 1 and the reason.
    """
    try:
        predict = load(model_directory())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"Unable to load model: {error}\n")
        code = 1
    else:
        code = _serve(predict)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # idle keep-alive connections must not hold the process


def _serve(predict: Predict) -> int:
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    megabytes = float(os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB", str(_MOST_MEGABYTES)))
    server = Server(("127.0.0.1", port), predict, most_bytes=int(megabytes * _MEGABYTE))

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def do_GET(self) -> None:
        if self.path == "/ping":
            self._answer(HTTPStatus.OK, b"", "text/plain")
        elif self.path == "/execution-parameters":
            limits = {
                "MaxConcurrentTransforms": os.cpu_count() or 1, "BatchStrategy": "MULTI_RECORD",
                "MaxPayloadInMB": 6,
            }  # fmt: skip
            self._answer(HTTPStatus.OK, json.dumps(limits).encode(), "application/json")
        else:
            self._tell(HTTPStatus.NOT_FOUND, f"no such path: {self.path}")

    def do_POST(self) -> None:
        with self.server.busy():
            body = self._body()
            if body is None:
                self.close_connection = True
            elif self.path != "/invocations":
                self._tell(HTTPStatus.NOT_FOUND, f"no such path: {self.path}")
            elif not body:
                self._answer(HTTPStatus.NO_CONTENT, b"", "text/csv")
            else:
                self._predict(body)

    def _predict(self, body: bytes) -> None:
        asked = self.headers.get("Content-Type", ""), self.headers.get("Accept", "")
        try:
            answer, kind = self.server.predict(body, *asked)
        except Refused as refused:
            self._tell(refused.status, str(refused))
        else:
            self._answer(HTTPStatus.OK, answer, kind)

    def _body(self) -> bytes | None:
        length, most = self.headers.get("Content-Length", ""), self.server.most_bytes
        if not length.isdigit():
            self._tell(HTTPStatus.LENGTH_REQUIRED, "a body needs Content-Length")
            return None
        if int(length) > most:
            told = f"the payload has {length} bytes, {most} are allowed"
            self._tell(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told)
            return None
        return self.rfile.read(int(length))

    def _tell(self, status: HTTPStatus, message: str) -> None:
        self._answer(status, message.encode(), "text/plain")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: a line for each request would drown the log."""


class Server(ThreadingHTTPServer):
    """A thread a connection; on SIGTERM what is being answered is answered."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], predict: Predict, *, most_bytes: int) -> None:
        self.predict = predict
        self.most_bytes = most_bytes
        self._idle = threading.Condition()
        self._running = 0
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking a resolver for the host's name, which may take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def busy(self) -> Any:
        """A context in which a request counts as being answered."""
        return _Busy(self)

    def count(self, change: int) -> None:
        """Note that a request begins (1) or ends (-1)."""
        with self._idle:
            self._running += change
            self._idle.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until nothing is being answered."""
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0, seconds)


class _Busy:
    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> None:
        self._server.count(1)

    def __exit__(self, *_: object) -> None:
        self._server.count(-1)
