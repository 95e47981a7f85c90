"""One request through the functions, as each of AWS's toolkits answers it."""

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
    """AWS's inference toolkit under a model server: PyTorch's and XGBoost's images.

    Whatever goes wrong is answered with 500, the message and the traceback; an exception that
    has ``status_code`` and ``message`` says itself what is answered.
    """

    server = "sagemaker-inference"

    def __init__(self, functions: Functions, model_dir: Path, accept: str) -> None:
        self._functions = functions
        self._model_dir = model_dir
        self._accept = accept
        self._context = Context(model_dir, self.server)
        self._model: Any = None

    def load(self) -> None:
        """Load the model, with what the user wants done before and after."""
        own, directory = self._functions, str(self._model_dir)
        if own.pre_model_fn is not None:
            self._call(own.pre_model_fn, directory)
        self._model = self._call(own.model_fn, directory)
        if own.model_warmup_fn is not None:
            self._call(own.model_warmup_fn, directory, self._model)

    def reply(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The answer to a request; headers by lower-case name."""
        self._context.begin(headers)
        kind, accept = headers.get("content-type"), self._wanted(headers)
        try:
            data = body.decode() if kind in codecs.UTF8_TYPES else body
            return self._written(self._transformed(data, kind, accept), accept)
        except Exception as error:
            return self._failed(error)

    def _wanted(self, headers: Mapping[str, str]) -> str:
        given = headers.get("accept", "")
        return self._accept if given in ("", "*/*") else given

    def _transformed(self, data: str | bytes, kind: str | None, accept: str) -> Any:
        own = self._functions
        if own.transform_fn is not None:
            return self._call(own.transform_fn, self._model, data, kind, accept)
        prediction = self._call(own.predict_fn, self._read(data, kind), self._model)
        return self._call(own.output_fn, prediction, accept)

    def _read(self, data: str | bytes, kind: str | None) -> Any:
        return self._call(self._functions.input_fn, data, kind)

    def _call(self, function: Any, *given: Any) -> Any:
        return called(function, self._context, *given)

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
    """The older toolkit behind Flask: scikit-learn's image.

    Functions get no context. A type that cannot be read is answered with 415, one that cannot
    be written with 406; any other error with Flask's page, and the traceback is in the log.
    """

    server = "gunicorn"

    def reply(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The answer to a request; a body without a type is JSON."""
        return super().reply(body, {"content-type": codecs.JSON} | dict(headers))

    def _transformed(self, data: str | bytes, kind: str | None, accept: str) -> Any:
        own = self._functions
        if own.transform_fn is not None:
            return self._call(own.transform_fn, self._model, data, kind, accept)
        try:
            asked = self._read(data, kind)
        except UnsupportedFormatError as error:
            return _refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error)
        prediction = self._call(own.predict_fn, asked, self._model)
        try:
            return self._call(own.output_fn, prediction, accept)
        except UnsupportedFormatError as error:
            return _refused(HTTPStatus.NOT_ACCEPTABLE, error)

    def _call(self, function: Any, *given: Any) -> Any:
        return function(*given)

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
    told = {"error": type(error).__name__, "error-message": str(error)}
    return Reply(status, json.dumps(told).encode(), {"Content-Type": codecs.JSON})


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
            "the function answered with a generator: AWS's toolkit cannot stream an answer; use "
            "an image of your own that answers in chunks"
        )
    return json.dumps(body).encode()
