"""How resources are encrypted, from moto's state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sageloop.local_cloud.access.enforcement.resource_policies import s3_bucket


@dataclass(frozen=True, slots=True)
class BucketEncryption:
    """The default encryption of a bucket: algorithm, key, and whether a bucket key is used."""

    algorithm: str = "AES256"
    key: str | None = None
    bucket_key: bool = False


def bucket_encryption(account: str, partition: str, name: str) -> BucketEncryption:
    """The default encryption of a bucket."""
    bucket = s3_bucket(account, partition, name)
    if bucket is None or not bucket.encryption:
        return BucketEncryption()
    rule = bucket.encryption["Rule"]
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    return BucketEncryption(
        default.get("SSEAlgorithm", "AES256"), default.get("KMSMasterKeyID"),
        str(rule.get("BucketKeyEnabled", "")).lower() == "true",
    )  # fmt: skip


def multipart_upload(account: str, partition: str, bucket_name: str, upload_id: str) -> Any:
    """Moto's multipart upload, or ``None``."""
    bucket = s3_bucket(account, partition, bucket_name)
    if bucket is None or not upload_id:
        return None
    return bucket.multiparts.get(upload_id)


def s3_object(account: str, partition: str, bucket_name: str, key: str, version: str) -> Any:
    """Moto's object, or ``None``."""
    bucket = s3_bucket(account, partition, bucket_name)
    if bucket is None:
        return None
    if not version:
        return bucket.keys.get(key)
    return next((k for k in bucket.keys.getlist(key, []) if str(k.version_id) == version), None)


def topic_key(account: str, arn: str) -> str | None:
    """The key of a topic."""
    from moto.sns.models import sns_backends

    topic = sns_backends[account][_region(arn)].topics.get(arn)
    return None if topic is None else topic.kms_master_key_id or None


def queue_key(account: str, arn: str) -> str | None:
    """The key of a queue."""
    from moto.sqs.models import sqs_backends

    queue: Any = sqs_backends[account][_region(arn)].queues.get(arn.rpartition(":")[2])
    return None if queue is None else queue.kms_master_key_id or None


def table_key(account: str, region: str, name: str) -> str | None:
    """The customer managed key of a table, by its name or ARN."""
    from moto.dynamodb.models import dynamodb_backends

    table = dynamodb_backends[account][region].tables.get(name.rpartition("/")[2])
    sse = None if table is None else table.sse_specification
    return sse.get("KMSMasterKeyId") if sse and sse.get("Enabled") else None


def tables_of(params: Mapping[str, Any]) -> Iterator[str]:
    """The tables that a request names."""
    if "TableName" in params:
        yield params["TableName"]
    yield from params.get("RequestItems") or ()
    names = set()
    for item in params.get("TransactItems") or ():
        names |= {part["TableName"] for part in item.values() if "TableName" in part}
    yield from sorted(names)


def secret_key(account: str, region: str, name: str) -> str | None:
    """The key of a secret, by its name or ARN."""
    from moto.secretsmanager.models import secretsmanager_backends

    secrets: Any = secretsmanager_backends[account][region].secrets.values()
    return next((s.kms_key_id for s in secrets if name in (s.name, s.arn)), None)


def unquoted(path: str) -> str:
    """A percent-encoded path as text."""
    return unquote(path)


def _region(arn: str) -> str:
    fields = arn.split(":")
    return fields[3] if len(fields) > 3 else "us-east-1"
