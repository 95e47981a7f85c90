"""Dead-letter queues and destinations of asynchronous events, written with the function's role.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.functions.metrics import FunctionMetrics
from sageloop.local_cloud.functions.model import EventConfig, Function
from sageloop.local_cloud.functions.names import queue_url
from sageloop.local_cloud.functions.runner import Outcome
from sageloop.local_cloud.functions.validation import service_of_target

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

_MESSAGE_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """A completed event; ``condition`` is AWS's word for the reason."""

    now: datetime
    request_id: str
    arn: str
    condition: str
    runs: int
    payload: bytes
    outcome: Outcome | None
    version: str

    @property
    def result(self) -> str:
        """The result, as EventBridge's detail type names it."""
        return "Success" if self.condition == "Success" else "Failure"


@dataclass(frozen=True, slots=True)
class _Record:
    """A record of a completed event for one destination."""

    function: Function
    arn: str
    ended: Ended
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return json.dumps(self.body)


class Destinations:
    """Sends records of completed events."""

    def __init__(self, cloud: Cloud, metrics: FunctionMetrics) -> None:
        self._cloud = cloud
        self._metrics = metrics
        self._send: dict[str, Callable[[_Record], None]] = {
            "sqs": lambda record: self._message(record.function, record.arn, record.text, {}),
            "sns": lambda record: self._message(record.function, record.arn, record.text, {}),
            "lambda": self._to_function,
            "events": self._to_bus,
            "s3": self._to_bucket,
        }

    def succeeded(self, function: Function, config: EventConfig, ended: Ended) -> None:
        """Send a record to the on-success destination, if it is configured."""
        if config.on_success:
            self._record(function, config.on_success, ended)

    def failed(self, function: Function, config: EventConfig, ended: Ended) -> None:
        """Send the event to the dead-letter queue and a record to the on-failure destination."""
        letter = function.latest.settings.get("DeadLetterConfig", {}).get("TargetArn")
        if letter:
            attributes = {
                "RequestID": _attribute("String", ended.request_id),
                "ErrorCode": _attribute("Number", "200" if ended.outcome else "429"),
                "ErrorMessage": _attribute("String", _error_message(ended)),
            }
            body = ended.payload.decode()
            self._tried(
                function, letter, "DeadLetterErrors",
                lambda: self._message(function, letter, body, attributes),
            )  # fmt: skip
        if config.on_failure:
            self._record(function, config.on_failure, ended)

    def _record(self, function: Function, arn: str, ended: Ended) -> None:
        record = _Record(function, arn, ended, _record_of(ended))
        send = self._send[arn.split(":")[2]]
        self._tried(function, arn, "DestinationDeliveryFailures", lambda: send(record))

    def _tried(self, function: Function, arn: str, metric: str, send: Callable[[], None]) -> None:
        try:
            send()
        except (ClientError, BotoCoreError, AwsError) as error:
            log.warning("lambda:%s cannot send to %s: %s", function.name, arn, error)
            self._metrics.put(function.name, metric, 1)

    def _client(self, service: str, function: Function, arn: str) -> Any:
        region = arn.split(":")[3] or function.region
        return self._cloud.client(service, principal=function.latest.role, region=region)

    def _message(self, function: Function, arn: str, body: str, attributes: dict[str, Any]) -> None:
        if service_of_target(arn) == "sns":
            sns = self._client("sns", function, arn)
            sns.publish(TopicArn=arn, Message=body, MessageAttributes=attributes)
            return
        sqs = self._client("sqs", function, arn)
        sqs.send_message(QueueUrl=queue_url(arn), MessageBody=body, MessageAttributes=attributes)

    def _to_function(self, record: _Record) -> None:
        client = self._client("lambda", record.function, record.arn)
        client.invoke(FunctionName=record.arn, InvocationType="Event", Payload=record.text.encode())

    def _to_bus(self, record: _Record) -> None:
        answer = self._client("events", record.function, record.arn).put_events(
            Entries=[
                {
                    "Source": "lambda",
                    "DetailType": f"Lambda Function Invocation Result - {record.ended.result}",
                    "Detail": record.text,
                    "EventBusName": record.arn,
                    "Resources": [record.arn, record.ended.arn],
                    "Time": record.ended.now,
                }
            ]
        )
        (entry,) = answer["Entries"]
        if "ErrorCode" in entry:
            raise AwsError(entry["ErrorCode"], entry["ErrorMessage"])

    def _to_bucket(self, record: _Record) -> None:
        now = record.ended.now
        key = (
            f"aws/lambda/async/{record.function.name}/{now:%Y/%m/%d}/"
            f"{now:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        )
        self._client("s3", record.function, record.arn).put_object(
            Bucket=record.arn.rsplit(":", 1)[-1], Key=key, Body=record.text.encode()
        )


def _record_of(ended: Ended) -> dict[str, Any]:
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": f"{ended.now:%Y-%m-%dT%H:%M:%S}.{ended.now.microsecond // 1000:03d}Z",
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


def _error_message(ended: Ended) -> str:
    if ended.outcome is None:
        return ended.condition
    error = json.loads(ended.outcome.payload)
    text = str(error.get("errorMessage", "")) if isinstance(error, dict) else ""
    # SQS refuses an empty attribute.
    return text[:_MESSAGE_LIMIT] or ended.condition


def _attribute(kind: str, value: str) -> dict[str, str]:
    return {"DataType": kind, "StringValue": value}
