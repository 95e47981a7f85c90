"""AWS's wire protocols: parses requests and serializes responses.

moto routes, parses and serializes by botocore's models. This module adds RPC v2 CBOR, which boto3
uses for CloudWatch and moto lacks, and the error formats of each protocol.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

import cbor2
from botocore.exceptions import UnknownServiceError
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
# CloudWatch accepts requests of 1 MB; AWS documents no limit of the decompressed size.
_MOST_UNPACKED = 16 * 1024**2
# Exceptions of parsers for malformed bodies; `AwsError` is none of them.
_NOT_IN_FORM = (
    ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError, OSError,
    EOFError, cbor2.CBORDecodeError, ExpatError,
)  # fmt: skip


@dataclass(slots=True)
class Response:
    """An HTTP response; with ``stream`` its body is sent in parts. The reader closes it."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: Iterator[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation that a request names, its protocol and its path parameters."""

    service: str
    name: str
    protocol: str
    model: OperationModel
    path_params: dict[str, Any]


def service_model(service: str) -> Any:
    """Botocore's model of a service, read once."""
    return get_service_model(service)


def find_operation(service: str, request: Request) -> Operation:
    """The operation of botocore's ``service`` that a request calls.

    Raises werkzeug's ``NotFound`` if the service has no such operation.
    """
    if request.headers.get("smithy-protocol") == _CBOR:
        name = request.path.rsplit("/", 1)[-1]
        return Operation(service, name, _CBOR, get_service_model(service).operation_model(name), {})
    model, path_params = get_service_router(service).match(request)
    protocol = determine_request_protocol(get_service_model(service), request.content_type)
    return Operation(service, model.name, protocol, model, path_params)


def parse(operation: Operation, request: Request) -> dict[str, Any]:
    """The request's parameters by the names of botocore's input shape.

    Raises ``AwsError`` (SerializationException) for a malformed body.
    """
    try:
        return _parsed(operation, request)
    except _NOT_IN_FORM as error:
        raise AwsError(
            "SerializationException",
            f"the request cannot be read as {operation.protocol}: {_first_line(error)}",
        ) from error


def _parsed(operation: Operation, request: Request) -> dict[str, Any]:
    if operation.protocol == _CBOR:
        body = _body(operation, request)
        return dict(cbor2.loads(body)) if body else {}
    parser = _parser(operation.protocol)(operation.model, timestamp_parser=_timestamp)
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


@cache
def _parser(protocol: str) -> Any:
    """Moto's parser of a protocol; for JSON, with an error for bodies that are not JSON."""
    known = PROTOCOL_PARSERS[protocol]
    if not hasattr(known, "_parse_body_as_json"):
        return known
    return type(f"Strict{known.__name__}", (known,), {"_parse_body_as_json": _json_object})


def _json_object(_: Any, body: bytes) -> dict[str, Any]:
    made = json.loads(body) if body else {}
    if not isinstance(made, dict):
        raise TypeError("the body must be a JSON object")
    return made


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def answer(operation: Operation, result: dict[str, Any]) -> Response:
    """The response for ``result``, a dictionary by the names of the output shape."""
    if operation.protocol == _CBOR:
        return Response(200, _cbor_headers(), cbor2.dumps(_without_nulls(result)))
    if operation.protocol == "json":
        # The most frequent protocol needs no model: members keep their names.
        return Response(200, _json_headers("application/x-amz-json-1.1"), _json(result))
    serializer = _serializer(operation)
    made = serializer.serialize(result)
    body = made["body"]
    headers = {str(k): str(v) for k, v in made["headers"].items()}
    headers["x-amzn-RequestId"] = secrets.token_hex(16)
    raw = body if isinstance(body, bytes) else str(body).encode()
    return Response(int(made["status_code"]), headers, raw)


def refusal(operation: Operation | None, error: AwsError, *, spoken: str = "json") -> Response:
    """The error response in the operation's protocol (``spoken`` if the operation is unknown)."""
    protocol = spoken if operation is None else operation.protocol
    if spoken == "s3" or (operation is not None and operation.service == "s3"):
        return _error_of_s3(error)
    if protocol in ("query", "ec2", "rest-xml"):
        return _error_in_xml(error, ec2=protocol == "ec2")
    body = {"__type": error.code, "message": error.message, "Message": error.message}
    body |= error.fields
    if protocol == _CBOR:
        return Response(error.status, _cbor_headers(), cbor2.dumps(body))
    headers = _json_headers("application/json") | {"x-amzn-ErrorType": error.code}
    return Response(error.status, headers, _json(body))


def error_protocol_of(service: str, request: Request) -> str:
    """The protocol of a service's errors where the operation is unknown."""
    if service == "s3":
        return "s3"
    if (request.content_type or "").startswith("application/x-www-form-urlencoded"):
        return "query"
    try:
        return str(get_service_model(service).protocol)
    except UnknownServiceError:
        return "json"


def _error_of_s3(error: AwsError) -> Response:
    members = {"Code": error.code, "Message": error.message, **error.fields}
    request_id = secrets.token_hex(8).upper()
    members_xml = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in members.items())
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{members_xml}'
        f"<RequestId>{request_id}</RequestId>"
        "<HostId>local</HostId></Error>"
    )
    headers = {"Content-Type": "application/xml", "x-amz-request-id": request_id}
    return Response(error.status, headers, text.encode())


def _error_in_xml(error: AwsError, *, ec2: bool) -> Response:
    code, message = escape(error.code), escape(error.message)
    request_id = secrets.token_hex(16)
    kind = "Sender" if error.status < 500 else "Receiver"
    if ec2:
        text = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error>"
            f"</Errors><RequestID>{request_id}</RequestID></Response>"
        )
    else:
        text = (
            f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code>"
            f"<Message>{message}</Message></Error><RequestId>{request_id}</RequestId>"
            "</ErrorResponse>"
        )
    return Response(error.status, {"Content-Type": "text/xml"}, text.encode())


def _body(operation: Operation, request: Request) -> bytes:
    body: bytes = request.get_data()
    # boto3 compresses long bodies where the API's model allows it: many metrics in one call.
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
    raise TypeError(f"{type(value).__name__} cannot be serialized in an AWS response")


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
