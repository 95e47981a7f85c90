"""The tables of actions, resource types and condition keys."""

from __future__ import annotations

import pytest

from sageloop.local_cloud.access.policy import parse_policy, reference
from sageloop.local_cloud.access.policy.context_keys import (
    FILLED_GLOBAL_KEYS,
    UNFILLED_GLOBAL_KEYS,
    Availability,
    availability,
    unevaluated_keys,
    unknown_keys,
)
from sageloop.local_cloud.access.policy.reference import matching_resource_types, resource_can_match


@pytest.mark.parametrize(
    ("action", "pattern", "expected"),
    [
        ("s3:ListBucket", "arn:aws:s3:::data", True),
        ("s3:ListBucket", "arn:aws:s3:::data/*", False),
        ("s3:ListBucket", "*", True),
        ("s3:GetObject", "arn:aws:s3:::data/*", True),
        ("s3:GetObject", "arn:aws:s3:::data", False),
        ("s3:GetObject", "arn:aws:s3:::data*", True),
        ("s3:GetObject", "arn:aws-cn:s3:::data/${aws:username}/*", True),
        ("s3:ListAllMyBuckets", "arn:aws:s3:::*", True),
        ("s3:ListAllMyBuckets", "arn:aws:s3:::data", False),
        ("cloudwatch:PutMetricData", "*", True),
        ("cloudwatch:PutMetricData", "arn:aws:cloudwatch:*:*:*", False),
        ("sagemaker:CreateTrainingJob", "arn:aws:sagemaker:eu-west-1:1:training-job/x-*", True),
        ("sagemaker:CreateTrainingJob", "arn:aws:sagemaker:eu-west-1:1:model/x-*", False),
        ("sagemaker:UpdateEndpoint", "arn:aws:sagemaker:*:*:endpoint-config/x", True),
        ("SageMaker:updateendpoint", "arn:aws:sagemaker:*:*:job/x", False),
        ("logs:CreateLogStream", "arn:aws:logs:eu-west-1:1:log-group:/aws/x:*", True),
        ("logs:CreateLogStream", "arn:aws:logs:eu-west-1:1:log-group:/aws/x", False),
        ("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:1:table/t/index/*", True),
        ("iam:PassRole", "arn:aws:iam::1:role/path/name", True),
        ("iam:PassRole", "arn:aws:iam::1:user/name", False),
        ("iam:PassRole", "arn:aws:iam::1:r???/name", True),
        ("iam:PassRole", "arn:aws:iam::1:${aws:PrincipalTag/kind}/name", True),
        ("unlisted:Anything", "arn:aws:unlisted:::x", True),
        ("s3:NoSuchAction", "arn:aws:s3:::x", True),
    ],
)
def test_resource_pattern_can_match_resources_of_the_action_only(
    action: str, pattern: str, expected: bool
) -> None:
    assert resource_can_match(action, pattern) is expected


def test_matching_resource_types_are_named() -> None:
    pattern = "arn:aws:sagemaker:*:*:endpoint*/x"
    result = matching_resource_types("sagemaker:UpdateEndpoint", pattern)
    assert sorted(result) == ["endpoint", "endpoint-config"]


def test_action_has_keys_and_dependent_actions() -> None:
    result = reference.action("sagemaker:createtrainingjob")
    assert result is not None
    assert result.name == "sagemaker:CreateTrainingJob"
    assert "iam:PassRole" in result.depends
    assert "sagemaker:VolumeKmsKey" in result.keys
    assert result.resources["training-job"]


@pytest.mark.parametrize("name", ["sagemaker:MakeTea", "unlisted:Get", "sagemaker"])
def test_unknown_action_is_none(name: str) -> None:
    assert reference.action(name) is None


def test_pattern_means_the_actions_that_it_matches() -> None:
    result = {one.name for one in reference.actions_matching("sqs:*Message")}
    assert result == {"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"}


def test_single_asterisk_matches_every_action() -> None:
    every = reference.actions_matching("*")
    assert {one.name.partition(":")[0] for one in every} == reference.known_services()


@pytest.mark.parametrize("prefix", sorted(reference.known_services()))
def test_resource_types_of_actions_have_arns(prefix: str) -> None:
    table = reference.service(prefix)
    assert table is not None
    named = {name for one in table.actions.values() for name in one.resources}
    assert named <= {name for name, entry in table.resources.items() if entry.arns}


def test_tables_are_those_of_the_installed_source() -> None:
    from importlib.metadata import version

    from scripts.refresh_actions import SERVICES

    assert set(SERVICES) == reference.known_services()
    table = reference.service("s3")
    assert table is not None
    assert version("parliament") in reference.release("s3")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("aws:PrincipalTag/Team", Availability.FILLED),
        ("AWS:SourceIP", Availability.FILLED),
        ("lambda:SourceFunctionArn", Availability.FILLED),
        ("aws:MultiFactorAuthPresent", Availability.UNFILLED),
        ("aws:PrincipalOrgID", Availability.UNFILLED),
        ("aws:PrincipalTeam", Availability.UNKNOWN),
        ("s3:ExistingObjectTag/x", Availability.UNFILLED),
        ("s3:prefixes", Availability.UNKNOWN),
        ("kms:EncryptionContext:aws:logs:arn", Availability.UNFILLED),
        ("kms:EncryptionContextKeys", Availability.UNFILLED),
        ("accounts.google.com:sub", Availability.UNFILLED),
        ("token.actions.githubusercontent.com:sub", Availability.UNFILLED),
    ],
)
def test_key_is_filled_locally_or_on_aws_only_or_unknown(key: str, expected: Availability) -> None:
    assert availability(key) is expected


def test_key_filled_by_a_service_is_filled() -> None:
    filled = ["s3:ExistingObjectTag/<key>", "kms:EncryptionContext:${EncryptionContextKey}"]
    assert availability("s3:ExistingObjectTag/team", filled=filled) is Availability.FILLED
    assert availability("kms:EncryptionContext:a:b", filled=filled) is Availability.FILLED
    assert availability("kms:EncryptionContextKeys", filled=filled) is Availability.UNFILLED


def test_no_global_key_is_both_filled_and_unfilled() -> None:
    assert not FILLED_GLOBAL_KEYS & UNFILLED_GLOBAL_KEYS


def test_unevaluated_keys_are_named_with_policy_and_statement() -> None:
    policy = parse_policy(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Sid": "Mfa",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::data/${aws:PrincipalOrgID}/*",
                "Condition": {
                    "Bool": {"aws:MultiFactorAuthPresent": "true"},
                    "StringEquals": {"aws:username": "${aws:SourceIdentity}", "aws:Nothing": "x"},
                },
            },
        },
        name="mine",
    )
    result = unevaluated_keys(policy)
    assert {one.key for one in result} == {
        "aws:multifactorauthpresent", "aws:principalorgid", "aws:sourceidentity",
    }  # fmt: skip
    assert {(one.policy, one.statement) for one in result} == {("mine", "Mfa")}
    assert [one.key for one in unknown_keys(policy)] == ["aws:nothing"]


def test_variable_syntax_in_an_old_policy_is_not_a_key() -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${aws:SourceIdentity}"}
    assert unevaluated_keys(parse_policy({"Version": "2008-10-17", "Statement": statement})) == []
