"""Amazon DynamoDB, AWS Secrets Manager, Systems Manager's parameters and Amazon ECR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    Permission,
    Rule,
    arns_at,
    arns_named,
    fixed,
    on,
    values,
)
from sageloop.local_cloud.access.policy.authorization.service import ServiceRules

_READS = {
    "dynamodb:Select": "Select",
    "dynamodb:ReturnConsumedCapacity": "ReturnConsumedCapacity",
    "dynamodb:ReturnValues": "ReturnValues",
}


def _table(call: ApiCall, name: str) -> str:
    return name if name.startswith("arn:") else call.arn("dynamodb", f"table/{name}")


def _table_or_index(call: ApiCall) -> list[str]:
    table, index = _table(call, call.text("TableName")), call.text("IndexName")
    return [f"{table}/index/{index}" if index else table]


def _batch(action: str) -> Rule:
    def rule(call: ApiCall) -> list[Permission]:
        context = values(call, _READS)
        tables = call.get("RequestItems") or {}
        return [Permission(f"dynamodb:{action}", _table(call, name), context) for name in tables]

    return rule


_TRANSACTIONAL = {
    "Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}  # fmt: skip


def _transaction(call: ApiCall) -> list[Permission]:
    """A transaction requires the permissions of each of its parts."""
    permissions: dict[tuple[str, str], Permission] = {}
    for item in call.get("TransactItems") or []:
        for kind, request in item.items():
            permission = _part(call, kind, request)
            permissions[permission.action, permission.resource] = permission
    return list(permissions.values())


def _part(call: ApiCall, kind: str, request: Mapping[str, Any]) -> Permission:
    return Permission(f"dynamodb:{_TRANSACTIONAL[kind]}", _table(call, request["TableName"]))


_ON_TABLES = (
    "CreateBackup", "CreateTable", "DeleteItem", "DeleteTable", "DescribeContinuousBackups",
    "DescribeContributorInsights", "DescribeKinesisStreamingDestination", "DescribeTable",
    "DescribeTimeToLive", "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination", "GetItem", "PutItem", "UpdateContinuousBackups",
    "UpdateContributorInsights", "UpdateItem", "UpdateKinesisStreamingDestination", "UpdateTable",
    "UpdateTimeToLive",
)  # fmt: skip

DYNAMODB = ServiceRules(
    model="dynamodb",
    prefix="dynamodb",
    rules={
        operation: on(arns_named("dynamodb", "table/", "TableName"), f"dynamodb:{operation}")
        for operation in _ON_TABLES
    }
    | {
        "Query": on(_table_or_index, "dynamodb:Query"),
        "Scan": on(_table_or_index, "dynamodb:Scan"),
        "BatchGetItem": _batch("BatchGetItem"),
        "BatchWriteItem": _batch("BatchWriteItem"),
        "TransactGetItems": _transaction,
        "TransactWriteItems": _transaction,
    }
    | {
        operation: on(arns_at("ResourceArn"), f"dynamodb:{operation}")
        for operation in ("DeleteResourcePolicy", "GetResourcePolicy", "ListTagsOfResource",
                          "PutResourcePolicy", "TagResource", "UntagResource")
    },
    placeholders={"BackupName": "BackupArn", "ExportName": "ExportArn", "ImportName": "ImportArn"},
    keys=_READS,
    tagging="dynamodb:TagResource",
)  # fmt: skip


def _stream_of_iterator(call: ApiCall) -> list[str]:
    # An iterator begins with the ARN of its stream; a malformed one belongs to none.
    stream = call.text("ShardIterator").partition("|")[0]
    return [stream if stream.startswith("arn:") else "*"]


STREAMS = ServiceRules(
    model="dynamodbstreams",
    prefix="dynamodb",
    rules={
        "DescribeStream": on(arns_at("StreamArn"), "dynamodb:DescribeStream"),
        "GetShardIterator": on(arns_at("StreamArn"), "dynamodb:GetShardIterator"),
        "GetRecords": on(_stream_of_iterator, "dynamodb:GetRecords"),
        "ListStreams": on(fixed("*"), "dynamodb:ListStreams"),
    },
)


def _secret(call: ApiCall) -> list[str]:
    name = call.text("SecretId || Name")
    if name.startswith("arn:"):
        return [name]
    arn = call.resolve("secretsmanager:secret", name)
    # The last six characters of the ARN are random.
    return [arn or call.arn("secretsmanager", f"secret:{name}-??????")]


_ON_SECRETS = (
    "CancelRotateSecret", "CreateSecret", "DeleteResourcePolicy", "DeleteSecret", "DescribeSecret",
    "GetResourcePolicy", "GetSecretValue", "ListSecretVersionIds", "PutResourcePolicy",
    "PutSecretValue", "RemoveRegionsFromReplication", "ReplicateSecretToRegions", "RestoreSecret",
    "RotateSecret", "StopReplicationToReplica", "TagResource", "UntagResource", "UpdateSecret",
    "UpdateSecretVersionStage", "ValidateResourcePolicy",
)  # fmt: skip

SECRETS = ServiceRules(
    model="secretsmanager",
    prefix="secretsmanager",
    rules={operation: on(_secret, f"secretsmanager:{operation}") for operation in _ON_SECRETS},
    keys={
        "secretsmanager:Name": "Name",
        "secretsmanager:SecretId": "SecretId",
        "secretsmanager:VersionId": "VersionId",
        "secretsmanager:VersionStage": "VersionStage",
        "secretsmanager:KmsKeyId": "KmsKeyId",
        "secretsmanager:Description": "Description",
        "secretsmanager:ForceDeleteWithoutRecovery": "ForceDeleteWithoutRecovery",
        "secretsmanager:RecoveryWindowInDays": "RecoveryWindowInDays",
    },
    tagging="secretsmanager:TagResource",
)


def _parameters(call: ApiCall) -> list[str]:
    names = call.get("Names") or [call.text("Name || Path") or "*"]
    return [
        name if name.startswith("arn:") else
        call.arn("ssm", f"parameter/{name.removeprefix('/').rstrip('/')}")
        for name in names
    ]  # fmt: skip


_ON_PARAMETERS = (
    "DeleteParameter", "DeleteParameters", "GetParameter", "GetParameterHistory", "GetParameters",
    "GetParametersByPath", "LabelParameterVersion", "PutParameter", "UnlabelParameterVersion",
)  # fmt: skip


def _tagged_parameter(call: ApiCall) -> list[str]:
    return [call.arn("ssm", f"parameter/{call.text('ResourceId').removeprefix('/')}")]


SSM = ServiceRules(
    model="ssm",
    prefix="ssm",
    rules={operation: on(_parameters, f"ssm:{operation}") for operation in _ON_PARAMETERS}
    | {
        operation: on(_tagged_parameter, f"ssm:{operation}")
        for operation in ("AddTagsToResource", "ListTagsForResource", "RemoveTagsFromResource")
    },
    keys={"ssm:Overwrite": "Overwrite", "ssm:Recursive": "Recursive"},
)

ECR = ServiceRules(
    model="ecr",
    prefix="ecr",
    rules={
        "DescribeRepositories": on(
            arns_named("ecr", "repository/", "repositoryNames"), "ecr:DescribeRepositories"
        ),
        "BatchGetRepositoryScanningConfiguration": on(
            arns_named("ecr", "repository/", "repositoryNames"),
            "ecr:BatchGetRepositoryScanningConfiguration",
        ),
    }
    | {
        operation: on(arns_at("resourceArn"), f"ecr:{operation}")
        for operation in ("ListTagsForResource", "TagResource", "UntagResource")
    },
    tagging="ecr:TagResource",
)
