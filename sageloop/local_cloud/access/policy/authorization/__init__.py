"""The permissions that API calls require, as one table for each service."""

from __future__ import annotations

from collections.abc import Mapping

from sageloop.local_cloud.access.policy.authorization import (
    data,
    deployment,
    identity,
    lambda_,
    messaging,
    monitoring,
    s3,
    sagemaker,
)
from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    Permission,
    UnmappedOperationError,
)
from sageloop.local_cloud.access.policy.authorization.service import ServiceRules

SERVICES: Mapping[str, ServiceRules] = {
    rules.model: rules
    for rules in (
        s3.S3, s3.CONTROL, sagemaker.SAGEMAKER, sagemaker.RUNTIME, lambda_.LAMBDA,
        data.DYNAMODB, data.STREAMS, data.SECRETS, data.SSM, data.ECR,
        monitoring.CLOUDWATCH, monitoring.LOGS, messaging.SNS, messaging.SQS,
        messaging.EVENTS, messaging.SCHEDULER, identity.IAM, identity.STS, identity.KMS,
        deployment.CLOUDFORMATION, deployment.SCALING, deployment.EC2, deployment.RDS,
        deployment.EFS, deployment.BACKUP, deployment.GROUPS, deployment.QUOTAS,
        deployment.TAGGING,
    )
}  # fmt: skip
"""The tables by botocore's name of the service."""


def required_permissions(call: ApiCall) -> list[Permission]:
    """The permissions that an API call requires.

    Args:
        call: service, operation, parameters, region and account.

    Returns:
        Each action with its resource and condition keys; none for the few operations that AWS
        allows to every principal.

    Raises:
        UnmappedOperationError: the operation is in no table.

    Example:
        >>> params = {"Bucket": "data", "Key": "a", "VersionId": "v1"}
        >>> call = ApiCall(model="s3", operation="HeadObject", params=params, region="eu-west-1",
        ...                account="111122223333")
        >>> permission = required_permissions(call)[0]
        >>> permission.action, permission.resource, permission.context
        ('s3:GetObjectVersion', 'arn:aws:s3:::data/a', {'s3:VersionId': 'v1'})

    """
    rules = SERVICES.get(call.model)
    if rules is None:
        raise UnmappedOperationError(call.model, call.operation)
    return rules.permissions(call)


def filled_keys() -> frozenset[str]:
    """The condition keys of services that the local cloud fills, without the global keys."""
    return frozenset[str]().union(*(rules.filled_keys for rules in SERVICES.values()))


__all__ = [
    "SERVICES",
    "ApiCall",
    "Permission",
    "UnmappedOperationError",
    "filled_keys",
    "required_permissions",
]
