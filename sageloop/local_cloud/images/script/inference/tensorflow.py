"""TensorFlow's inference image: requests and responses of TensorFlow Serving.

TensorFlow computes the predictions instead of TensorFlow Serving. An ``inference.py`` may have
``handler``, or ``input_handler`` and ``output_handler``; they reach the REST interface at
``context.rest_uri``.

https://github.com/aws/sagemaker-tensorflow-serving-container
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import threading
import traceback
from collections import namedtuple
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sageloop.local_cloud.images.formats import media
from sageloop.local_cloud.images.http_server import Reply
from sageloop.local_cloud.images.script.inference import tf_model
from sageloop.local_cloud.images.script.inference.settings import (
    SettingError,
    Settings,
)
from sageloop.local_cloud.images.script.inference.tf_model import RequestError

_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_Handle = Callable[[Any, Any], tuple[Any, str]]
# The context of the user's functions, which read it by name or position.
Context = namedtuple(
    "Context",
    "model_name, model_version, method, rest_uri, grpc_port, custom_attributes, "
    "request_content_type, accept_header, content_length, channel",
)


class Service:
    """Serves every model of the directory: the one that a request names, or the first one."""

    def __init__(self, settings: Settings, code: Path) -> None:
        self._settings = settings
        self._scripted = (code / "inference.py").exists()
        self._models: dict[str, tf_model.Model] = {}
        self._default = os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME")
        self._handle: _Handle | None = None
        self._port = 0

    def load(self) -> None:
        """Load the models and the user's functions."""
        models = tf_model.load(self._settings.model_dir)
        self._models = {model.name: model for model in models}
        self._default = models[0].name if self._default is None else self._default
        if self._default not in self._models:
            raise SettingError(
                f"SAGEMAKER_TFS_DEFAULT_MODEL_NAME is {self._default}, the models are "
                f"{', '.join(self._models)}"
            )
        _say("TensorFlow replaces TensorFlow Serving, with JSON over REST only")
        if not models[0].saved:
            _say(f"{models[0].name}.keras: AWS's image serves a SavedModel only")
        if self._scripted:
            self._port = self._listen()
            self._handle = _handler_of(importlib.import_module("inference"), self._post)

    def reply(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The response to a request."""
        context = self._context(body, headers)
        if self._handle is None:
            return self._plain(body, context)
        try:
            answered, kind = self._handle(io.BytesIO(body), context)
        except Exception as error:
            sys.stderr.write(traceback.format_exc())
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        content = answered if isinstance(answered, bytes) else str(answered).encode()
        return Reply(HTTPStatus.OK, content, {"Content-Type": kind})

    def _plain(self, body: bytes, context: Any) -> Reply:
        kind, accept = context.request_content_type, context.accept_header
        try:
            answered = self._predicted(context.model_name, _as_request(body, kind))
        except RequestError as error:
            return _error(HTTPStatus.BAD_REQUEST, str(error))
        except media.DataError as error:
            return _error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error))
        if accept in (media.JSON_LINES, "application/jsons"):
            answered = answered.replace(b"\n", b"") + b"\n"
        written = media.JSON if accept not in (media.JSON_LINES, "application/jsons") else accept
        return Reply(HTTPStatus.OK, answered, {"Content-Type": written})

    def _predicted(self, name: str, body: bytes) -> bytes:
        if name not in self._models:
            raise RequestError(f"Servable not found for request: Latest({name})")
        return tf_model.answer(self._models[name], body)

    def _context(self, body: bytes, headers: Mapping[str, str]) -> Any:
        attributes = headers.get(_ATTRIBUTES, "")
        pairs = dict(pair.split("=", 1) for pair in attributes.split(",") if "=" in pair)
        name = pairs.get("tfs-model-name", self._default)
        method = pairs.get("tfs-method", "predict")
        accept = headers.get("accept", "")
        uri = f"http://localhost:{self._port}/v1/models/{name}:{method}"
        return Context(
            name, pairs.get("tfs-model-version"), method, uri, None, attributes,
            headers.get("content-type", media.JSON),
            self._settings.accept if accept in ("", "*/*") else accept, len(body), None,
        )  # fmt: skip

    def _post(self, body: Any, context: Any) -> Any:
        import requests

        with requests.Session() as session:
            session.trust_env = False  # no proxy for requests to this process
            return session.post(context.rest_uri, data=body)

    def _listen(self) -> int:
        made = type("Rest", (_Rest,), {"predicted": staticmethod(self._predicted)})
        server = ThreadingHTTPServer(("127.0.0.1", 0), made)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port


class _Rest(BaseHTTPRequestHandler):
    """TensorFlow Serving's REST interface for the user's functions."""

    protocol_version = "HTTP/1.1"
    predicted: Callable[[str, bytes], bytes]

    def do_GET(self) -> None:
        state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK"}}
        self._answer(HTTPStatus.OK, json.dumps({"model_version_status": [state]}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        name, _, method = self.path.rpartition("/")[2].partition(":")
        if method != "predict":
            message = f"the method {method} has no local counterpart; use predict"
            self._answer(HTTPStatus.NOT_IMPLEMENTED, json.dumps({"error": message}).encode())
            return
        try:
            self._answer(HTTPStatus.OK, self.predicted(name, body))
        except RequestError as error:
            self._answer(HTTPStatus.BAD_REQUEST, json.dumps({"error": str(error)}).encode())

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media.JSON)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: a line for each request would flood the log."""


def _handler_of(module: Any, post: Callable[[Any, Any], Any]) -> _Handle:
    own = vars(module)
    if "handler" in own:
        handle: _Handle = own["handler"]
        return handle
    if "input_handler" not in own or "output_handler" not in own:
        raise SettingError(
            "inference.py needs the function handler, or input_handler and output_handler"
        )

    def both(data: Any, context: Any) -> tuple[Any, str]:
        answered = post(own["input_handler"](data, context), context)
        result: tuple[Any, str] = own["output_handler"](answered, context)
        return result

    return both


def _as_request(body: bytes, content_type: str) -> bytes:
    """Convert JSON, JSON Lines or CSV to a predict request. Raises ``DataError`` otherwise."""
    kind = media.media_type(content_type)
    if kind == "text/csv":
        # The image splits at LF and CRLF only.
        rows = [_row(line.removesuffix("\r")) for line in body.decode().split("\n") if line.strip()]
        return json.dumps({"instances": rows}).encode()
    if kind not in (media.JSON, media.JSON_LINES, "application/jsons"):
        raise media.DataError(f"Unsupported Content-Type: {content_type}")
    try:
        request = json.loads(body)
    except ValueError:
        return _lines(body)
    if isinstance(request, dict) and ("instances" in request or "inputs" in request):
        return body
    return json.dumps({"instances": request if isinstance(request, list) else [request]}).encode()


def _lines(body: bytes) -> bytes:
    try:
        rows = [json.loads(line) for line in body.splitlines() if line.strip()]
    except ValueError as error:
        raise RequestError(f"JSON Parse error: {error}") from None
    return json.dumps({"instances": rows}).encode()


def _row(line: str) -> list[Any]:
    def value(field: str) -> Any:
        try:
            return json.loads(field)
        except ValueError:
            return field.strip()

    return [value(field) for field in line.split(",")]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _error(status: HTTPStatus, message: str) -> Reply:
    content = json.dumps({"error": message}).encode()
    return Reply(status, content, {"Content-Type": media.JSON})
