"""Permissions of functions and jobs: what only Lambda needs, and what a request requires."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template

from constructs_lib._private.wildcard_reasons import reason_of
from tests.unit.constructs import jobs
from tests.unit.constructs.conftest import Ground, ground_of

INTERFACES = {
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
}  # fmt: skip


@pytest.fixture
def ground() -> Ground:
    return ground_of(Stack(App(), "Permissions"))


def statements(stack: Stack, construct: str) -> list[dict[str, Any]]:
    """The statements of the policy of a construct's function; its logical id has a name, too."""
    policies = Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy")
    (policy,) = [
        each for name, each in policies.items()
        if re.fullmatch(rf"{construct}.*FunctionDuty[0-9A-F]{{8}}", name)
    ]  # fmt: skip
    return list(policy["Properties"]["PolicyDocument"]["Statement"])


def actions(stack: Stack, construct: str) -> set[str]:
    listed = [each["Action"] for each in statements(stack, construct) if each["Effect"] == "Allow"]
    return {a for each in listed for a in ([each] if isinstance(each, str) else each)}


def test_code_of_a_function_is_denied_what_only_lambda_needs(ground: Ground) -> None:
    jobs.processing(ground)

    (denial,) = [s for s in statements(ground.stack, "Prepare") if s["Effect"] == "Deny"]

    assert set(denial["Action"]) == INTERFACES
    (condition,) = denial["Condition"].items()
    assert condition[0] == "ArnEquals"
    (arn,) = condition[1].values()
    assert arn["Fn::GetAtt"][0].startswith("Prepare")


def test_starter_may_not_create_grants_that_the_role_creates(ground: Ground) -> None:
    jobs.processing(ground)

    assert "sagemaker:CreateProcessingJob" in actions(ground.stack, "Prepare")
    assert "kms:CreateGrant" not in actions(ground.stack, "Prepare")


def test_starter_of_a_model_s_job_may_create_grants(ground: Ground) -> None:
    jobs.transform(ground)

    assert "kms:CreateGrant" in actions(ground.stack, "Score")


def test_starter_adds_no_tags_to_a_request_without_tags(ground: Ground) -> None:
    jobs.processing(ground)

    assert "sagemaker:AddTags" not in actions(ground.stack, "Prepare")


@pytest.mark.parametrize(
    ("action", "resource", "part"),
    [
        ("cloudwatch:PutMetricData", "*", "namespaces"),
        ("s3:GetObject", "<Bucket.Arn>/data/*", "key prefix"),
        ("sagemaker:CreateModel", "arn:aws:sagemaker:r:a:model/demo-*", "names of models"),
        ("sagemaker:DescribeEndpointConfig", "arn:aws:sagemaker:r:a:endpoint-config/*", "own"),
        ("sagemaker:DescribeEndpointConfig", "arn:aws:sagemaker:r:a:endpoint-config/d-*", "digest"),
        ("states:StartExecution", "*", "the app"),
    ],
)
def test_wildcard_has_the_reason_of_its_action_or_resource(
    action: str, resource: str, part: str
) -> None:
    assert part in reason_of([action], resource)
