"""Invokes an endpoint with the request of an HTTP API (payload format 2.0).

API Gateway has authorized the request. Callers receive messages of the proxy's own: AWS's messages
contain accounts, roles and log streams, so they are only logged.

See https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError

from sageloop_runtime.config import InvokeProxyConfig
from sageloop_runtime.errors import code_of, message_of
from sageloop_runtime.log import log

_FORWARDED = {
    "content-type": ("ContentType", 1024),
    "accept": ("Accept", 1024),
    "x-amzn-sagemaker-inference-id": ("InferenceId", 64),
    "x-amzn-sagemaker-target-model": ("TargetModel", 1024),
}
"""Headers that are forwarded: the member of InvokeEndpoint and its maximum length."""

_TEXT = re.compile(r"(text/[^;]+|application/([a-z0-9.-]+\+)?(json|jsonlines|xml))(;.*)?")
_THROTTLED = frozenset(
    {
        "ModelNotReadyException", "RequestLimitExceeded", "SlowDown", "Throttling",
        "ThrottlingException", "TooManyRequestsException",
    }
)  # fmt: skip
_RESPONSE_BYTES = 6 * 1024 * 1024
_REASON_LENGTH = 1000


class HttpError(Exception):
    """The response to the caller is an HTTP error with a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class InvokeProxy:
    """Invokes one endpoint.

    Args:
        config: the function's settings.
        runtime: a SageMaker Runtime client.

    """

    def __init__(self, config: InvokeProxyConfig, *, runtime: Any) -> None:
        self._config = config
        self._runtime = runtime

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The HTTP response to a request of the API."""
        details: dict[str, Any] = {}
        try:
            response = to_response(*self._invoke(read_request(event, self._config.content_types)))
        except HttpError as error:
            response = _to_error_response(error)
        except (ClientError, BotoCoreError) as error:
            response, details = _to_error_response(http_error_of(error)), _details(error)
        request_id = event.get("requestContext", {}).get("requestId")
        log(
            "endpoint invoked", endpoint=self._config.endpoint_name, request=request_id,
            status=response["statusCode"], **details,
        )  # fmt: skip
        return response

    def _invoke(self, request: Mapping[str, Any]) -> tuple[bytes, str]:
        name = self._config.endpoint_name
        try:
            response = self._runtime.invoke_endpoint(EndpointName=name, **request)
        except ConnectionClosedError:
            # A kept connection may be closed while Lambda suspends the function.
            response = self._runtime.invoke_endpoint(EndpointName=name, **request)
        return bytes(response["Body"].read()), str(response.get("ContentType", ""))


def read_request(event: Mapping[str, Any], content_types: Collection[str]) -> dict[str, Any]:
    """The parameters of InvokeEndpoint for an event.

    Raises:
        HttpError: if the content type is not one of ``content_types``, or a header or the body
            cannot be forwarded.

    """
    headers = {name.lower(): str(value) for name, value in event.get("headers", {}).items()}
    content_type = headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() not in content_types:
        allowed = ", ".join(sorted(content_types))
        raise HttpError(415, f"Content-Type must be one of {allowed}, got {content_type or 'none'}")
    request: dict[str, Any] = {"Body": _body(event)}
    for header, (member, limit) in _FORWARDED.items():
        value = headers.get(header, "")
        if len(value) > limit or not value.isascii():
            raise HttpError(400, f"{header} must have at most {limit} characters, all of ASCII")
        if value:
            request[member] = value
    return request


def to_response(body: bytes, content_type: str) -> dict[str, Any]:
    """The HTTP response with a body of the model: text as text, other types in base64.

    Raises:
        HttpError: if it is larger than the response of a function may be.

    """
    text = _decoded(body) if _TEXT.fullmatch(content_type.lower()) else None
    response = {
        "statusCode": 200,
        "headers": {"content-type": content_type if content_type else "application/octet-stream"},
        "body": base64.b64encode(body).decode() if text is None else text,
        "isBase64Encoded": text is None,
    }
    if len(json.dumps(response, ensure_ascii=False).encode()) > _RESPONSE_BYTES:
        raise HttpError(502, "the response of the model is larger than 6 MB")
    return response


def http_error_of(error: ClientError | BotoCoreError) -> HttpError:
    """The HTTP error for an error of InvokeEndpoint.

    It is 503 if the endpoint does not respond or does not admit the function: the request of the
    caller is not the cause.
    """
    if not isinstance(error, ClientError):
        return HttpError(503, "the endpoint did not respond")
    code, status = code_of(error), _status(error)
    if code == "ModelError":
        return HttpError(502, _model_error(error.response.get("OriginalStatusCode")))
    if code in _THROTTLED or status == 429:
        return HttpError(429, "too many requests for the endpoint: try again later")
    if status in {401, 403} or status >= 500 or "not found" in message_of(error):
        return HttpError(503, "the endpoint is not in service")
    return HttpError(400, "the endpoint does not accept this request")


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if not event.get("isBase64Encoded"):
        return str(body).encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise HttpError(400, "the body is not valid base64") from None


def _decoded(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _model_error(status: Any) -> str:
    """The message for a ModelError; a response too late or too large has status 0 or 200."""
    if status in {None, 0, 200}:
        return "the model did not respond in time, or its response is too large"
    return f"the model responded with status {status}"


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _to_error_response(error: HttpError) -> dict[str, Any]:
    return {
        "statusCode": error.status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": error.message}),
        "isBase64Encoded": False,
    }


def _details(error: ClientError | BotoCoreError) -> dict[str, str]:
    code = code_of(error) if isinstance(error, ClientError) else type(error).__name__
    return {"code": code, "reason": str(error)[:_REASON_LENGTH]}
