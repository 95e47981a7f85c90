"""Actions, resources and their wildcards; documents that are no policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    PolicyError,
    Request,
    decide,
    parse_policy,
    user,
)

ANA = user("arn:aws:iam::111122223333:user/Ana")


def allows(action: str, resource: str = "*", **statement: Any) -> bool:
    body = {"Effect": "Allow", **statement}
    if not {"Action", "NotAction"} & set(body):
        body["Action"] = "*"
    if not {"Resource", "NotResource"} & set(body):
        body["Resource"] = "*"
    policy = parse_policy({"Version": "2012-10-17", "Statement": body})
    request = Request(principal=ANA, action=action, resource=resource)
    return decide(request, AppliedPolicies(identity=(policy,))).allowed


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        ("s3:GetObject", "s3:getobject", True),
        ("S3:GETOBJECT", "s3:GetObject", True),
        ("s3:Get*", "s3:GetObjectTagging", True),
        ("s3:Get*", "s3:PutObject", False),
        ("s3:*Object", "s3:GetObjectTagging", False),
        ("s3:?etObject", "s3:GetObject", True),
        ("s3:?etObject", "s3:etObject", False),
        ("*", "sagemaker:CreateModel", True),
        ("*:Get*", "s3:GetObject", True),
        ("s*:Get*", "sqs:GetQueueUrl", True),
        ("s3:GetObject", "sqs:GetObject", False),
        (["sqs:*", "s3:*"], "s3:GetObject", True),
    ],
)
def test_action_pattern_ignores_case(pattern: Any, action: str, expected: bool) -> None:
    assert allows(action, Action=pattern) is expected
    assert allows(action, NotAction=pattern) is not expected


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        ("arn:aws:s3:::data/*", "arn:aws:s3:::data/a/b", True),
        ("arn:aws:s3:::data/*", "arn:aws:s3:::data", False),
        ("arn:aws:s3:::data/*", "arn:aws:s3:::Data/a", False),
        ("arn:aws:s3:::data/*/x?", "arn:aws:s3:::data/a/b/xy", True),
        ("arn:aws:s3:::data/*/x?", "arn:aws:s3:::data/a/x", False),
        ("arn:aws:s3:::ab*ba", "arn:aws:s3:::abba", True),
        ("arn:aws:s3:::ab*ba", "arn:aws:s3:::aba", False),
        ("arn:aws:s3:::*.json", "arn:aws:s3:::data/10:30.json", True),
        ("arn:aws:s3:::*", "arn:aws:s3:::data", True),
        ("arn:aws:sqs:*:*:q", "arn:aws:sqs:eu-west-1:111122223333:q", True),
        # An asterisk that ends a field reaches beyond the colon, one within a field does not.
        ("arn:aws:sqs:*:q", "arn:aws:sqs:eu-west-1:111122223333:q", True),
        ("arn:aws:sqs:eu-*:q", "arn:aws:sqs:eu-west-1:111122223333:q", True),
        ("arn:aws:sqs:eu-*-1:*:q", "arn:aws:sqs:eu-west-1:111122223333:q", True),
        ("arn:aws:sqs:eu*3:q", "arn:aws:sqs:eu-west-1:111122223333:q", False),
        ("arn:aws:sqs", "arn:aws:sqs:eu-west-1:111122223333:q", True),
        ("arn:aws:sqs:eu-west-1", "arn:aws:sqs:eu-west-1:111122223333:q", True),
        ("arn:aws:sqs:eu-west-1", "arn:aws:sqs:eu-west-2:111122223333:q", False),
        ("*", "*", True),
        ("arn:aws:s3:::*", "*", False),
        (["arn:aws:s3:::a", "arn:aws:s3:::b"], "arn:aws:s3:::b", True),
    ],
)
def test_resource_pattern_keeps_case(pattern: Any, resource: str, expected: bool) -> None:
    assert allows("s3:GetObject", resource, Resource=pattern) is expected
    assert allows("s3:GetObject", resource, NotResource=pattern) is not expected


def test_variable_in_a_resource_stands_for_the_requests_value() -> None:
    mine = "arn:aws:s3:::home/${aws:username}/*"
    assert allows("s3:GetObject", "arn:aws:s3:::home/Ana/x", Resource=mine)
    assert not allows("s3:GetObject", "arn:aws:s3:::home/Bob/x", Resource=mine)


def test_variable_without_value_in_a_resource_matches_no_resource() -> None:
    resource = "arn:aws:s3:::home/*${aws:PrincipalTag/team}*"
    assert not allows("s3:GetObject", "arn:aws:s3:::home/x", Resource=resource)
    assert allows("s3:GetObject", "arn:aws:s3:::home/x", NotResource=resource)


def test_variable_works_in_the_resource_part_of_an_arn_only() -> None:
    resource = "arn:aws:${aws:username}:::home"
    assert not allows("s3:GetObject", "arn:aws:Ana:::home", Resource=resource)


def test_asterisk_in_braces_in_a_resource_is_only_itself() -> None:
    assert allows("s3:GetObject", "arn:aws:s3:::b/*x", Resource="arn:aws:s3:::b/${*}x")
    assert not allows("s3:GetObject", "arn:aws:s3:::b/ax", Resource="arn:aws:s3:::b/${*}x")


def test_pattern_of_many_asterisks_is_matched_without_backtracking() -> None:
    # A backtracking matcher would not terminate.
    assert not allows("s3:GetObject", "a" * 5000 + "c", Resource="*a" * 200 + "*b")
    assert allows("s3:GetObject", "a" * 5000 + "c", Resource="*a" * 200 + "*c")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ("{}", "Statement: is missing"),
        ('{"Version": "2020-01-01", "Statement": []}', "Version: must be one of"),
        ('{"Statement": [], "Statement": []}', "more than once"),
        ('{"Statement": ["x"]}', r"Statement\[0\]: must be an object"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_invalid_document_is_refused(document: str, problem: str) -> None:
    with pytest.raises(PolicyError, match=problem):
        parse_policy(document)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"Effect": "allow"}, r"Statement\[0\].Effect: must be Allow or Deny, not 'allow'"),
        ({"Action": None}, "neither Action nor NotAction"),
        ({"Action": []}, "at least one action"),
        ({"Action": {"a": 1}}, "Action: must be text"),
        ({"NotAction": "s3:*"}, "both Action and NotAction"),
        ({"NotResource": "*"}, "both Resource and NotResource"),
        ({"Resource": []}, "at least one resource"),
        ({"Principal": "*", "NotPrincipal": "*"}, "both Principal and NotPrincipal"),
        ({"Principal": {"Aws": "*"}}, "Aws is not a type of principal"),
        ({"Principal": "arn:aws:iam::111122223333:root"}, 'must be "\\*" or an object'),
    ],
)
def test_invalid_statement_is_refused(change: dict[str, Any], problem: str) -> None:
    body = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"} | change
    body = {key: value for key, value in body.items() if value is not None}
    with pytest.raises(PolicyError, match=problem):
        parse_policy(json.dumps({"Statement": [body]}))
