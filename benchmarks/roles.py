"""Roles of measured functions, jobs and endpoints."""

from __future__ import annotations

import json
from typing import Any

_LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
_IMAGES = (
    "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGetImage",
)  # fmt: skip
_DATA = ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "cloudwatch:PutMetricData")


def function_role(iam: Any, name: str) -> str:
    """A role of functions that use no AWS service; returns its ARN."""
    return _role(iam, name, "lambda.amazonaws.com", *_LOGS)


def execution_role(iam: Any, name: str) -> str:
    """An execution role of SageMaker, with access to all buckets; returns its ARN."""
    return _role(iam, name, "sagemaker.amazonaws.com", *_LOGS, *_IMAGES, *_DATA)


def _role(iam: Any, name: str, service: str, *actions: str) -> str:
    trust = {"Action": "sts:AssumeRole", "Principal": {"Service": service}}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
    allowed = {"Action": list(actions), "Resource": "*"}
    iam.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=_policy(allowed))
    return str(made["Role"]["Arn"])


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})
