"""Messages as a function's event, and failures reported in its response."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sageloop.local_cloud.events.patterns import matches

# Lambda invokes a function with an event of at most 6 MB.
LARGEST_EVENT = 6_291_456

Message = Mapping[str, Any]


def record_of(message: Message, queue_arn: str) -> dict[str, Any]:
    """One message as a record of the event."""
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def event_of(messages: Iterable[Message], queue_arn: str) -> bytes:
    """The event of several messages."""
    return json.dumps({"Records": [record_of(m, queue_arn) for m in messages]}).encode()


def size_of(message: Message, queue_arn: str) -> int:
    """Size of a message's record in the event, in bytes."""
    return len(json.dumps(record_of(message, queue_arn)))


def passes(patterns: Sequence[dict[str, Any]], message: Message, queue_arn: str) -> bool:
    """Whether a message passes one of the filters; without filters every message passes.

    A pattern for members of a body applies to JSON bodies only, one for text to plain bodies only.
    """
    if not patterns:
        return True
    record = record_of(message, queue_arn)
    body = _json(record["body"])
    for pattern in patterns:
        pattern_body = pattern.get("body")
        if isinstance(pattern_body, dict):
            if body is not None and matches(pattern, {**record, "body": body}):
                return True
        elif (pattern_body is None or body is None) and matches(pattern, record):
            return True
    return False


def failed_of(messages: Sequence[Message], answer: bytes) -> set[str]:
    """Ids of the messages that a response reports as failed.

    An invalid report means that all have failed; no report, that none has.
    """
    everyone = {str(message["MessageId"]) for message in messages}
    try:
        report = json.loads(answer or b"null")
    except ValueError:
        return everyone
    reported = report.get("batchItemFailures") if isinstance(report, dict) else None
    if not reported:
        return set() if report is None or isinstance(report, dict) else everyone
    if not isinstance(reported, list):
        return everyone
    ids = [one.get("itemIdentifier") if isinstance(one, dict) else None for one in reported]
    return {str(i) for i in ids} if all(i in everyone for i in ids) else everyone


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"],
    }  # fmt: skip
    if "StringValue" in value:
        made["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        raw = value["BinaryValue"]
        made["binaryValue"] = b64encode(raw).decode() if isinstance(raw, bytes) else raw
    return made


def _json(body: str) -> Any:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict | list) else None
