"""One execution environment: loads a handler once and calls it for each event.

Exchanges length-prefixed JSON on a socket. Standard library only; a function's output goes to the
log descriptor unchanged.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import logging
import os
import resource
import socket
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

_HEADER = 4
_SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
_CURRENT = SimpleNamespace(request_id="")


class InitError(Exception):
    """The handler cannot be loaded; ``kind`` is the runtime's error type."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Context:
    """The second argument of a handler, as the Python runtime defines it."""

    def __init__(self, request: dict[str, Any]) -> None:
        env = os.environ
        self.aws_request_id: str = request["request_id"]
        self.log_group_name = env["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = env["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.function_name = env["AWS_LAMBDA_FUNCTION_NAME"]
        self.memory_limit_in_mb = env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.function_version = env["AWS_LAMBDA_FUNCTION_VERSION"]
        self.invoked_function_arn: str = request["arn"]
        self.tenant_id = None
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.client_context = _client_context(request["client_context"])
        self._deadline = time.monotonic() + request["remaining_ms"] / 1000

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds left before the invocation times out."""
        return max(int((self._deadline - time.monotonic()) * 1000), 0)

    def log(self, message: object) -> None:
        """Write to the function's log."""
        sys.stdout.write(str(message))


class LogHandler(logging.Handler):
    """The root logger's handler; ``as_json`` writes one JSON object per record."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as one log event."""
        stamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        stamp = stamp.replace("+00:00", "Z")
        if not self._as_json:
            text = self.format(record)
            line = f"[{record.levelname}]\t{stamp}\t{_CURRENT.request_id}\t{text}"
            # One event per record: the log splits at line feeds, and displays carriage returns as
            # breaks.
            sys.stdout.write(line.replace("\n", "\r") + "\n")
            return
        data: dict[str, Any] = {
            "timestamp": stamp, "level": record.levelname, "message": record.getMessage(),
            "logger": record.name, "requestId": _CURRENT.request_id,
        }  # fmt: skip
        if record.exc_info and record.exc_info[0]:
            data["errorType"] = record.exc_info[0].__name__
            data["errorMessage"] = str(record.exc_info[1])
            data["stackTrace"] = traceback.format_tb(record.exc_info[2])
        sys.stdout.write(json.dumps(data, default=str) + "\n")


def serve(channel: socket.socket) -> int:
    """Serve requests on ``channel`` until it closes; returns the exit code."""
    _send(channel, {"kind": "hello", "pid": os.getpid()})
    request = _receive(channel)
    if request is None:
        return 0
    try:
        handler = _initialise(request)
    except BaseException as error:
        _send(channel, {"kind": "init_error", "payload": _report(error, request["as_json"])})
        sys.stdout.flush()
        return 1
    _send(channel, {"kind": "ready"})
    while (request := _receive(channel)) is not None:
        answer = _answer(handler, request)
        sys.stdout.flush()
        sys.stderr.flush()
        answer["max_rss_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _send(channel, answer)
    return 0


def _initialise(request: dict[str, Any]) -> Callable[[Any, Context], Any]:
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["task_root"])
    sys.path[:0] = request["paths"]
    sys.argv = ["bootstrap"]
    if any((Path(folder) / name).exists() for folder in request["paths"] for name in _SDK):
        _unload_sdk()
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", 0), "utf-8", "replace", write_through=True)
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", 0), "utf-8", "replace", write_through=True)
    root = logging.getLogger()
    root.handlers[:] = [LogHandler(as_json=request["as_json"])]
    root.setLevel(request["log_level"])
    return _load(request["handler"])


def _unload_sdk() -> None:
    # The package contains its own SDK, which must replace the one that is already loaded.
    for module in list(sys.modules):
        if module.split(".", 1)[0] in _SDK:
            del sys.modules[module]


def _load(name: str) -> Callable[[Any, Context], Any]:
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise InitError(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)",
        )
    module_name = module_name.replace("/", ".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InitError(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from error
    except SyntaxError as error:
        raise InitError(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}"
        ) from error
    handler = module.__dict__.get(function)
    if handler is None:
        raise InitError(
            "Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'"
        )
    return handler  # type: ignore[no-any-return]


def _answer(handler: Callable[[Any, Context], Any], request: dict[str, Any]) -> dict[str, Any]:
    _CURRENT.request_id = request["request_id"]
    as_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
    try:
        result = handler(json.loads(request["event"]), Context(request))
    except Exception as error:
        return {"kind": "error", "payload": _report(error, as_json)}
    try:
        return {"kind": "answer", "payload": json.dumps(result)}
    except (TypeError, ValueError) as error:
        failed = InitError("Runtime.MarshalError", f"Unable to marshal response: {error}")
        return {"kind": "error", "payload": _report(failed, as_json)}


def _report(error: BaseException, as_json: bool) -> str:
    kind = error.kind if isinstance(error, InitError) else type(error).__name__
    if isinstance(error, InitError):
        stack: list[str] = []
    else:
        stack = traceback.format_list(_own_frames(error.__traceback__))
    report = {
        "errorMessage": str(error), "errorType": kind,
        "requestId": _CURRENT.request_id, "stackTrace": stack,
    }  # fmt: skip
    if as_json:
        line = json.dumps({"level": "ERROR", **report, "message": str(error)})
    else:
        trace = "".join(stack).rstrip("\n")
        line = f"[ERROR] {kind}: {error}\nTraceback (most recent call last):\n{trace}"
        line = line.replace("\n", "\r")
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    return json.dumps(report)


def _own_frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    hidden = (__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")
    frames = traceback.extract_tb(trace)
    return [
        f for f in frames if f.filename not in hidden and "importlib/__init__" not in f.filename
    ]


def _client_context(text: str | None) -> Any:
    if text is None:
        return None
    data = json.loads(base64.b64decode(text))
    return SimpleNamespace(
        custom=data.get("custom"), env=data.get("env"),
        client=SimpleNamespace(**data["client"]) if data.get("client") else None,
    )  # fmt: skip


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    channel.sendall(len(body).to_bytes(_HEADER, "big") + body)


def _receive(channel: socket.socket) -> dict[str, Any] | None:
    head = _read(channel, _HEADER)
    body = _read(channel, int.from_bytes(head, "big")) if head else None
    return json.loads(body) if body else None


def _read(channel: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)
