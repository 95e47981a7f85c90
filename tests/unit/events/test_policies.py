"""Resource policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sageloop.local_cloud.events.policies import AccessRequest, allows

REQUEST = AccessRequest(
    "events.amazonaws.com", "sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q",
    {"aws:SourceArn": "arn:aws:events:us-east-1:1:rule/r", "aws:SourceAccount": "1",
     "aws:SecureTransport": "true"},
)  # fmt: skip


def statement(**members: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:1:q",
    } | members  # fmt: skip


DENY_PLAIN = {
    "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": False}},
}  # fmt: skip


@pytest.mark.parametrize(
    "statements",
    [
        statement(),
        [statement()],
        [statement(), DENY_PLAIN],
        statement(Principal="*"),
        statement(Principal={"AWS": "*"}),
        statement(Principal={"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}),
        statement(Action=["SQS:Send*"]),
        statement(Resource="*"),
        statement(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:events:*:1:rule/*"}}),
        statement(Condition={"StringEquals": {"AWS:SourceAccount": ["2", "1"]}}),
        statement(Condition={"StringEqualsIfExists": {"aws:SourceOrgID": "o"}}),
        statement(Condition={"StringNotEquals": {"aws:SourceAccount": "2"}}),
        statement(Condition={"Null": {"aws:SourceArn": "false"}}),
        statement(Condition={"ForAnyValue:StringEquals": {"aws:SourceAccount": "1"}}),
    ],
)
def test_policy_allows(statements: Any) -> None:
    assert allows(json.dumps({"Statement": statements}), REQUEST)


@pytest.mark.parametrize(
    "statements",
    [
        [],
        statement(Principal={"Service": "sns.amazonaws.com"}),
        statement(Principal={"AWS": "arn:aws:iam::1:root"}),
        statement(Action="sqs:ReceiveMessage"),
        statement(NotAction="sqs:SendMessage", Action="sqs:SendMessage"),
        statement(Resource="arn:aws:sqs:us-east-1:1:other"),
        statement(Condition={"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:1:rule/x"}}),
        statement(Condition={"StringEquals": {"aws:SourceOwner": "1"}}),
        statement(Condition={"Unheard": {"aws:SourceArn": "x"}}),
        statement(Condition={"Null": {"aws:SourceArn": "true"}}),
        [statement(), {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}],
    ],
)
def test_policy_does_not_allow(statements: Any) -> None:
    assert not allows(json.dumps({"Statement": statements}), REQUEST)


def test_no_policy_allows_nothing() -> None:
    assert not allows(None, REQUEST)
    assert not allows("", REQUEST)
