"""Where finished events go: dead-letter queues and destinations, written as the role."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.functions.metrics import FunctionMetrics
from sageloop.local_cloud.functions.model import EventConfig, Function
from sageloop.local_cloud.functions.runner import Outcome
from sageloop.local_cloud.functions.validation import service_of_target

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

_MESSAGE_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """An event that is over, and why (``condition`` is AWS's word)."""

    now: datetime
    request_id: str
    arn: str
    condition: str
    runs: int
    payload: bytes
    outcome: Outcome | None
    version: str


class Destinations:
    """Sends records of ended events."""

    def __init__(self, cloud: Cloud, metrics: FunctionMetrics) -> None:
        self._cloud = cloud
        self._metrics = metrics

    def succeeded(self, function: Function, config: EventConfig, ended: Ended) -> None:
        """Tell the on-success destination, if there is one."""
        if config.on_success:
            self._record(function, config.on_success, ended)

    def failed(self, function: Function, config: EventConfig, ended: Ended) -> None:
        """Send the event to the dead-letter target and the on-failure destination."""
        letter = function.latest.settings.get("DeadLetterConfig", {}).get("TargetArn")
        if letter:
            attributes = {
                "RequestID": _attribute("String", ended.request_id),
                "ErrorCode": _attribute("Number", "200" if ended.outcome else "429"),
                "ErrorMessage": _attribute("String", _message(ended)),
            }
            self._send(function, letter, ended.payload.decode(), attributes, "DeadLetterErrors")
        if config.on_failure:
            self._record(function, config.on_failure, ended)

    def _record(self, function: Function, arn: str, ended: Ended) -> None:
        body = json.dumps(_record_of(ended))
        self._send(function, arn, body, {}, "DestinationDeliveryFailures")

    def _send(
        self, function: Function, arn: str, body: str, attributes: dict[str, Any], metric: str
    ) -> None:
        service = service_of_target(arn)
        role, region = function.latest.role, arn.split(":")[3]
        try:
            if service == "sns":
                sns = self._cloud.client("sns", principal=role, region=region)
                sns.publish(TopicArn=arn, Message=body, MessageAttributes=attributes)
                return
            sqs = self._cloud.client("sqs", principal=role, region=region)
            url = sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
        except (ClientError, BotoCoreError) as error:
            log.warning("lambda:%s cannot send to %s: %s", function.name, arn, error)
            self._metrics.put(function.name, metric, 1)


def _record_of(ended: Ended) -> dict[str, Any]:
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": ended.now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "requestContext": {
            "requestId": ended.request_id,
            "functionArn": ended.arn,
            "condition": ended.condition,
            "approximateInvokeCount": ended.runs,
        },
        "requestPayload": json.loads(ended.payload),
    }
    if ended.outcome is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": ended.version}
        if ended.outcome.error:
            context["functionError"] = ended.outcome.error
        record["responseContext"] = context
        record["responsePayload"] = json.loads(ended.outcome.payload)
    return record


def _message(ended: Ended) -> str:
    if ended.outcome is None:
        return ended.condition
    found = json.loads(ended.outcome.payload)
    text = str(found.get("errorMessage", "")) if isinstance(found, dict) else ""
    # An empty attribute is refused by SQS.
    return text[:_MESSAGE_LIMIT] or ended.condition


def _attribute(kind: str, value: str) -> dict[str, str]:
    return {"DataType": kind, "StringValue": value}
