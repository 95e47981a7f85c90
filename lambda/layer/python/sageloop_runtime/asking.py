"""Asking an endpoint: a request of an HTTP API in, its answer out (payload format 2.0).

Whose token the request brings was judged before it came here. What went wrong is told to the caller
in a few words of our own: AWS's messages name accounts, roles and log streams, so they are logged.

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

from sageloop_runtime.config import AskConfig
from sageloop_runtime.errors import code_of, message_of
from sageloop_runtime.log import log

_PASSED = {
    "content-type": ("ContentType", 1024),
    "accept": ("Accept", 1024),
    "x-amzn-sagemaker-inference-id": ("InferenceId", 64),
    "x-amzn-sagemaker-target-model": ("TargetModel", 1024),
}
"""Headers of the caller that the endpoint is told: the member of InvokeEndpoint, its length."""

_TEXT = re.compile(r"(text/[^;]+|application/([a-z0-9.-]+\+)?(json|jsonlines|xml))(;.*)?")
_THROTTLED = frozenset(
    {
        "ModelNotReadyException", "RequestLimitExceeded", "SlowDown", "Throttling",
        "ThrottlingException", "TooManyRequestsException",
    }
)  # fmt: skip
_ANSWER_BYTES = 6 * 1024 * 1024
_REASON_LENGTH = 1000


class RefusedError(Exception):
    """The caller is answered with a status and a message instead of what the model says."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Asker:
    """Asks one endpoint.

    Args:
        config: the function's settings.
        runtime: a SageMaker Runtime client.

    """

    def __init__(self, config: AskConfig, *, runtime: Any) -> None:
        self._config = config
        self._runtime = runtime

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The endpoint's answer to a request, or why there is none, as API Gateway takes both."""
        told: dict[str, Any] = {}
        try:
            question = read_question(event, self._config.content_types)
            answer = render(*self._ask(question))
        except RefusedError as refused:
            answer = _refusal(refused)
        except (ClientError, BotoCoreError) as error:
            answer, told = _refusal(judge(error)), _reason(error)
        request = event.get("requestContext", {}).get("requestId")
        log(
            "asked", endpoint=self._config.endpoint_name, request=request,
            status=answer["statusCode"], **told,
        )  # fmt: skip
        return answer

    def _ask(self, question: Mapping[str, Any]) -> tuple[bytes, str]:
        name = self._config.endpoint_name
        try:
            answer = self._runtime.invoke_endpoint(EndpointName=name, **question)
        except ConnectionClosedError:
            # A connection may die unseen while Lambda lets the function sleep.
            answer = self._runtime.invoke_endpoint(EndpointName=name, **question)
        return bytes(answer["Body"].read()), str(answer.get("ContentType", ""))


def read_question(event: Mapping[str, Any], content_types: Collection[str]) -> dict[str, Any]:
    """What InvokeEndpoint is asked with.

    Raises:
        RefusedError: if the type of the content is not one of ``content_types``, or a header or
            the body cannot be handed on.

    """
    headers = {name.lower(): str(value) for name, value in event.get("headers", {}).items()}
    given = headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() not in content_types:
        allowed = ", ".join(sorted(content_types))
        raise RefusedError(415, f"Content-Type must be one of {allowed}, got {given or 'none'}")
    question: dict[str, Any] = {"Body": _body(event)}
    for header, (member, limit) in _PASSED.items():
        value = headers.get(header, "")
        if len(value) > limit or not value.isascii():
            raise RefusedError(400, f"{header} must have at most {limit} characters, all of ASCII")
        if value:
            question[member] = value
    return question


def render(body: bytes, content_type: str) -> dict[str, Any]:
    """The model's answer as API Gateway takes it: text as it is, all else in base64.

    Raises:
        RefusedError: if it is larger than what a function may answer.

    """
    text = _decoded(body) if _TEXT.fullmatch(content_type.lower()) else None
    answer = {
        "statusCode": 200,
        "headers": {"content-type": content_type if content_type else "application/octet-stream"},
        "body": base64.b64encode(body).decode() if text is None else text,
        "isBase64Encoded": text is None,
    }
    if len(json.dumps(answer, ensure_ascii=False).encode()) > _ANSWER_BYTES:
        raise RefusedError(502, "the model's answer is larger than 6 MB can carry")
    return answer


def judge(error: ClientError | BotoCoreError) -> RefusedError:
    """What the caller is told of an error of the endpoint.

    503: nobody answers, not in time, or this function is not let in: none of it is the caller's.
    """
    if not isinstance(error, ClientError):
        return RefusedError(503, "the endpoint did not answer")
    code, status = code_of(error), _status(error)
    if code == "ModelError":
        return RefusedError(502, _of_model(error.response.get("OriginalStatusCode")))
    if code in _THROTTLED or status == 429:
        return RefusedError(429, "too many requests for the endpoint: try again later")
    if status in {401, 403} or status >= 500 or "not found" in message_of(error):
        return RefusedError(503, "the endpoint is not in service")
    return RefusedError(400, "the endpoint does not take this request")


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if not event.get("isBase64Encoded"):
        return str(body).encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise RefusedError(400, "the body is not what it says to be: base64 is expected") from None


def _decoded(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _of_model(status: Any) -> str:
    """Late or too large an answer is an error of the model too, of status 0 or 200."""
    if status in {None, 0, 200}:
        return "the model gave no answer in time, or one too large"
    return f"the model answered {status}"


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _refusal(refused: RefusedError) -> dict[str, Any]:
    return {
        "statusCode": refused.status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": refused.message}),
        "isBase64Encoded": False,
    }


def _reason(error: ClientError | BotoCoreError) -> dict[str, str]:
    code = code_of(error) if isinstance(error, ClientError) else type(error).__name__
    return {"code": code, "reason": str(error)[:_REASON_LENGTH]}
