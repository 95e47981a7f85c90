"""Resources in moto's state, by their ARNs or names.

Policies, tags and encryption of a resource are read from the same object.
"""

from __future__ import annotations

from typing import Any


def moto_backend(backends: Any, account: str, arn: str) -> Any:
    """Moto's backend of the region of an ARN."""
    return backends[account][arn.split(":")[3]]


def bucket(account: str, partition: str, path: str) -> Any:
    """Moto's bucket of a path (``bucket/key``), or ``None``."""
    from moto.s3.models import s3_backends

    return s3_backends[account][partition].buckets.get(path.partition("/")[0])


def s3_object(account: str, partition: str, path: str, version: str = "") -> Any:
    """Moto's object of a path (``bucket/key``), or ``None``; its current version by default."""
    owner, key = bucket(account, partition, path), path.partition("/")[2]
    if owner is None:
        return None
    if not version:
        return owner.keys.get(key)
    return next((k for k in owner.keys.getlist(key, []) if str(k.version_id) == version), None)


def multipart_upload(account: str, partition: str, path: str, upload_id: str) -> Any:
    """Moto's multipart upload to the bucket of a path, or ``None``."""
    owner = bucket(account, partition, path) if upload_id else None
    return None if owner is None else owner.multiparts.get(upload_id)


def key(account: str, arn: str) -> Any:
    """Moto's key with the ARN of a key or an alias, or ``None``."""
    from moto.kms.models import kms_backends

    if arn.count(":") < 5:
        return None
    keys = moto_backend(kms_backends, account, arn)
    resource = arn.split(":", 5)[5]
    key_id = resource.removeprefix("key/")
    if resource.startswith("alias/"):
        key_id = keys.get_key_id_from_alias(resource) or ""
    return keys.keys.get(key_id)


def topic(account: str, arn: str) -> Any:
    """Moto's topic with an ARN, or ``None``."""
    from moto.sns.models import sns_backends

    return moto_backend(sns_backends, account, arn).topics.get(arn)


def queue(account: str, arn: str) -> Any:
    """Moto's queue with an ARN, or ``None``."""
    from moto.sqs.models import sqs_backends

    return moto_backend(sqs_backends, account, arn).queues.get(arn.rpartition(":")[2])


def table(account: str, region: str, name: str) -> Any:
    """Moto's table with a name, or ``None``."""
    from moto.dynamodb.models import dynamodb_backends

    return dynamodb_backends[account][region].tables.get(name)


def secret(account: str, region: str, name: str) -> Any:
    """Moto's secret with a name or ARN, or ``None``."""
    from moto.secretsmanager.models import secretsmanager_backends

    secrets: Any = secretsmanager_backends[account][region].secrets.values()
    return next((one for one in secrets if name in (one.name, one.arn)), None)
