"""Calls to a cloud in this process, each decided as the front decides it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from moto.core.request import Request
from werkzeug.test import create_environ

from sageloop.local_cloud.access.caller import INTERNAL, role_session
from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.core import wire
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.operations import Call
from sageloop.local_cloud.services import own_services

_ACCOUNT, _REGION = "123456789012", "us-east-1"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/caller"
_CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e"}),
    ("sagemaker", "DescribeEndpoint", {"EndpointName": "e"}),
    ("sagemaker", "CreateTrainingJob", {
        "TrainingJobName": "t", "RoleArn": _ROLE, "ResourceConfig": {"InstanceType": "ml.m5.large"},
    }),
    ("dynamodb", "GetItem", {"TableName": "t", "Key": {}}),
    ("logs", "PutLogEvents", {"logGroupName": "g", "logStreamName": "s", "logEvents": []}),
    ("cloudwatch", "PutMetricData", {"Namespace": "n", "MetricData": []}),
    ("iam", "GetRole", {"RoleName": "caller"}),
)  # fmt: skip
_ACTIONS = [
    "sagemaker:InvokeEndpoint", "sagemaker:DescribeEndpoint", "sagemaker:CreateTrainingJob",
    "iam:PassRole", "dynamodb:GetItem", "logs:PutLogEvents", "cloudwatch:PutMetricData",
    "iam:GetRole",
]  # fmt: skip


@contextmanager
def decided_calls() -> Iterator[list[Callable[[], Any]]]:
    """Decisions on calls of a role with three policies; the last one allows them."""
    cloud = Cloud(CloudConfig(iam=AccessMode.WARN))
    cloud.add(own_services(cloud))
    try:
        _create_role(cloud)
        yield [_decided(cloud, *each) for each in _CALLS]
    finally:
        cloud.stop()


def _create_role(cloud: Cloud) -> None:
    iam = cloud.client("iam", principal=INTERNAL)
    service = {"Service": "lambda.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="caller", AssumeRolePolicyDocument=_document(trust))
    for name, account in (("a", "1"), ("b", "2"), ("c", _ACCOUNT)):
        condition = {"StringEquals": {"aws:ResourceAccount": account}}
        statement = {
            "Effect": "Allow", "Action": _ACTIONS, "Resource": "*", "Condition": condition,
        }  # fmt: skip
        iam.put_role_policy(RoleName="caller", PolicyName=name, PolicyDocument=_document(statement))


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _decided(cloud: Cloud, service: str, name: str, params: dict[str, Any]) -> Callable[[], Any]:
    operation = wire.Operation(service, name, "json", cast("Any", None), {})
    request = Request(create_environ("/", method="POST"))
    caller = role_session(_ROLE, "session")
    call = Call(service, name, params, caller, _REGION, _ACCOUNT, request)
    return lambda: cloud.authorizer.check(operation, call, [])
