"""No statement is dead: each action and ARN of the identity policies can match on AWS."""

from __future__ import annotations

import re
from typing import Any

import pytest

from scripts.acknowledgments import Acknowledgment
from scripts.synthesis import ROOT
from tests.security.checks import policies, reference
from tests.security.checks.wiring import CombinedStacks

Templates = dict[str, dict[str, Any]]
_ENDPOINT = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/demo"


def documents(templates: Templates) -> dict[str, dict[str, Any]]:
    return dict(policies.documents(CombinedStacks(templates), templates))


def test_every_action_and_arn_can_match(templates: Templates) -> None:
    result = documents(templates)

    assert result
    assert {n: f for n, d in result.items() if (f := list(reference.faults(d["Statement"])))} == {}


def test_every_action_of_the_functions_is_in_the_reference() -> None:
    text = (ROOT / "lambda" / "permissions.json").read_text(encoding="utf-8")
    actions = sorted(set(re.findall(r'"([a-z0-9-]+:[A-Za-z]+)"', text)))

    assert len(actions) > 50
    assert [each for each in actions if reference.resource_types(each) is None] == []


def test_star_resources_are_acknowledged(
    templates: Templates, accepted: list[Acknowledgment]
) -> None:
    stars = {n for n, d in documents(templates).items() if any(reference.stars(d["Statement"]))}
    message = {f"{a.stack}/{r}" for a in accepted if a.rule == "CKV_AWS_111" for r in a.resources}

    assert stars == message


@pytest.mark.parametrize(
    ("action", "resource", "message"),
    [
        ("cloudwatch:GetMetricStatistics", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a",
         "needs the resource *"),
        ("cloudwatch:DescribeAlarms", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:*",
         "needs the resource *"),
        ("sagemaker:CreateEndpoint", _ENDPOINT, "needs a resource"),
        ("sagemaker:DescribeModel", _ENDPOINT, "is no resource of"),
        ("sagemaker:AddTags", "arn:aws:s3:::bucket/key", "has none of the resources"),
        ("s3:ListBucket", "arn:aws:s3:::bucket/key", "is no resource of"),
        ("sagemaker:StartEverything", "*", "is not in the reference"),
    ],
)  # fmt: skip
def test_statement_that_cannot_match_is_reported(action: str, resource: str, message: str) -> None:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}

    assert any(message in each for each in reference.faults([statement]))


@pytest.mark.parametrize(
    ("pattern", "arn", "possible"),
    [
        ("arn:aws:s3:::b/*", "arn:${Partition}:s3:::${BucketName}/${ObjectName}", True),
        ("arn:aws:s3:::b/*", "arn:${Partition}:s3:::${BucketName}", False),
        ("arn:aws:sqs:*:*:q-?", "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}", True),
        ("arn:aws:sns:*:*:q", "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}", False),
        ("arn:*", "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}", False),
    ],
)
def test_patterns_intersect_if_an_arn_matches_both(pattern: str, arn: str, possible: bool) -> None:
    assert reference.meets(pattern, arn) is possible


def test_action_without_required_resource_is_not_reported_as_star() -> None:
    statement = {"Effect": "Allow", "Action": ["sagemaker:ListModels"], "Resource": "*"}

    assert list(reference.stars([statement])) == []
