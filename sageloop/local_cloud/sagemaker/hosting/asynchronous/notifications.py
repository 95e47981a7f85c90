"""SNS notifications of the outcomes of asynchronous requests.

https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from sageloop.local_cloud.sagemaker.hosting.asynchronous.settings import IN_ERROR, IN_SUCCESS

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.hosting.asynchronous.request import AsyncRequest

MAX_INCLUDED = 128 * 1024
_ELSEWHERE = "Check S3 path location(if configured) or Cloudwatch for additional details."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a request; ``body`` is the response of the container, if there is one."""

    status: Literal["Completed", "Failed", "Expired"]
    body: bytes | None = None
    content_type: str | None = None
    reason: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the model returned a response."""
        return self.status == "Completed"


def topic_of(request: AsyncRequest, outcome: Outcome) -> str | None:
    """The topic that is notified of an outcome, or ``None``."""
    settings = request.settings
    return settings.success_topic if outcome.succeeded else settings.error_topic


def notification(request: AsyncRequest, outcome: Outcome, *, region: str, now: float) -> str:
    """The message as JSON, with members in AWS's order."""
    message: dict[str, Any] = {
        "awsRegion": region,
        "eventTime": _stamp(now),
        "receivedTime": _stamp(request.received),
        "invocationStatus": outcome.status,
    }
    if outcome.reason is not None:
        message["failureReason"] = outcome.reason
    message["requestParameters"] = _present(
        accept=request.accept, contentType=request.content_type,
        endpointName=request.endpoint, inputLocation=request.input_location,
    )  # fmt: skip
    receipt = _response(request, outcome)
    if receipt:
        message["responseParameters"] = receipt
    included = _included(request, outcome)
    if included is not None:
        message["responseBody"] = included
    message |= {
        "inferenceId": request.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    return json.dumps(message, separators=(",", ":"))


def _response(request: AsyncRequest, outcome: Outcome) -> dict[str, str]:
    if outcome.succeeded:
        return _present(contentType=outcome.content_type, outputLocation=request.output_location)
    if request.failure_location is None:
        return {}
    return _present(contentType=outcome.content_type, failureLocation=request.failure_location)


def _included(request: AsyncRequest, outcome: Outcome) -> dict[str, str] | None:
    destination = IN_SUCCESS if outcome.succeeded else IN_ERROR
    body = outcome.body
    if destination not in request.settings.included_in or body is None or len(body) > MAX_INCLUDED:
        return None
    return {
        "content": base64.b64encode(body).decode(),
        "message": _ELSEWHERE,
        "encoding": "BASE64",
    }


def _present(**members: str | None) -> dict[str, str]:
    return {name: value for name, value in members.items() if value is not None}


def _stamp(moment: float) -> str:
    text = datetime.fromtimestamp(moment, UTC)
    return text.strftime("%Y-%m-%dT%H:%M:%S.") + f"{text.microsecond // 1000:03d}Z"
