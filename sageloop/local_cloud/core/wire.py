"""AWS's wire protocols: from an HTTP request to named parameters, and back.

Routing, parsing and serialising by botocore's models are moto's; added here is RPC v2 CBOR,
which boto3 speaks to CloudWatch and moto does not, and the error shapes of each protocol.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import cbor2
from botocore.utils import parse_timestamp
from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model

from sageloop.local_cloud.core.compression import gunzip
from sageloop.local_cloud.core.errors import AwsError

__all__ = [
    "Operation", "Request", "Response", "answer", "find_operation", "parse", "refusal",
    "service_model",
]  # fmt: skip

_CBOR = "rpc-v2-cbor"
# CloudWatch takes requests of 1 MB; how far they may unpack AWS does not say.
_MOST_UNPACKED = 16 * 1024**2


@dataclass(slots=True)
class Response:
    """An HTTP answer; with ``stream`` its body comes piece by piece. Whoever reads it closes it."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: Iterator[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation a request names, the protocol it speaks and its path parameters."""

    service: str
    name: str
    protocol: str
    model: OperationModel
    path_params: dict[str, Any]


def service_model(service: str) -> Any:
    """Botocore's model of a service, read once."""
    return get_service_model(service)


def find_operation(service: str, request: Request) -> Operation:
    """Which operation of botocore's ``service`` a request calls.

    Raises werkzeug's ``NotFound`` if the service has no such operation.
    """
    if request.headers.get("smithy-protocol") == _CBOR:
        name = request.path.rsplit("/", 1)[-1]
        return Operation(service, name, _CBOR, get_service_model(service).operation_model(name), {})
    model, path_params = get_service_router(service).match(request)
    protocol = determine_request_protocol(get_service_model(service), request.content_type)
    return Operation(service, model.name, protocol, model, path_params)


def parse(operation: Operation, request: Request) -> dict[str, Any]:
    """The request's parameters under the names of botocore's input shape."""
    if operation.protocol == _CBOR:
        body = _body(operation, request)
        return dict(cbor2.loads(body)) if body else {}
    parser = _parsers()[operation.protocol](operation.model, timestamp_parser=_timestamp)
    values = request.values if operation.protocol in ("query", "ec2") else request.args
    return dict(
        parser.parse(
            {
                "method": request.method,
                "values": values,
                "headers": request.headers,
                "body": _body(operation, request),
                "url_path": request.path,
                "url_params": operation.path_params,
            }
        )
    )


def answer(operation: Operation, result: dict[str, Any]) -> Response:
    """The response that carries ``result``, a dictionary in the output shape's names."""
    if operation.protocol == _CBOR:
        return Response(200, _cbor_headers(), cbor2.dumps(_without_nulls(result)))
    if operation.protocol == "json":
        # The commonest protocol needs no model: members are written under their own names.
        return Response(200, _json_headers("application/x-amz-json-1.1"), _json(result))
    serializer = _serializer(operation)
    made = serializer.serialize(result)
    body = made["body"]
    headers = {str(k): str(v) for k, v in made["headers"].items()}
    headers["x-amzn-RequestId"] = secrets.token_hex(16)
    raw = body if isinstance(body, bytes) else str(body).encode()
    return Response(int(made["status_code"]), headers, raw)


def refusal(operation: Operation | None, error: AwsError) -> Response:
    """The response that carries an error in the operation's protocol (JSON if unknown)."""
    protocol = operation.protocol if operation else "json"
    if protocol in ("query", "ec2", "rest-xml"):
        kind = "Sender" if error.status < 500 else "Receiver"
        text = (
            f"<ErrorResponse><Error><Type>{kind}</Type><Code>{escape(error.code)}</Code>"
            f"<Message>{escape(error.message)}</Message></Error>"
            f"<RequestId>{secrets.token_hex(16)}</RequestId></ErrorResponse>"
        )
        return Response(error.status, {"Content-Type": "text/xml"}, text.encode())
    body = {"__type": error.code, "message": error.message, "Message": error.message}
    body |= error.fields
    if protocol == _CBOR:
        return Response(error.status, _cbor_headers(), cbor2.dumps(body))
    headers = _json_headers("application/json") | {"x-amzn-ErrorType": error.code}
    return Response(error.status, headers, _json(body))


@cache
def _parsers() -> dict[str, Any]:
    """Moto's parsers, of which those of JSON take a body that is none for a message."""

    def strict(parser: Any) -> Any:
        def parse_json(_: Any, body: bytes) -> Any:
            return json.loads(body) if body else {}

        return type("Strict", (parser,), {"_parse_body_as_json": parse_json})

    made = dict(PROTOCOL_PARSERS)
    return made | {name: strict(made[name]) for name in ("json", "rest-json")}


def _body(operation: Operation, request: Request) -> bytes:
    body: bytes = request.get_data()
    # boto3 compresses what is long where the API's model allows it: many metrics in one call.
    if operation.model.request_compression and request.headers.get("Content-Encoding") == "gzip":
        return gunzip(body, most=_MOST_UNPACKED)
    return body


def _serializer(operation: Operation) -> Any:
    return _serializer_for(operation.service, operation.name, operation.protocol)


@cache
def _serializer_for(service: str, name: str, protocol: str) -> Any:
    model = get_service_model(service).operation_model(name)
    return get_serializer_class(service, protocol)(model)


def _timestamp(value: Any) -> datetime:
    parsed: datetime = parse_timestamp(value)
    return parsed.astimezone(UTC)


def _json(value: Any) -> bytes:
    return json.dumps(_without_nulls(value), default=_json_default).encode()


def _json_default(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(f"{type(value).__name__} has no place in an AWS answer")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(v) for v in value]
    return value


def _json_headers(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "x-amzn-RequestId": secrets.token_hex(16)}


def _cbor_headers() -> dict[str, str]:
    return {"Content-Type": "application/cbor", "smithy-protocol": _CBOR}
