"""Bucket policies that S3 calls public, and conditions that make them non-public."""

from __future__ import annotations

from typing import Any

import pytest

from sageloop.local_cloud.access.policy import parse_policy
from sageloop.local_cloud.access.policy.public import is_public

VPC = {"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}


def public(*statements: dict[str, Any]) -> bool:
    body = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*", "Principal": "*"}
    listed = [body | statement for statement in statements]
    for statement in listed:
        if "NotPrincipal" in statement:
            del statement["Principal"]
    return is_public(parse_policy({"Version": "2012-10-17", "Statement": listed}))


@pytest.mark.parametrize(
    "statement",
    [
        {"Principal": {"Federated": "graph.facebook.com"}},
        {},
        {"Principal": {"AWS": ["*", "111122223333"]}},
        {"NotPrincipal": {"AWS": "111122223333"}},
        {"Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}},
        {"Condition": {"StringEquals": {"aws:SourceVpc": ["vpc-1", "${aws:username}"]}}},
        {"Condition": {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}},
        {"Condition": {"ForAllValues:StringEquals": {"aws:SourceVpc": "vpc-1"}}},
        {"Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}},
        {"Condition": {"StringEquals": {"aws:Referer": "http://example.com"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "64.0.0.0/7"]}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "2001::/16"}}},
        {"Condition": {"ArnLike": {"s3:DataAccessPointArn": "arn:aws:s3:*:*:accesspoint/*"}}},
    ],
)
def test_grant_to_anybody_is_public(statement: dict[str, Any]) -> None:
    assert public(statement)


@pytest.mark.parametrize(
    "statement",
    [
        {"Condition": VPC},
        {"Effect": "Deny"},
        {"Principal": {"AWS": "111122223333"}},
        {"Principal": {"Service": "logging.s3.amazonaws.com"}},
        {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
        {"Condition": {"StringLike": {"aws:SourceAccount": "111122223333"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]}}},
        {
            "Condition": {
                "ArnLike": {"s3:DataAccessPointArn": "arn:aws:s3:us-west-2:1:accesspoint/*"}
            }
        },
    ],
)
def test_grant_for_fixed_values_is_not_public(statement: dict[str, Any]) -> None:
    assert not public(statement)


def test_private_network_is_fixed_however_wide() -> None:
    assert not public({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}})
    assert not public({"Condition": {"IpAddress": {"aws:SourceIp": "172.16.0.0/12"}}})


def test_one_public_statement_makes_the_policy_public() -> None:
    assert public({"Condition": VPC}, {})
    assert not public({"Condition": VPC}, {"Principal": {"AWS": "111122223333"}})
