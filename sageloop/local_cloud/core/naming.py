"""Service names: in signatures, in botocore and in moto."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from moto.utilities.utils import get_partition

# Services whose state moto keeps: botocore name and name of moto's backend.
_MOTO_PARTS = {
    "backup": "backup", "dynamodb": "dynamodb", "dynamodbstreams": "dynamodbstreams",
    "ec2": "ec2", "ecr": "ecr", "efs": "efs", "iam": "iam", "kms": "kms", "logs": "logs",
    "rds": "rds", "resource-groups": "resourcegroups",
    "resourcegroupstaggingapi": "resourcegroupstaggingapi", "s3": "s3", "s3control": "s3control",
    "secretsmanager": "secretsmanager", "sns": "sns", "sqs": "sqs", "ssm": "ssm", "sts": "sts",
}  # fmt: skip
_MODEL_OF_SIGNING_NAME = {
    "airflow": "mwaa", "cloudcontrolapi": "cloudcontrol", "elasticfilesystem": "efs",
    "elasticloadbalancing": "elbv2", "elasticmapreduce": "emr", "email": "ses", "es": "opensearch",
    "eventbridge": "events", "lex": "lexv2-runtime", "monitoring": "cloudwatch",
    "servicequotas": "service-quotas", "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
}  # fmt: skip
_S3_CONTROL = "/v20180820/"


def services_of_moto() -> list[str]:
    """Botocore names of the services whose state moto keeps."""
    return sorted(_MOTO_PARTS)


def moto_part(service: str) -> str | None:
    """Name of the moto backend that keeps a service's state; ``None`` if there is none."""
    return _MOTO_PARTS.get(service)


def model_of(signing_name: str, environ: Mapping[str, Any]) -> str:
    """The botocore name of the service that a request calls.

    A few services share a signing name; target or path distinguishes them.
    """
    if signing_name == "sagemaker" and "HTTP_X_AMZ_TARGET" not in environ:
        return "sagemaker-runtime"
    if signing_name == "s3" and environ.get("PATH_INFO", "").startswith(_S3_CONTROL):
        return "s3control"
    streams = environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDBStreams")
    if signing_name == "dynamodb" and streams:
        return "dynamodbstreams"
    return _MODEL_OF_SIGNING_NAME.get(signing_name, signing_name)


def action_prefix(model: str) -> str:
    """The prefix of a service's actions in policies and in the call record."""
    return {"sagemaker-runtime": "sagemaker", "s3control": "s3"}.get(model, model)


@cache
def partition_of(region: str) -> str:
    """The partition of a region, which its ARNs contain: ``aws``, ``aws-cn``, ``aws-us-gov`` ..."""
    return str(get_partition(region))


def regional_arn(service: str, region: str, account: str, resource: str) -> str:
    """The ARN of a resource of a region."""
    return f"arn:{partition_of(region)}:{service}:{region}:{account}:{resource}"
