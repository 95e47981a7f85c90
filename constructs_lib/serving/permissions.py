"""Statements for promoting a champion."""

from __future__ import annotations

import hashlib

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from .._private.checks import known
from .._private.encryption import grant_statement
from .._private.policies import allow, arn, colon_arn
from .._private.statements import alarm_statement
from ..data import DataStoreBase
from ..identity import ExecutionRole

_SCALING = ["application-autoscaling:DeregisterScalableTarget",
            "application-autoscaling:PutScalingPolicy",
            "application-autoscaling:PutScheduledAction",
            "application-autoscaling:RegisterScalableTarget"]  # fmt: skip
_DESCRIBE_SCALING = ["application-autoscaling:DescribeScalableTargets",
                     "application-autoscaling:DescribeScalingPolicies",
                     "application-autoscaling:DescribeScheduledActions"]  # fmt: skip
_DIGEST = 12
_LONGEST_STEM, _DIGEST_OF_LONG = 50, 8
_LINKED_ROLE = "sagemaker.application-autoscaling.amazonaws.com"


def rollout_statements(
    scope: Construct, endpoint: str, role: ExecutionRole, store: DataStoreBase
) -> list[iam.PolicyStatement]:
    """Statements to create, update and delete an endpoint, its models and configurations."""
    models = arn(scope, "sagemaker", "model", endpoint_parts(endpoint))
    configs = arn(scope, "sagemaker", "endpoint-config", endpoint_parts(endpoint))
    endpoints = arn(scope, "sagemaker", "endpoint", endpoint)
    isolated = {
        "Bool": {"sagemaker:NetworkIsolation": "true"},
        "Null": {"sagemaker:VpcSubnets": "false"},
    }
    key = [] if store.key is None else [grant_statement(store.key)]
    return [
        allow(["sagemaker:CreateModel"], [models], isolated),
        allow(["sagemaker:DeleteModel"], [models]),
        allow(["sagemaker:CreateEndpointConfig", "sagemaker:DeleteEndpointConfig",
               "sagemaker:DescribeEndpointConfig"], [configs]),
        allow(["sagemaker:DeleteEndpoint", "sagemaker:DescribeEndpoint"], [endpoints]),
        # SageMaker authorizes the endpoint and the new configuration.
        allow(["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"], [endpoints, configs]),
        allow(["sagemaker:ListEndpointConfigs", "sagemaker:ListModels"], ["*"]),
        allow(["iam:PassRole"], [role.role_arn],
              {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}),
        *key,
    ]  # fmt: skip


def scaling_statements(
    scope: Construct, endpoint: str, *, remembers: bool = True
) -> list[iam.PolicyStatement]:
    """Statements to register and scale the variants of one endpoint.

    Those who scale an endpoint also describe it, which is not part of them.

    Args:
        scope: Construct of the statements.
        endpoint: Name of the endpoint.
        remembers: Whether targets are read, to deregister and register them unchanged.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html

    """
    targets = arn(scope, "application-autoscaling", "scalable-target", "*")
    service = {"StringEquals": {"application-autoscaling:service-namespace": "sagemaker"}}
    own = arn(scope, "sagemaker", "endpoint", endpoint)
    tracking = colon_arn(scope, "cloudwatch", "alarm", f"TargetTracking-endpoint/{endpoint}/*")
    linked = (
        f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:role/aws-service-role/{_LINKED_ROLE}/"
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    )
    return [
        allow(_SCALING, [targets], service),
        allow(_DESCRIBE_SCALING if remembers else _DESCRIBE_SCALING[:1], ["*"]),
        # Application Auto Scaling requires these permissions of the caller.
        allow(["sagemaker:UpdateEndpointWeightsAndCapacities"], [own]),
        allow(["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"], [tracking]),
        allow(["iam:CreateServiceLinkedRole"], [linked],
              {"StringEquals": {"iam:AWSServiceName": _LINKED_ROLE}}),
    ]  # fmt: skip


def alarm_statements(scope: Construct, endpoint: str) -> list[iam.PolicyStatement]:
    """Statements for alarms of the step policies of an endpoint's variants."""
    alarms = colon_arn(scope, "cloudwatch", "alarm", scaling_alarms(endpoint))
    return [alarm_statement(), allow(["cloudwatch:PutMetricAlarm"], [alarms])]


def scaling_alarms(endpoint: str) -> str:
    """IAM pattern of the names of an endpoint's step alarms: not of ``<endpoint>-scaling-b``."""
    return f"{endpoint}-scaling-?-?"


def endpoint_parts(endpoint: str) -> str:
    """IAM pattern of the names of an endpoint's models and configurations."""
    return f"{_stem(endpoint)}-{'?' * _DIGEST}"


def _stem(endpoint: str) -> str:
    """What the names of an endpoint's models and configurations begin with.

    It equals ``endpoint_prefix`` of the functions. The names of different endpoints differ: a
    long one is cut, and identified by its digest.
    """
    if not known(endpoint) or len(endpoint) <= _LONGEST_STEM:
        return endpoint
    digest = hashlib.sha256(endpoint.encode()).hexdigest()[:_DIGEST_OF_LONG]
    return f"{endpoint[: _LONGEST_STEM - _DIGEST_OF_LONG - 1].rstrip('-')}-{digest}"
