"""Roles of the tests, with the permissions that AWS's guides list for what services do with them.

The SageMaker Developer Guide lists those of execution roles ("How to use SageMaker AI execution
roles"), the Lambda Developer Guide those of functions, event source mappings and destinations. They
are allowed on all resources: these tests are about the services, and the access tests about
resources and conditions.
"""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

from sageloop.local_cloud.access.caller import account_user

ACCOUNT = "123456789012"
_PERMISSIONS = Path(__file__).parents[2] / "lambda" / "permissions.json"
# The user of a cloud, who may do everything.
USER = account_user(ACCOUNT).arn
SAGEMAKER = "sagemaker.amazonaws.com"
LAMBDA = "lambda.amazonaws.com"
EVENTS = "events.amazonaws.com"
SCHEDULER = "scheduler.amazonaws.com"
CLOUDFORMATION = "cloudformation.amazonaws.com"

LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
IMAGES = (
    "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGetImage",
)  # fmt: skip
NETWORK = (
    "ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs", "ec2:DescribeDhcpOptions",
    "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups",
)  # fmt: skip
KEYS = (
    "kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey",
    "kms:CreateGrant",
)  # fmt: skip
# Training, tuning, processing and transform jobs.
JOB = (
    "cloudwatch:PutMetricData", *LOGS, "logs:DescribeLogStreams", "s3:ListBucket", "s3:GetObject",
    "s3:PutObject", *IMAGES, *NETWORK, *KEYS,
)  # fmt: skip
# Models: artifacts, captured data, asynchronous results and notices, alarms of a deployment.
HOSTING = (*JOB, "sns:Publish", "cloudwatch:DescribeAlarms")
FUNCTION = (
    *LOGS, "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
)  # fmt: skip
QUEUE_READER = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
# Destinations of records of invocations, and dead-letter queues.
DESTINATIONS = (
    "sqs:SendMessage", "sns:Publish", "lambda:InvokeFunction", "events:PutEvents", "s3:PutObject",
    "s3:ListBucket",
)  # fmt: skip


def trust(*services: str, **condition: Any) -> dict[str, Any]:
    """A trust policy for services."""
    statement: dict[str, Any] = {
        "Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sts:AssumeRole",
    }  # fmt: skip
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


def allowing(*actions: str) -> dict[str, Any]:
    """A policy that allows actions on all resources."""
    statement = {"Effect": "Allow", "Action": sorted({*actions}), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def actions_of(*functions: str) -> list[str]:
    """The actions of the project's functions, as ``lambda/permissions.json`` lists them."""
    listed = json.loads(_PERMISSIONS.read_text())
    return [action for name in functions for action in _flat(listed[name])]


def _flat(listed: list[str] | dict[str, list[str]]) -> list[str]:
    return listed if isinstance(listed, list) else list(chain(*listed.values()))


def make_role(iam: Any, name: str, trusted: dict[str, Any], *actions: str) -> str:
    """Create a role; returns its ARN."""
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trusted))
    if actions:
        iam.put_role_policy(
            RoleName=name, PolicyName="work", PolicyDocument=json.dumps(allowing(*actions))
        )
    return str(made["Role"]["Arn"])


def delete_role(iam: Any, name: str) -> None:
    """Delete a role of :func:`make_role`."""
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def job_role(iam: Any, name: str, *actions: str) -> str:
    """A role of training, tuning, processing and transform jobs, with further actions."""
    return make_role(iam, name, trust(SAGEMAKER), *JOB, *actions)


def hosting_role(iam: Any, name: str, *actions: str) -> str:
    """A role of models, with further actions."""
    return make_role(iam, name, trust(SAGEMAKER), *HOSTING, *actions)


def function_role(iam: Any, name: str, *actions: str) -> str:
    """A role of functions, with the actions of their code and their configuration."""
    return make_role(iam, name, trust(LAMBDA), *FUNCTION, *actions)


def key_policy(*services: str) -> dict[str, Any]:
    """The policy of a key that the account manages and services may use."""
    account = {
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*", "Resource": "*",
    }  # fmt: skip
    use = {
        "Effect": "Allow", "Principal": {"Service": list(services)}, "Action": list(KEYS),
        "Resource": "*",
    }  # fmt: skip
    return {"Version": "2012-10-17", "Statement": [account, use]}


def role_properties(services: str | tuple[str, ...], *actions: str) -> dict[str, Any]:
    """Properties of an ``AWS::IAM::Role`` that services may assume."""
    policy = {"PolicyName": "work", "PolicyDocument": allowing(*actions)}
    trusted = trust(services) if isinstance(services, str) else trust(*services)
    return {"AssumeRolePolicyDocument": trusted, "Policies": [policy]}


def session_keys(sts: Any, role_arn: str) -> dict[str, str]:
    """Arguments of a boto3 client that acts as a session of a role."""
    made = sts.assume_role(RoleArn=role_arn, RoleSessionName="session")["Credentials"]
    return {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }
