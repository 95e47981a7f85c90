"""Amazon S3: "Required permissions for Amazon S3 API operations" in its User Guide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    Permission,
    Rule,
    all_of,
    fixed,
    on,
    values,
    when_set,
)
from sageloop.local_cloud.access.policy.authorization.service import ServiceRules


def _bucket(call: ApiCall) -> list[str]:
    return [_arn(call, call.text("Bucket"))]


def _object(call: ApiCall) -> list[str]:
    return [_arn(call, f"{call.text('Bucket')}/{call.text('Key')}")]


def _arn(call: ApiCall, path: str) -> str:
    if path.startswith("arn:"):
        return path
    return call.arn("s3", path, with_region=False, with_account=False)


def _versioned(name: str) -> Rule:
    """An action on an object, or on a version if the call names one."""
    verb, rest = name.partition("Object")[::2]
    return on(
        _object,
        lambda call: f"s3:{verb}Object{'Version' if call.get('VersionId') else ''}{rest}",
    )


def copy_source(call: ApiCall) -> tuple[str, str]:
    """Bucket with key, and version, of the source of a copy."""
    source = call.get("CopySource")
    if isinstance(source, Mapping):
        return f"{source['Bucket']}/{source['Key']}", str(source.get("VersionId") or "")
    path, _, query = str(source or "").partition("?")
    return unquote(path.removeprefix("/")), dict(parse_qsl(query)).get("versionId", "")


def _read_source(call: ApiCall) -> list[Permission]:
    path, version = copy_source(call)
    action = "s3:GetObjectVersion" if version else "s3:GetObject"
    return [Permission(action, _arn(call, path), {"s3:VersionId": version} if version else {})]


def _write(action: str) -> Rule:
    """Writing an object: headers are condition keys, and some require further actions."""

    def write(call: ApiCall) -> list[Permission]:
        context = values(call, _WRITE_KEYS) | object_tags(call)
        if call.get("CopySource"):
            context["s3:x-amz-copy-source"] = copy_source(call)[0]
        return [Permission(action, resource, context) for resource in _object(call)]

    return all_of(
        write,
        when_set("ACL || GrantRead || GrantFullControl || GrantReadACP || GrantWriteACP",
              on(_object, "s3:PutObjectAcl", _ACL_KEYS)),
        when_set("Tagging", _tagged),
        when_set("ObjectLockMode", on(_object, "s3:PutObjectRetention")),
        when_set("ObjectLockLegalHoldStatus", on(_object, "s3:PutObjectLegalHold")),
    )  # fmt: skip


def _tagged(call: ApiCall) -> list[Permission]:
    return [Permission("s3:PutObjectTagging", one_, object_tags(call)) for one_ in _object(call)]


def object_tags(call: ApiCall) -> dict[str, Any]:
    """``s3:RequestObjectTag/…`` and ``s3:RequestObjectTagKeys`` of a call."""
    tagging = call.get("Tagging")
    if isinstance(tagging, Mapping):
        pairs = {tag["Key"]: tag.get("Value", "") for tag in tagging.get("TagSet", ())}
    else:
        pairs = dict(parse_qsl(tagging or "", keep_blank_values=True))
    if not pairs:
        return {}
    tags = {f"s3:RequestObjectTag/{key}": value for key, value in pairs.items()}
    return tags | {"s3:RequestObjectTagKeys": list(pairs)}


def _put_tagging(call: ApiCall) -> list[Permission]:
    action = "s3:PutObjectVersionTagging" if call.get("VersionId") else "s3:PutObjectTagging"
    return [Permission(action, resource, object_tags(call)) for resource in _object(call)]


def _delete_several(call: ApiCall) -> list[Permission]:
    permissions = []
    for each in call.get("Delete.Objects") or []:
        version = each.get("VersionId")
        action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
        context = {"s3:VersionId": version} if version else {}
        permissions.append(
            Permission(action, _arn(call, f"{call.text('Bucket')}/{each['Key']}"), context)
        )
    return permissions


def _max_keys(call: ApiCall) -> int:
    # The key is always present: S3 lists 1,000 objects by default.
    value = call.get("MaxKeys")
    return 1000 if value is None else int(value)


def _list(action: str) -> Rule:
    def rule(call: ApiCall) -> list[Permission]:
        context = values(call, {"s3:delimiter": "Delimiter"})
        prefix = call.get("Prefix")
        if prefix is not None:
            context["s3:prefix"] = prefix
        context["s3:max-keys"] = _max_keys(call)
        return [Permission(action, resource, context) for resource in _bucket(call)]

    return rule


_ACL_KEYS = {
    "s3:x-amz-acl": "ACL",
    "s3:x-amz-grant-full-control": "GrantFullControl",
    "s3:x-amz-grant-read": "GrantRead",
    "s3:x-amz-grant-read-acp": "GrantReadACP",
    "s3:x-amz-grant-write": "GrantWrite",
    "s3:x-amz-grant-write-acp": "GrantWriteACP",
}
_WRITE_KEYS = _ACL_KEYS | {
    "s3:x-amz-server-side-encryption": "ServerSideEncryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "s3:x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "s3:x-amz-storage-class": "StorageClass",
    "s3:x-amz-metadata-directive": "MetadataDirective",
    "s3:x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "s3:object-lock-mode": "ObjectLockMode",
    "s3:object-lock-legal-hold": "ObjectLockLegalHoldStatus",
    "s3:object-lock-retain-until-date": "ObjectLockRetainUntilDate",
    "s3:if-none-match": "IfNoneMatch",
    "s3:if-match": "IfMatch",
}

_OF_OBJECTS: dict[str, Rule] = {
    "GetObject": _versioned("GetObject"),
    "HeadObject": _versioned("GetObject"),
    "SelectObjectContent": on(_object, "s3:GetObject"),
    "GetObjectTorrent": on(_object, "s3:GetObjectTorrent"),
    "GetObjectAttributes": all_of(_versioned("GetObject"), _versioned("GetObjectAttributes")),
    "GetObjectAcl": _versioned("GetObjectAcl"),
    "PutObjectAcl": on(
        _object,
        lambda call: f"s3:PutObject{'Version' if call.get('VersionId') else ''}Acl",
        _ACL_KEYS,
    ),
    "GetObjectTagging": _versioned("GetObjectTagging"),
    "PutObjectTagging": _put_tagging,
    "DeleteObjectTagging": _versioned("DeleteObjectTagging"),
    "DeleteObject": _versioned("DeleteObject"),
    "DeleteObjects": _delete_several,
    "PutObject": _write("s3:PutObject"),
    "CreateMultipartUpload": _write("s3:PutObject"),
    "UploadPart": on(_object, "s3:PutObject"),
    "CompleteMultipartUpload": on(_object, "s3:PutObject"),
    "AbortMultipartUpload": on(_object, "s3:AbortMultipartUpload"),
    "ListParts": on(_object, "s3:ListMultipartUploadParts"),
    "CopyObject": all_of(_read_source, _write("s3:PutObject")),
    "UploadPartCopy": all_of(_read_source, _write("s3:PutObject")),
    "RestoreObject": on(_object, "s3:RestoreObject"),
    "GetObjectRetention": on(_object, "s3:GetObjectRetention"),
    "PutObjectRetention": on(_object, "s3:PutObjectRetention"),
    "GetObjectLegalHold": on(_object, "s3:GetObjectLegalHold"),
    "PutObjectLegalHold": on(_object, "s3:PutObjectLegalHold"),
}
_OF_LISTS: dict[str, Rule] = {
    "ListBuckets": on(fixed("arn:aws:s3:::*"), "s3:ListAllMyBuckets"),
    "ListDirectoryBuckets": on(fixed("*"), "s3express:ListAllMyDirectoryBuckets"),
    "ListObjects": _list("s3:ListBucket"),
    "ListObjectsV2": _list("s3:ListBucket"),
    "HeadBucket": on(_bucket, "s3:ListBucket"),
    "ListObjectVersions": _list("s3:ListBucketVersions"),
    "ListMultipartUploads": on(_bucket, "s3:ListBucketMultipartUploads",
                               {"s3:prefix": "Prefix", "s3:delimiter": "Delimiter"}),
}  # fmt: skip

# Operations on a bucket whose action has another name; the others are derived.
_OTHER_NAMES = {
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "GetBucketAnalyticsConfiguration": "GetAnalyticsConfiguration",
    "ListBucketAnalyticsConfigurations": "GetAnalyticsConfiguration",
    "PutBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "DeleteBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "PutBucketCors": "PutBucketCORS",
    "DeleteBucketCors": "PutBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
    "ListBucketIntelligentTieringConfigurations": "GetIntelligentTieringConfiguration",
    "PutBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "DeleteBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "DeleteBucketInventoryConfiguration": "PutInventoryConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "ListBucketMetricsConfigurations": "GetMetricsConfiguration",
    "PutBucketMetricsConfiguration": "PutMetricsConfiguration",
    "DeleteBucketMetricsConfiguration": "PutMetricsConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "GetBucketReplication": "GetReplicationConfiguration",
    "PutBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
}
_CREATE = all_of(
    on(_bucket, "s3:CreateBucket",
       _ACL_KEYS | {"s3:locationconstraint": "CreateBucketConfiguration.LocationConstraint"}),
    when_set("ACL || GrantRead || GrantFullControl || GrantWrite", on(_bucket, "s3:PutBucketAcl")),
    when_set("ObjectLockEnabledForBucket", on(_bucket, "s3:PutBucketObjectLockConfiguration")),
    when_set("ObjectOwnership", on(_bucket, "s3:PutBucketOwnershipControls")),
)  # fmt: skip

S3 = ServiceRules(
    model="s3",
    prefix="s3",
    rules=_OF_OBJECTS
    | _OF_LISTS
    | {operation: on(_bucket, f"s3:{action}") for operation, action in _OTHER_NAMES.items()}
    | {"CreateBucket": _CREATE},
    placeholders={"BucketName": "Bucket", "ObjectName": "Key"},
    keys={"s3:VersionId": "VersionId"},
    state_keys=frozenset(
        {
            *_WRITE_KEYS, "s3:prefix", "s3:delimiter", "s3:max-keys", "s3:x-amz-copy-source",
            "s3:RequestObjectTag/<key>", "s3:RequestObjectTagKeys", "s3:ExistingObjectTag/<key>",
            "s3:locationconstraint", "s3:ResourceAccount", "s3:TlsVersion", "s3:authType",
            "s3:signatureversion", "s3:x-amz-content-sha256",
        }
    ),
)  # fmt: skip

# Access points and the account's block of public access.
CONTROL = ServiceRules(
    model="s3control",
    prefix="s3",
    rules={
        "GetPublicAccessBlock": on(fixed("*"), "s3:GetAccountPublicAccessBlock"),
        "PutPublicAccessBlock": on(fixed("*"), "s3:PutAccountPublicAccessBlock"),
        "DeletePublicAccessBlock": on(fixed("*"), "s3:PutAccountPublicAccessBlock"),
    },
    placeholders={"AccessPointName": "Name"},
)
