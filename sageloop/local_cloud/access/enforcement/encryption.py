"""The permissions on KMS keys that a call requires because a service encrypts with them.

The service calls KMS with the rights of its caller, through its own endpoint
(``kms:ViaService``). AWS managed keys (``aws/s3``) admit every caller of their account and require
nothing.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.access.enforcement import moto_resources
from sageloop.local_cloud.access.enforcement.requirements import Requirement
from sageloop.local_cloud.access.policy.authorization import ApiCall, Permission
from sageloop.local_cloud.access.policy.authorization.s3 import copy_source
from sageloop.local_cloud.access.policy.authorization.sagemaker import VOLUME_KEY
from sageloop.local_cloud.core.errors import AwsError

_MANAGED = "alias/aws/"
_KMS = ("aws:kms", "aws:kms:dsse")
# What DynamoDB requires of who selects a key for a table, and CloudWatch Logs of a key policy.
_ALL_USE = (
    "Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "DescribeKey",
)  # fmt: skip

_Rule = Callable[[ApiCall], Iterable[Requirement]]


@dataclass(frozen=True, slots=True)
class _BucketEncryption:
    """The default encryption of a bucket: algorithm, key, and whether a bucket key is used."""

    algorithm: str = "AES256"
    key: str | None = None
    bucket_key: bool = False


def requirements(call: ApiCall) -> Iterable[Requirement]:
    """What a call requires of the keys behind its resources."""
    rule = _RULES.get((call.model, call.operation))
    return () if rule is None else rule(call)


def _uses(
    call: ApiCall, key: str | None, actions: Iterable[str], context: Mapping[str, str]
) -> list[Requirement]:
    """Actions on a key, through the service of a call, with an encryption context."""
    arn = _customer_key(call, key)
    if arn is None:
        return []
    service = {"dynamodbstreams": "dynamodb"}.get(call.model, call.model)
    keys: dict[str, Any] = {
        "kms:ViaService": f"{service}.{call.region}.amazonaws.com",
        "kms:CallerAccount": call.account,
        "aws:ViaAWSService": "true",
        "aws:CalledVia": [f"{service}.amazonaws.com"],
        "kms:EncryptionContextKeys": list(context),
        **{f"kms:EncryptionContext:{name}": value for name, value in context.items()},
    }
    return [Requirement(Permission(f"kms:{action}", arn, keys)) for action in actions]


def _customer_key(call: ApiCall, key: str | None) -> str | None:
    """The ARN of a customer managed key by its ARN, id or alias; ``None`` for AWS's own."""
    if not key or _MANAGED in key:
        return None
    arn = call.resolve("kms:key", key)
    return arn or (key if key.startswith("arn:") else call.arn("kms", f"key/{key}"))


def _s3_write(*actions: str) -> _Rule:
    def rule(call: ApiCall) -> list[Requirement]:
        key, bucket_key = _key_of_upload(call)
        return _uses(call, key, actions, _object_context(call, bucket_key=bucket_key))

    return rule


def _key_of_upload(call: ApiCall) -> tuple[str | None, bool]:
    """The key that encrypts an upload, and whether a bucket key is used."""
    default = _bucket_encryption(call)
    upload = moto_resources.multipart_upload(
        call.account, call.partition, call.text("Bucket"), call.text("UploadId")
    )
    algorithm = call.text("ServerSideEncryption")
    if upload is not None:
        algorithm, key = str(upload.sse_encryption or ""), upload.kms_key_id
    else:
        key = call.text("SSEKMSKeyId") or None
    if not algorithm and not key:
        return default.key if default.algorithm in _KMS else None, default.bucket_key
    enabled = call.text("BucketKeyEnabled").lower() == "true"
    return key if algorithm in _KMS or key else None, enabled


def _bucket_encryption(call: ApiCall) -> _BucketEncryption:
    bucket = moto_resources.bucket(call.account, call.partition, call.text("Bucket"))
    if bucket is None or not bucket.encryption:
        return _BucketEncryption()
    rule = bucket.encryption["Rule"]
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    return _BucketEncryption(
        default.get("SSEAlgorithm", "AES256"), default.get("KMSMasterKeyID"),
        str(rule.get("BucketKeyEnabled", "")).lower() == "true",
    )  # fmt: skip


