"""No role of the stacks may act on what belongs to others: each request is denied to each role.

Decided by the policies in the templates, as AWS's evaluation documents it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from sageloop.local_cloud.access.policy.authorization import Permission
from scripts.synthesis import templates_in
from tests.assemblies import assembly
from tests.security.checks.access import ACCOUNT, OTHER_ACCOUNT, REGION, Caller, Stacks
from tests.security.conftest import of_settings

_BOOTSTRAP = f"arn:aws:s3:::cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
_TO_SAGEMAKER = {"iam:PassedToService": "sagemaker.amazonaws.com"}


def _arn(service: str, resource: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def _iam(resource: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:{resource}"


_REQUESTS = [
    # Data of others, and the bucket from which CloudFormation deploys.
    Permission("s3:GetObject", "arn:aws:s3:::another-bucket/data.csv"),
    Permission("s3:PutObject", "arn:aws:s3:::another-bucket/data.csv"),
    Permission("s3:ListBucket", "arn:aws:s3:::another-bucket"),
    Permission("s3:GetObject", f"{_BOOTSTRAP}/asset.zip"),
    Permission("s3:PutObject", f"{_BOOTSTRAP}/asset.zip"),
    Permission("s3:PutBucketPolicy", "arn:aws:s3:::another-bucket"),
    Permission("s3:DeleteBucket", "arn:aws:s3:::another-bucket"),
    Permission("s3:ListAllMyBuckets", "arn:aws:s3:::*"),
    # Keys of others.
    Permission("kms:Decrypt", _arn("kms", "key/another"), {
        "kms:ViaService": f"s3.{REGION}.amazonaws.com",
    }),
    Permission("kms:GenerateDataKey", _arn("kms", "key/another"), {
        "kms:ViaService": f"s3.{REGION}.amazonaws.com",
    }),
    Permission("kms:CreateGrant", _arn("kms", "key/another"), {
        "kms:GrantIsForAWSResource": "true",
    }),
    Permission("kms:ScheduleKeyDeletion", _arn("kms", "key/another")),
    Permission("kms:PutKeyPolicy", _arn("kms", "key/another")),
    Permission("kms:CreateKey", "*"),
    # Rights of others, or more of its own.
    Permission("iam:CreateRole", _iam("role/new")),
    Permission("iam:PutRolePolicy", _iam("role/Admin")),
    Permission("iam:AttachRolePolicy", _iam("role/Admin")),
    Permission("iam:UpdateAssumeRolePolicy", _iam("role/Admin")),
    Permission("iam:CreatePolicyVersion", _iam("policy/any")),
    Permission("iam:CreateAccessKey", _iam("user/any")),
    Permission("iam:CreateUser", _iam("user/new")),
    Permission("iam:PassRole", _iam("role/Admin"), _TO_SAGEMAKER),
    Permission("iam:PassRole", _iam("role/Admin"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    Permission("iam:PassRole", _iam("role/Admin", OTHER_ACCOUNT), _TO_SAGEMAKER),
    Permission("sts:AssumeRole", _iam("role/Admin")),
    Permission("sts:AssumeRole", _iam("role/Admin", OTHER_ACCOUNT)),
    # Jobs, models, endpoints and notebooks of others.
    Permission("sagemaker:CreateTrainingJob", _arn("sagemaker", "training-job/another-1")),
    Permission("sagemaker:StopTrainingJob", _arn("sagemaker", "training-job/another-1")),
    Permission("sagemaker:DescribeTrainingJob", _arn("sagemaker", "training-job/another-1")),
    Permission("sagemaker:CreateProcessingJob", _arn("sagemaker", "processing-job/another")),
    Permission("sagemaker:CreateTransformJob", _arn("sagemaker", "transform-job/another")),
    Permission("sagemaker:CreateModel", _arn("sagemaker", "model/another")),
    Permission("sagemaker:DeleteModel", _arn("sagemaker", "model/another")),
    Permission("sagemaker:CreateEndpoint", _arn("sagemaker", "endpoint/another")),
    Permission("sagemaker:UpdateEndpoint", _arn("sagemaker", "endpoint/another")),
    Permission("sagemaker:UpdateEndpointWeightsAndCapacities",
               _arn("sagemaker", "endpoint/another")),
    Permission("sagemaker:DeleteEndpoint", _arn("sagemaker", "endpoint/another")),
    Permission("sagemaker:InvokeEndpoint", _arn("sagemaker", "endpoint/another")),
    Permission("sagemaker:InvokeEndpoint", _arn("sagemaker", "endpoint/any", OTHER_ACCOUNT)),
    Permission("sagemaker:CreateModelPackage", _arn("sagemaker", "model-package/another/*")),
    Permission("sagemaker:UpdateModelPackage", _arn("sagemaker", "model-package/another/1")),
    Permission("sagemaker:DeleteModelPackage", _arn("sagemaker", "model-package/another/1")),
    Permission("sagemaker:CreateNotebookInstance", _arn("sagemaker", "notebook-instance/new")),
    Permission("sagemaker:CreatePresignedNotebookInstanceUrl",
               _arn("sagemaker", "notebook-instance/another")),
    # Functions, tables, queues, topics, rules, schedules, alarms, logs and secrets of others.
    Permission("lambda:InvokeFunction", _arn("lambda", "function:another")),
    Permission("lambda:UpdateFunctionCode", _arn("lambda", "function:another")),
    Permission("lambda:AddPermission", _arn("lambda", "function:another")),
    Permission("lambda:CreateFunction", _arn("lambda", "function:new")),
    Permission("dynamodb:GetItem", _arn("dynamodb", "table/another")),
    Permission("dynamodb:PutItem", _arn("dynamodb", "table/another")),
    Permission("dynamodb:DeleteTable", _arn("dynamodb", "table/another")),
    Permission("sqs:SendMessage", _arn("sqs", "another")),
    Permission("sqs:ReceiveMessage", _arn("sqs", "another")),
    Permission("sns:Publish", _arn("sns", "another")),
    Permission("sns:Subscribe", _arn("sns", "another")),
    Permission("events:PutRule", _arn("events", "rule/another")),
    Permission("events:PutEvents", _arn("events", "event-bus/default")),
    Permission("scheduler:CreateSchedule", _arn("scheduler", "schedule/default/new")),
    Permission("cloudwatch:DeleteAlarms", _arn("cloudwatch", "alarm:another")),
    Permission("cloudwatch:PutMetricAlarm", _arn("cloudwatch", "alarm:another")),
    Permission("cloudwatch:SetAlarmState", _arn("cloudwatch", "alarm:another")),
    Permission("logs:DeleteLogGroup", _arn("logs", "log-group:another")),
    Permission("logs:GetLogEvents", _arn("logs", "log-group:another:log-stream:any")),
    Permission("secretsmanager:GetSecretValue", _arn("secretsmanager", "secret:any-abcdef")),
    Permission("ssm:GetParameter", _arn("ssm", "parameter/any")),
    # The account's infrastructure.
    Permission("cloudformation:UpdateStack", _arn("cloudformation", "stack/any/*")),
    Permission("cloudformation:DeleteStack", _arn("cloudformation", "stack/any/*")),
    Permission("ec2:RunInstances", _arn("ec2", "instance/*")),
    Permission("ec2:AuthorizeSecurityGroupIngress", _arn("ec2", "security-group/sg-another")),
    Permission("ec2:DeleteVpc", _arn("ec2", "vpc/vpc-another")),
]  # fmt: skip


@dataclass(frozen=True)
class Deployed:
    """The stacks of one of the settings or examples, with their roles by name."""

    stacks: Stacks
    roles: Mapping[str, Caller]


@functools.cache
def deployed_of(name: str) -> Deployed:
    stacks = Stacks(templates_in(assembly(name)))
    roles = {role: stacks.role(role) for role in stacks.named("AWS::IAM::Role")}
    return Deployed(stacks, roles)


@pytest.fixture
def deployed(settings: str) -> Deployed:
    """The stacks of each of the settings and examples, to read."""
    return deployed_of(settings)


def test_each_role_has_policies(deployed: Deployed) -> None:
    assert deployed.roles
    assert all(caller.policies for caller in deployed.roles.values())


@of_settings
def test_stacks_have_roles_of_all_parts(deployed: Deployed) -> None:
    assert len(deployed.roles) >= 10


def _id(value: Any) -> str:
    return f"{value.action} {value.resource}"


@pytest.mark.parametrize("request_", _REQUESTS, ids=_id)
def test_request_is_denied_to_every_role(deployed: Deployed, request_: Permission) -> None:
    assert allowed_to(deployed, request_) == []


@of_settings
@pytest.mark.parametrize("action", ["ecr:GetAuthorizationToken", "ec2:DescribeVpcs"])
def test_what_roles_need_is_allowed_to_some(deployed: Deployed, action: str) -> None:
    """The decisions above are not denials of everything."""
    assert allowed_to(deployed, Permission(action, "*")) != []


def allowed_to(deployed: Deployed, request: Permission) -> list[str]:
    """The roles whose identity-based policies allow a request."""
    context = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3", **request.context}
    return [
        name
        for name, caller in deployed.roles.items()
        if deployed.stacks.decide(caller, request.action, request.resource, context).allowed
    ]
