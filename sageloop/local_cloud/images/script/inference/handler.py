"""Handles one request with the inference functions, as each of AWS's toolkits does."""

from __future__ import annotations

import inspect
import json
import sys
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sageloop.local_cloud.images.http_server import Reply
from sageloop.local_cloud.images.script.inference import codecs
from sageloop.local_cloud.images.script.inference.codecs import (
    UnsupportedFormatError,
)
from sageloop.local_cloud.images.script.inference.context import Context
from sageloop.local_cloud.images.script.inference.functions import (
    Functions,
    called,
)

_HTML = "text/html; charset=utf-8"
_INTERNAL = """\
<!doctype html>
<html lang=en>
<title>500 Internal Server Error</title>
<h1>Internal Server Error</h1>
<p>The server encountered an internal error and was unable to complete your request. Either the \
server is overloaded or there is an error in the application.</p>
"""


class Handler:
    """AWS's inference toolkit behind a model server: the images of PyTorch and XGBoost.

    An exception results in status 500 with the message and the traceback, unless it has
    ``status_code`` and ``message``, which are then the response.
    """

    server = "sagemaker-inference"

    def __init__(self, functions: Functions, model_dir: Path, accept: str) -> None:
        self._functions = functions
        self._model_dir = model_dir
        self._accept = accept
        self._context = Context(model_dir, self.server)
        self._model: Any = None

    def load(self) -> None:
        """Load the model, and call the user's functions before and after it."""
        own, directory = self._functions, str(self._model_dir)
        if own.pre_model_fn is not None:
            self._call(own.pre_model_fn, directory)
        self._model = self._call(own.model_fn, directory)
        if own.model_warmup_fn is not None:
            self._call(own.model_warmup_fn, directory, self._model)

    def reply(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The response to a request; headers by lower-case name."""
        self._context.begin(headers)
        kind, accept = headers.get("content-type"), self._accepted(headers)
        try:
            data = body.decode() if kind in codecs.UTF8_TYPES else body
            return self._written(self._transformed(data, kind, accept), accept)
        except Exception as error:
            return self._failed(error)

    def _accepted(self, headers: Mapping[str, str]) -> str:
        accept = headers.get("accept", "")
        return self._accept if accept in ("", "*/*") else accept

    def _transformed(self, data: str | bytes, kind: str | None, accept: str) -> Any:
        own = self._functions
        if own.transform_fn is not None:
            return self._call(own.transform_fn, self._model, data, kind, accept)
        prediction = self._call(own.predict_fn, self._read(data, kind), self._model)
        return self._call(own.output_fn, prediction, accept)

    def _read(self, data: str | bytes, kind: str | None) -> Any:
        return self._call(self._functions.input_fn, data, kind)

    def _call(self, function: Any, *values: Any) -> Any:
        return called(function, self._context, *values)

    def _written(self, result: Any, accept: str) -> Reply:
        body, kind = result if isinstance(result, tuple) else (result, accept)
        status, _ = self._context.response_status or (HTTPStatus.OK, "")
        headers = {"Content-Type": str(kind)} | self._context.response_headers
        return Reply(status, _bytes(body), headers)

    def _failed(self, error: Exception) -> Reply:
        trace = traceback.format_exc()
        sys.stderr.write(trace)
        status, message = _own_words(error)
        return Reply(status, f"{message}\n{trace}".encode(), {"Content-Type": "text/plain"})


class FlaskHandler(Handler):
    """The older toolkit behind Flask: the image of scikit-learn.

    Functions receive no context. An unsupported content type results in 415, an unsupported
    Accept type in 406, and any other error in Flask's error page with the traceback in the log.
    """

    server = "gunicorn"

    def reply(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The response to a request; a body without a content type is JSON."""
        return super().reply(body, {"content-type": codecs.JSON} | dict(headers))

    def _transformed(self, data: str | bytes, kind: str | None, accept: str) -> Any:
        own = self._functions
        if own.transform_fn is not None:
            return self._call(own.transform_fn, self._model, data, kind, accept)
        try:
            request_data = self._read(data, kind)
        except UnsupportedFormatError as error:
            return _refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error)
        prediction = self._call(own.predict_fn, request_data, self._model)
        try:
            return self._call(own.output_fn, prediction, accept)
        except UnsupportedFormatError as error:
            return _refused(HTTPStatus.NOT_ACCEPTABLE, error)

    def _call(self, function: Any, *values: Any) -> Any:
        return function(*values)

    def _written(self, result: Any, accept: str) -> Reply:
        if isinstance(result, Reply):
            return result
        if not isinstance(result, tuple):
            return Reply(HTTPStatus.OK, _bytes(result), {"Content-Type": _HTML})
        body, kind = result
        full = f"{kind}; charset=utf-8" if str(kind).startswith("text/") else str(kind)
        return Reply(HTTPStatus.OK, _bytes(body), {"Content-Type": full})

    def _failed(self, _: Exception) -> Reply:
        sys.stderr.write(traceback.format_exc())
        return Reply(HTTPStatus.INTERNAL_SERVER_ERROR, _INTERNAL.encode(), {"Content-Type": _HTML})


def _refused(status: HTTPStatus, error: UnsupportedFormatError) -> Reply:
    content = {"error": type(error).__name__, "error-message": str(error)}
    return Reply(status, json.dumps(content).encode(), {"Content-Type": codecs.JSON})


def _own_words(error: Exception) -> tuple[int, str]:
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status, str(getattr(error, "message", error))
    return HTTPStatus.INTERNAL_SERVER_ERROR, str(error) or "Invalid Request"


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    if isinstance(body, str):
        return body.encode()
    if inspect.isgenerator(body):
        raise TypeError(
            "the function returned a generator: AWS's toolkit cannot stream a response; use "
            "a custom image that sends chunks"
        )
    return json.dumps(body).encode()