def _object_context(call: ApiCall, *, bucket_key: bool) -> dict[str, str]:
    bucket, key = call.text("Bucket"), call.text("Key")
    path = bucket if bucket_key else f"{bucket}/{key}"
    return {"aws:s3:arn": call.arn("s3", path, with_region=False, with_account=False)}


def _s3_read(call: ApiCall) -> list[Requirement]:
    return _reads(call, f"{call.text('Bucket')}/{call.text('Key')}", call.text("VersionId"))


def _reads(call: ApiCall, path: str, version: str) -> list[Requirement]:
    stored = moto_resources.s3_object(call.account, call.partition, path, version)
    if stored is None or stored.encryption not in _KMS:
        return []
    if stored.bucket_key_enabled:
        path = path.partition("/")[0]
    arn = call.arn("s3", path, with_region=False, with_account=False)
    return _uses(call, stored.kms_key_id, ["Decrypt"], {"aws:s3:arn": arn})


def _s3_copy(call: ApiCall) -> list[Requirement]:
    return [*_reads(call, *copy_source(call)), *_s3_write("GenerateDataKey")(call)]


def _s3_part_copy(call: ApiCall) -> list[Requirement]:
    return [*_reads(call, *copy_source(call)), *_s3_write("GenerateDataKey", "Decrypt")(call)]


def _topic(call: ApiCall) -> list[Requirement]:
    arn = call.text("TopicArn || TargetArn")
    topic = moto_resources.topic(call.account, arn) if arn else None
    key = None if topic is None else topic.kms_master_key_id
    return _uses(call, key, ["GenerateDataKey", "Decrypt"], {"aws:sns:topicArn": arn})


def _queue(*actions: str) -> _Rule:
    def rule(call: ApiCall) -> list[Requirement]:
        name = call.text("QueueUrl").rstrip("/").rpartition("/")[2]
        arn = call.arn("sqs", name)
        queue = moto_resources.queue(call.account, arn)
        key = None if queue is None else queue.kms_master_key_id
        return _uses(call, key, actions, {"aws:sqs:arn": arn})

    return rule


def _table(call: ApiCall) -> list[Requirement]:
    requirements_of_tables: list[Requirement] = []
    for name in _tables_of(call.params):
        table = moto_resources.table(call.account, call.region, name.rpartition("/")[2])
        sse = None if table is None else table.sse_specification
        key = sse.get("KMSMasterKeyId") if sse and sse.get("Enabled") else None
        requirements_of_tables += _uses(call, key, ["Decrypt"], _table_context(call, name))
    return requirements_of_tables


def _tables_of(params: Mapping[str, Any]) -> Iterator[str]:
    """The tables that a request names."""
    if "TableName" in params:
        yield params["TableName"]
    yield from params.get("RequestItems") or ()
    names = set()
    for item in params.get("TransactItems") or ():
        names |= {part["TableName"] for part in item.values() if "TableName" in part}
    yield from sorted(names)


def _table_context(call: ApiCall, name: str) -> dict[str, str]:
    return {"aws:dynamodb:tableName": name, "aws:dynamodb:subscriberId": call.account}


def _new_table(call: ApiCall) -> list[Requirement]:
    key, name = call.text("SSESpecification.KMSMasterKeyId"), call.text("TableName")
    used = _uses(call, key, _ALL_USE, _table_context(call, name))
    return used + _grants(call, key)


def _grants(call: ApiCall, key: str | None) -> list[Requirement]:
    """The grant that a service creates for itself with its caller's rights."""
    creations = _uses(call, key, ["CreateGrant"], {})
    return [
        Requirement(Permission(
            one.permission.action, one.permission.resource,
            {**one.permission.context, "kms:GrantIsForAWSResource": "true"},
        ))
        for one in creations
    ]  # fmt: skip


def _secret(*actions: str) -> _Rule:
    def rule(call: ApiCall) -> list[Requirement]:
        name = call.text("SecretId || Name")
        secret = moto_resources.secret(call.account, call.region, name)
        key = call.text("KmsKeyId") or (None if secret is None else secret.kms_key_id)
        arn = "" if secret is None else str(secret.arn)
        return _uses(call, key, actions, {"SecretARN": arn})

    return rule


