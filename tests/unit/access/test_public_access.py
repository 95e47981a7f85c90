"""What a bucket opens to everybody, by each part of a statement that matters."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from sageloop.local_cloud.access.public_access import is_open

EVERYTHING = "arn:aws:s3:::bucket/*"
ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": EVERYTHING}
OPEN, CLOSED = (
    SimpleNamespace(restrict_public_buckets=closed, ignore_public_acls=closed)
    for closed in (False, True)
)
READABLE = SimpleNamespace(acl=SimpleNamespace(public_read=True))


def bucket(*statements: dict[str, Any], block: Any = OPEN, rule: Any = None) -> Any:
    return SimpleNamespace(
        name="bucket", partition="aws", public_access_block=block, ownership_rule=rule,
        policy=json.dumps({"Statement": list(statements)}) if statements else None,
        keys={"key": READABLE},
    )  # fmt: skip


def reads(*statements: dict[str, Any], **more: Any) -> bool:
    return is_open(bucket(*statements, **more), "GetObject", "key")


@pytest.mark.parametrize(
    "change",
    [
        {}, {"Principal": {"AWS": "*"}}, {"Principal": {"AWS": ["111122223333", "*"]}},
        {"Action": "s3:Get*"}, {"Action": ["s3:PutObject", "S3:GETOBJECT"]}, {"Action": "*"},
        {"Resource": "arn:aws:s3:::bucket/k?y"},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {"Bool": {"AWS:securetransport": ["True"]}}},
    ],
)  # fmt: skip
def test_statement_for_everybody_opens(change: dict[str, Any]) -> None:
    assert reads(ALLOW | change)


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Deny"}, {"Principal": {"AWS": "111122223333"}}, {"Principal": {"Service": "*"}},
        {"Action": "s3:PutObject"}, {"Action": "s3:GetObjectVersion"},
        {"Resource": "arn:aws:s3:::bucket"}, {"Resource": "arn:aws:s3:::bucket/other"},
        {"Resource": "arn:aws:s3:::bucket/[k]ey"},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "true", "aws:ViaAWSService": "true"}}},
    ],
)  # fmt: skip
def test_other_statement_opens_nothing(change: dict[str, Any]) -> None:
    assert not reads(ALLOW | change)


def test_bucket_without_a_policy_is_closed() -> None:
    assert not is_open(bucket(), "GetObject", "key")


@pytest.mark.parametrize(
    ("deny", "expected"),
    [
        ({}, False), ({"Action": "s3:PutObject"}, True),
        ({"Resource": "arn:aws:s3:::bucket/o"}, True),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, True),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
        ({"Condition": {"StringNotEquals": {"aws:Referer": "x"}}}, False),
    ],
)  # fmt: skip
def test_deny_that_may_match_closes(deny: dict[str, Any], expected: bool) -> None:
    assert reads(ALLOW, ALLOW | {"Effect": "Deny"} | deny) is expected


def test_deny_for_all_but_some_closes() -> None:
    deny = {key: value for key, value in ALLOW.items() if key != "Principal"}
    deny |= {"Effect": "Deny", "NotPrincipal": {"AWS": "111122223333"}}

    assert not reads(ALLOW, deny)


@pytest.mark.parametrize(
    ("member", "value", "expected"),
    [
        ("NotAction", "s3:PutObject", True), ("NotAction", "s3:GetObject", False),
        ("NotResource", "arn:aws:s3:::bucket/o", True), ("NotResource", EVERYTHING, False),
    ],
)  # fmt: skip
def test_negated_member_opens_what_it_does_not_name(
    member: str, value: str, expected: bool
) -> None:
    statement = {k: v for k, v in ALLOW.items() if k != member.removeprefix("Not")}

    assert reads(statement | {member: value}) is expected


@pytest.mark.parametrize(("block", "expected"), [(OPEN, True), (None, True), (CLOSED, False)])
def test_block_of_public_access_closes_what_a_policy_opens(block: Any, expected: bool) -> None:
    assert reads(ALLOW, block=block) is expected


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("HeadObject", "s3:GetObject"), ("UploadPart", "s3:PutObject"),
        ("CreateMultipartUpload", "s3:PutObject"), ("DeleteObject", "s3:DeleteObject"),
    ],
)  # fmt: skip
def test_operation_needs_its_action(operation: str, action: str) -> None:
    assert is_open(bucket(ALLOW | {"Action": action}), operation, "key")
    assert not is_open(bucket(ALLOW | {"Action": "s3:ListBucket"}), operation, "key")


def test_listing_is_for_the_bucket() -> None:
    statement = ALLOW | {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket"}

    assert is_open(bucket(statement), "ListObjectsV2", "")
    assert not is_open(bucket(statement | {"Resource": EVERYTHING}), "ListObjectsV2", "")


def test_version_needs_an_action_of_its_own() -> None:
    assert not is_open(bucket(ALLOW), "GetObject", "key", version=True)
    versions = ALLOW | {"Action": "s3:GetObjectVersion"}
    assert is_open(bucket(versions), "GetObject", "key", version=True)


PREFERRED = {"Rules": {"Rule": {"ObjectOwnership": "BucketOwnerPreferred"}}}
ENFORCED = {"Rules": {"Rule": {"ObjectOwnership": "BucketOwnerEnforced"}}}


@pytest.mark.parametrize(
    ("operation", "key", "block", "rule", "expected"),
    [
        ("GetObject", "key", OPEN, PREFERRED, True), ("GetObject", "key", None, PREFERRED, True),
        ("GetObject", "key", CLOSED, PREFERRED, False), ("GetObject", "key", OPEN, ENFORCED, False),
        ("GetObject", "key", OPEN, None, False), ("GetObject", "absent", OPEN, PREFERRED, False),
        ("PutObject", "key", OPEN, PREFERRED, False),
    ],
)  # fmt: skip
def test_acl_opens_an_object_for_reading_where_acls_count(
    operation: str, key: str, block: Any, rule: Any, expected: bool
) -> None:
    assert is_open(bucket(block=block, rule=rule), operation, key) is expected
