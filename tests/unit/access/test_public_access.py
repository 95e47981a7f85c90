"""What a bucket opens to everybody, by its policy, its ACLs and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    Policy,
    Request,
    ResourcePolicy,
    anonymous,
    decide,
    parse_policy,
)
from sageloop.local_cloud.access.public_access import blocks_policy, is_open

ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
         "Resource": "arn:aws:s3:::bucket/*"}  # fmt: skip
NARROW = ALLOW | {"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}
OPEN, CLOSED = (
    SimpleNamespace(
        restrict_public_buckets=closed, ignore_public_acls=closed, block_public_policy=closed
    )
    for closed in (False, True)
)
READABLE = SimpleNamespace(acl=SimpleNamespace(public_read=True))


def policy(*statements: Mapping[str, Any]) -> Policy:
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)})


def bucket(*, block: Any = OPEN, rule: Any = None) -> Any:
    return SimpleNamespace(public_access_block=block, ownership_rule=rule, keys={"key": READABLE})


def opens(
    made: Any, *statements: Mapping[str, Any], actions: tuple[str, ...] = ("s3:GetObject",),
    key: str = "key",
) -> bool:  # fmt: skip
    known = policy(*statements)
    applied = AppliedPolicies(
        resource=(ResourcePolicy(policy=known, account="111122223333"),), account="111122223333"
    )
    requests = [
        Request(principal=anonymous(), action=action, resource=f"arn:aws:s3:::bucket/{key}",
                context={"aws:SourceIp": "203.0.113.7"})
        for action in actions
    ]  # fmt: skip
    return is_open(made, known, key, [decide(request, applied) for request in requests])


def test_bucket_without_a_policy_is_closed() -> None:
    assert not opens(bucket())


def test_request_without_a_decision_is_refused() -> None:
    assert not is_open(bucket(), policy(ALLOW), "key", [])


def test_every_permission_must_be_open() -> None:
    assert opens(bucket(), ALLOW)
    assert not opens(bucket(), ALLOW, actions=("s3:GetObject", "s3:PutObject"))


@pytest.mark.parametrize(("block", "expected"), [(OPEN, True), (None, True), (CLOSED, False)])
def test_block_of_public_access_closes_what_a_public_policy_opens(
    block: Any, expected: bool
) -> None:
    assert opens(bucket(block=block), ALLOW) is expected


def test_block_of_public_access_leaves_a_policy_that_is_not_public() -> None:
    assert opens(bucket(block=CLOSED), NARROW)


@pytest.mark.parametrize(
    ("block", "statement", "expected"),
    [(CLOSED, ALLOW, True), (CLOSED, NARROW, False), (OPEN, ALLOW, False), (None, ALLOW, False)],
)
def test_public_policy_is_blocked_by_the_setting(
    block: Any, statement: dict[str, Any], expected: bool
) -> None:
    assert blocks_policy(bucket(block=block), policy(statement)) is expected


PREFERRED = {"Rules": {"Rule": {"ObjectOwnership": "BucketOwnerPreferred"}}}
ENFORCED = {"Rules": {"Rule": {"ObjectOwnership": "BucketOwnerEnforced"}}}


@pytest.mark.parametrize(
    ("action", "key", "block", "rule", "expected"),
    [
        ("s3:GetObject", "key", OPEN, PREFERRED, True),
        ("s3:GetObject", "key", None, PREFERRED, True),
        ("s3:GetObject", "key", CLOSED, PREFERRED, False),
        ("s3:GetObject", "key", OPEN, ENFORCED, False), ("s3:GetObject", "key", OPEN, None, False),
        ("s3:GetObject", "absent", OPEN, PREFERRED, False),
        ("s3:PutObject", "key", OPEN, PREFERRED, False),
    ],
)  # fmt: skip
def test_acl_opens_an_object_for_reading_where_acls_count(
    action: str, key: str, block: Any, rule: Any, expected: bool
) -> None:
    assert opens(bucket(block=block, rule=rule), actions=(action,), key=key) is expected


def test_deny_of_the_policy_closes_what_an_acl_opens() -> None:
    assert not opens(bucket(rule=PREFERRED), ALLOW | {"Effect": "Deny"})