def _log_group(call: ApiCall) -> list[Requirement]:
    """The log service uses the key in its own name, for one log group."""
    key = _customer_key(call, call.text("kmsKeyId"))
    if key is None:
        return []
    name = call.text("logGroupName || resourceIdentifier")
    arn = name if name.startswith("arn:") else call.arn("logs", f"log-group:{name}")
    keys = {"kms:EncryptionContext:aws:logs:arn": arn, "kms:CallerAccount": call.account}
    refusal = AwsError(
        "InvalidParameterException",
        f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'",
    )
    suffix = ".cn" if call.partition == "aws-cn" else ""
    principal = f"logs.{call.region}.amazonaws.com{suffix}"
    return [
        Requirement(Permission(f"kms:{action}", key, keys), principal=principal, refusal=refusal)
        for action in _ALL_USE
    ]


def _function(call: ApiCall) -> list[Requirement]:
    key = call.text("KMSKeyArn")
    context = {
        "aws:lambda:FunctionArn": call.arn("lambda", f"function:{call.text('FunctionName')}")
    }
    return _uses(call, key, ["Encrypt"], context) + _grants(call, key)


def _volume(call: ApiCall) -> list[Requirement]:
    """SageMaker creates a grant for the volumes with the rights of the execution role."""
    role = call.text("RoleArn || TrainingJobDefinition.RoleArn")
    key = call.text(VOLUME_KEY)
    return [
        Requirement(one.permission, principal=role, refusal=_no_grant(role, one.permission))
        for one in (_grants(call, key) if role else ())
    ]


def _no_grant(role: str, permission: Permission) -> AwsError:
    # AWS's text is not documented; a person must learn role, action and key.
    return AwsError(
        "ValidationException",
        f"The execution role {role} is not authorized to perform {permission.action} on the key "
        f"{permission.resource} for an AWS resource (kms:GrantIsForAWSResource is true)",
    )


_DATA_OPERATIONS = (
    "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem",
    "BatchWriteItem", "TransactGetItems", "TransactWriteItems",
)  # fmt: skip
_RULES: Mapping[tuple[str, str], _Rule] = {
    ("s3", "PutObject"): _s3_write("GenerateDataKey"),
    ("s3", "CreateMultipartUpload"): _s3_write("GenerateDataKey"),
    ("s3", "UploadPart"): _s3_write("GenerateDataKey", "Decrypt"),
    ("s3", "CompleteMultipartUpload"): _s3_write("Decrypt"),
    ("s3", "GetObject"): _s3_read,
    ("s3", "CopyObject"): _s3_copy,
    ("s3", "UploadPartCopy"): _s3_part_copy,
    ("sns", "Publish"): _topic,
    ("sns", "PublishBatch"): _topic,
    ("sqs", "SendMessage"): _queue("GenerateDataKey", "Decrypt"),
    ("sqs", "SendMessageBatch"): _queue("GenerateDataKey", "Decrypt"),
    ("sqs", "ReceiveMessage"): _queue("Decrypt"),
    **{("dynamodb", operation): _table for operation in _DATA_OPERATIONS},
    ("dynamodb", "CreateTable"): _new_table,
    ("dynamodb", "UpdateTable"): _new_table,
    ("secretsmanager", "GetSecretValue"): _secret("Decrypt"),
    ("secretsmanager", "CreateSecret"): _secret("GenerateDataKey", "Decrypt"),
    ("secretsmanager", "PutSecretValue"): _secret("GenerateDataKey", "Decrypt"),
    ("logs", "CreateLogGroup"): _log_group,
    ("logs", "AssociateKmsKey"): _log_group,
    ("lambda", "CreateFunction"): _function,
    ("lambda", "UpdateFunctionConfiguration"): _function,
    ("sagemaker", "CreateTrainingJob"): _volume,
    ("sagemaker", "CreateProcessingJob"): _volume,
    ("sagemaker", "CreateHyperParameterTuningJob"): _volume,
    ("sagemaker", "CreateNotebookInstance"): _volume,
}
