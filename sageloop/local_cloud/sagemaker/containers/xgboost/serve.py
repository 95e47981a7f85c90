"""Serves: ``python -m ...xgboost.serve`` under the inference container contract.

Environment: ``SAGEMAKER_BIND_TO_PORT`` (8080; 0 takes a free one and prints it),
``SM_MODEL_DIR`` (``/opt/ml/model``, or ``model`` under ``SAGEMAKER_BASE_DIR``) and
``SAGEMAKER_BATCH`` (one prediction a line).
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

import numpy as np
import xgboost

from sageloop.local_cloud.sagemaker.containers.xgboost import data

_MOST_BYTES = 100 * 1024 * 1024
_JSON_LINES = "application/jsonlines"
_GRACE_SECONDS = 25.0
_FOREVER = 3600.0


class _Terminated(BaseException):
    """SIGTERM came; no handler of errors may swallow it."""


class Refused(Exception):
    """A request that is answered with an error status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Model:
    """A booster, asked from many threads."""

    def __init__(self, directory: Path) -> None:
        files = [path for path in sorted(directory.iterdir()) if path.is_file()]
        if not files:
            raise FileNotFoundError(f"no model file in {directory}")
        named = [path for path in files if path.name == "xgboost-model"]
        self._booster = xgboost.Booster()
        self._booster.load_model(bytearray((named or files)[0].read_bytes()))
        # One thread a request: a pool for each small request would only add latency.
        self._booster.set_param({"nthread": 1})
        self.columns = int(self._booster.num_features())
        self._predict = self._predictor()

    def predict(self, rows: data.Matrix) -> list[Any]:
        """Predictions for rows of features. Raises :class:`Refused` if the width is wrong."""
        if rows.shape[1] != self.columns:
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                f"Unable to evaluate payload provided: Feature size of csv inference data "
                f"{rows.shape[1]} is not consistent with feature size of trained model "
                f"{self.columns}.",
            )
        answer: list[Any] = self._predict(rows).tolist()
        return answer

    def _predictor(self) -> Callable[[data.Matrix], Any]:
        booster = self._booster
        try:
            booster.inplace_predict(np.zeros((1, self.columns), dtype=np.float32))
        except (xgboost.core.XGBoostError, NotImplementedError, ValueError):
            return lambda rows: booster.predict(xgboost.DMatrix(rows, missing=np.nan))
        return lambda rows: booster.inplace_predict(rows, missing=np.nan, validate_features=False)


def decoded(body: bytes, content_type: str, columns: int) -> data.Matrix:
    """Rows of features from a request's body."""
    media = data.media_type(content_type)
    try:
        text = body.decode()
        if media == data.CSV:
            return data.parse_csv(text)
        if media in data.LIBSVM:
            return data.parse_libsvm(text, labelled=False, columns=columns)[1]
    except (data.DataError, UnicodeDecodeError) as error:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Loading data failed: {error}") from None
    raise Refused(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"Content type {media or '(none)'} is not supported; use {data.CSV} or {data.LIBSVM[0]}",
    )


def encoded(predictions: list[Any], accept: str, *, batch: bool) -> tuple[str, str]:
    """An answer's text and content type.

    In real time AWS's container puts CSV answers on one line, joined by commas; in batch it
    writes one line each.
    """
    media = data.media_type(accept.split(",", 1)[0])
    if media in ("", "*/*", "text/*", data.CSV):
        texts = map(str, predictions)
        return ("\n".join(texts) + "\n" if batch else ",".join(texts)), "text/csv; charset=utf-8"
    scores = [{"score": prediction} for prediction in predictions]
    if media == "application/json":
        return json.dumps({"predictions": scores}), "application/json"
    if media == _JSON_LINES:
        return "".join(json.dumps(score) + "\n" for score in scores), _JSON_LINES
    raise Refused(
        HTTPStatus.NOT_ACCEPTABLE,
        f"Accept type {media} is not supported; use {data.CSV}, application/json or {_JSON_LINES}",
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def do_GET(self) -> None:
        if self.path == "/ping":
            self._answer(HTTPStatus.OK, "", "text/plain")
        elif self.path == "/execution-parameters":
            limits = {
                "MaxConcurrentTransforms": 2, "BatchStrategy": "MULTI_RECORD",
                "MaxPayloadInMB": 6,
            }  # fmt: skip
            self._answer(HTTPStatus.OK, json.dumps(limits), "application/json")
        else:
            self._answer(HTTPStatus.NOT_FOUND, f"no such path: {self.path}", "text/plain")

    def do_POST(self) -> None:
        with self.server.busy():
            body = self._body()
            if self.path != "/invocations":
                self._answer(HTTPStatus.NOT_FOUND, f"no such path: {self.path}", "text/plain")
            elif body is None:
                self.close_connection = True
                told = "a body needs Content-Length"
                self._answer(HTTPStatus.LENGTH_REQUIRED, told, "text/plain")
            elif not body:
                self._answer(HTTPStatus.NO_CONTENT, "", "text/csv")
            else:
                self._answer(*self._predicted(body))

    def _predicted(self, body: bytes) -> tuple[HTTPStatus, str, str]:
        model = self.server.model
        try:
            rows = decoded(body, self.headers.get("Content-Type", ""), model.columns)
            text, kind = encoded(
                model.predict(rows), self.headers.get("Accept", ""), batch=self.server.batch
            )
        except Refused as refused:
            return refused.status, str(refused), "text/plain"
        return HTTPStatus.OK, text, kind

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _MOST_BYTES:
            return None
        return self.rfile.read(int(length))

    def _answer(self, status: HTTPStatus, text: str, kind: str) -> None:
        body = text.encode()
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

    def __init__(self, address: tuple[str, int], model: Model, *, batch: bool) -> None:
        self.model = model
        self.batch = batch
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


def main() -> int:
    """Serve until SIGTERM."""
    base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
    directory = Path(os.environ.get("SM_MODEL_DIR", f"{base}/model"))
    try:
        model = Model(directory)
    except (OSError, xgboost.core.XGBoostError, ValueError) as error:
        sys.stderr.write(f"Unable to load model: {error}\n")
        return 1
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    batch = os.environ.get("SAGEMAKER_BATCH") == "true"
    server = Server(("127.0.0.1", port), model, batch=batch)

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


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # idle keep-alive connections must not hold the process
