"""Every operation that the local cloud serves is in a table of permissions or listed as missing."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from sageloop.local_cloud.access.policy import reference
from sageloop.local_cloud.access.policy.authorization import (
    SERVICES,
    ApiCall,
    UnmappedOperationError,
    required_permissions,
)
from sageloop.local_cloud.access.policy.authorization.missing import MISSING
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.naming import services_of_moto
from sageloop.local_cloud.services import own_services

ACCOUNT = "111122223333"
SESSION = botocore.session.Session()
# Services whose name in the front end differs from botocore's, and whose moto module differs.
MODELS = {"elasticfilesystem": "efs", "tagging": "resourcegroupstaggingapi"}
MODULES = {"resource-groups": "resourcegroups"}
# Operations of S3's model that moto's server does not have.
NOT_SERVED = {"s3": {
    "CreateBucketMetadataConfiguration", "CreateSession", "DeleteBucketMetadataConfiguration",
    "DeleteObjectAnnotation", "GetBucketAbac", "GetBucketMetadataConfiguration",
    "GetObjectAnnotation", "ListObjectAnnotations", "PutBucketAbac", "PutObjectAnnotation",
    "RenameObject", "UpdateBucketMetadataAnnotationTableConfiguration",
    "UpdateBucketMetadataInventoryTableConfiguration",
    "UpdateBucketMetadataJournalTableConfiguration", "UpdateObjectEncryption",
    "WriteGetObjectResponse",
}}  # fmt: skip

ROLE = f"arn:aws:iam::{ACCOUNT}:role/R"
SAMPLES = {
    "Path": "/p/", "AliasName": "alias/a", "RoleArn": ROLE, "RoleARN": ROLE, "Role": ROLE,
    "ExecutionRoleArn": ROLE, "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/P",
    "PolicySourceArn": ROLE,
    "StreamArn": f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/t/stream/s",
    "ShardIterator": f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/t/stream/s|1|a",
    "TopicArn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:t",
    "TargetArn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:t", "CopySource": "source/key",
    "SourceArn": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q",
    "QueueUrl": f"http://localhost/{ACCOUNT}/q",
    "Layers": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:layer:l:1",
    "Arn": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:layer:l:1",
}  # fmt: skip
TAGGED = {
    "sagemaker": "model/m", "lambda": "function:f", "dynamodb": "table/t", "ecr": "repository/r",
    "cloudwatch": "alarm:a", "logs": "log-group:g", "events": "rule/r", "ssm": "parameter/p",
    "scheduler": "schedule-group/g", "sns": "t", "application-autoscaling": "scalable-target/x",
}  # fmt: skip


def served() -> dict[str, set[str]]:
    """The operations of each service by botocore's names."""
    cloud = Cloud(CloudConfig())
    try:
        result = {service.model: set(service.operations) for service in own_services(cloud)}
    finally:
        cloud.stop()
    for name in services_of_moto():
        model = MODELS.get(name, name)
        result[model] = set(operations_of_moto(model)) - NOT_SERVED.get(model, set())
    return result


def operations_of_moto(model: str) -> Iterator[str]:
    module = importlib.import_module(f"moto.{MODULES.get(model, model)}.responses")
    methods = {n for c in vars(module).values() if isinstance(c, type) for n in dir(c)}
    for operation in SESSION.get_service_model(model).operation_names:
        # Moto's S3 finds its methods by paths; all operations of its model count as served.
        if model == "s3" or xform_name(operation) in methods or operation in methods:
            yield operation


def sample(shape: Any, name: str, model: str, depth: int = 0) -> Any:
    """A value for a shape, with every member that it can have."""
    if name.lower() in ("resourcearn", "resource") and model in TAGGED:
        return f"arn:aws:{model}:eu-west-1:{ACCOUNT}:{TAGGED[model]}"
    if shape.type_name == "structure":
        members = shape.members.items() if depth < 6 else ()
        return {key: sample(member, key, model, depth + 1) for key, member in members}
    if shape.type_name == "list":
        return [sample(shape.member, name, model, depth + 1)] if depth < 7 else []
    if shape.type_name == "map":
        return {"key": sample(shape.value, name, model, depth + 1)}
    if shape.type_name == "string":
        return SAMPLES.get(name, (shape.enum or ["Name-1"])[0])
    return {"boolean": True, "blob": b"x", "timestamp": "2026-01-01"}.get(shape.type_name, 1)


def call(model: str, operation: str) -> ApiCall:
    shape = SESSION.get_service_model(model).operation_model(operation).input_shape
    params = sample(shape, "", model) if shape else {}
    return ApiCall(model=model, operation=operation, params=params, region="eu-west-1",
                   account=ACCOUNT)  # fmt: skip


@pytest.fixture(scope="module")
def operations() -> dict[str, set[str]]:
    return served()


@pytest.mark.slow
def test_every_service_that_is_served_has_a_table(operations: dict[str, set[str]]) -> None:
    assert set(operations) - set(SERVICES) == set()


@pytest.mark.slow
def test_every_operation_that_is_served_is_in_a_table_or_listed_as_missing(
    operations: dict[str, set[str]],
) -> None:
    unmapped: dict[str, set[str]] = {}
    for model, names in operations.items():
        for name in names:
            try:
                required_permissions(call(model, name))
            except UnmappedOperationError:
                unmapped.setdefault(model, set()).add(name)
    assert unmapped == {model: set(names) for model, names in MISSING.items()}


# Permissions that AWS requires and its reference does not list: see the tables' comments.
BEYOND_THE_REFERENCE = {
    "logs:DescribeLogGroups", "sts:GetFederationToken", "sts:TagSession",
    "sagemaker:DeleteTrainingJob", "sagemaker:DeleteProcessingJob",
    "s3express:ListAllMyDirectoryBuckets",
    # Resource types that the reference does not list for the action.
    "sagemaker:AddTags",
}  # fmt: skip


@pytest.mark.slow
def test_needs_are_actions_on_resources_that_the_reference_has(
    operations: dict[str, set[str]],
) -> None:
    wrong = []
    for model, names in operations.items():
        for name in names - MISSING.get(model, frozenset()):
            for permission in required_permissions(call(model, name)):
                if permission.action in BEYOND_THE_REFERENCE:
                    continue
                known = reference.action(permission.action) is not None
                if not known or not reference.resource_can_match(
                    permission.action, permission.resource
                ):
                    wrong.append(f"{model}:{name} {permission.action} {permission.resource}")
    assert wrong == []
