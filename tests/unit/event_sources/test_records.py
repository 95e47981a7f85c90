"""Messages as events: filters, and failures that a response reports."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sageloop.local_cloud.functions.event_sources.records import event_of, failed_of, passes

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:work"


def message(id_: str = "m1", body: str = "text", **more: Any) -> dict[str, Any]:
    return {"MessageId": id_, "ReceiptHandle": f"r-{id_}", "Body": body, "MD5OfBody": "x", **more}


@pytest.mark.parametrize(
    ("pattern", "body", "through"),
    [
        ({"body": {"kind": ["a"]}}, '{"kind": "a"}', True),
        ({"body": {"kind": ["a"]}}, '{"kind": "b"}', False),
        ({"body": {"kind": ["a"]}}, "kind a", False),
        ({"body": ["hello"]}, "hello", True),
        ({"body": [{"prefix": "he"}]}, "hello", True),
        ({"body": ["hello"]}, '{"kind": "a"}', False),
        ({"awsRegion": ["eu-west-1"]}, '{"kind": "a"}', True),
        ({"body": {"n": [{"numeric": [">", 3]}]}}, '{"n": 4}', True),
    ],
)
def test_filter_applies_to_bodies_of_its_kind(
    pattern: dict[str, Any], body: str, *, through: bool
) -> None:
    assert passes([pattern], message(body=body), QUEUE) is through


def test_message_that_passes_one_filter_is_processed() -> None:
    patterns = [{"body": ["a"]}, {"body": ["b"]}]
    assert [passes(patterns, message(body=b), QUEUE) for b in "abc"] == [True, True, False]
    assert passes([], message(), QUEUE)


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        ("null", set()),
        ("{}", set()),
        ('{"batchItemFailures": []}', set()),
        ('{"batchItemFailures": null}', set()),
        ('{"batchItemFailures": [{"itemIdentifier": "m2"}]}', {"m2"}),
        ('{"batchItemFailures": [{"itemIdentifier": ""}]}', {"m1", "m2"}),
        ('{"batchItemFailures": [{"itemIdentifier": null}]}', {"m1", "m2"}),
        ('{"batchItemFailures": [{"id": "m2"}]}', {"m1", "m2"}),
        ('{"batchItemFailures": [{"itemIdentifier": "other"}]}', {"m1", "m2"}),
        ('{"batchItemFailures": "m2"}', {"m1", "m2"}),
        ('"done"', {"m1", "m2"}),
        ("not json", {"m1", "m2"}),
    ],
)
def test_invalid_report_fails_the_whole_batch(answer: str, failed: set[str]) -> None:
    assert failed_of([message("m1"), message("m2")], answer.encode()) == failed


def test_binary_attributes_are_base64() -> None:
    attributes = {"raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}
    (record,) = json.loads(event_of([message(MessageAttributes=attributes)], QUEUE))["Records"]
    assert record["messageAttributes"]["raw"]["binaryValue"] == "AAE="
    assert record["awsRegion"] == "eu-west-1"
