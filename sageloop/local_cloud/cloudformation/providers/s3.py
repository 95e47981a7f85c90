"""Amazon S3: buckets and their policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.access.caller import INTERNAL
from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    Step,
    Update,
    setting,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.calls import error_code
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.s3_forms import (
    cors,
    encryption,
    lifecycle,
    logging,
    notification,
    object_lock,
    replication,
    website,
)
from sageloop.local_cloud.cloudformation.providers.tagging import desired_tags
from sageloop.local_cloud.cloudformation.scalars import is_true, scalar_text

_BUCKET = {"Bucket": "{id}"}
_ACLS = {
    "Private": "private", "PublicRead": "public-read", "PublicReadWrite": "public-read-write",
    "AuthenticatedRead": "authenticated-read", "LogDeliveryWrite": "log-delivery-write",
    "BucketOwnerRead": "bucket-owner-read", "AwsExecRead": "aws-exec-read",
    "BucketOwnerFullControl": "bucket-owner-full-control",
}  # fmt: skip


def _place(context: ProviderContext, params: dict[str, Any]) -> None:
    if context.request.region != "us-east-1":
        params["CreateBucketConfiguration"] = {"LocationConstraint": context.request.region}
    if "OwnershipControls" in context.properties:
        rules = context.properties["OwnershipControls"].get("Rules") or [{}]
        params["ObjectOwnership"] = rules[0].get("ObjectOwnership")


def _block_all(value: Mapping[str, Any]) -> dict[str, bool]:
    every = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    return {**{k: is_true(value.get(k)) for k in every}, **value}


def _put_tags(context: ProviderContext) -> None:
    tags = desired_tags(context)
    if tags:
        listed = [{"Key": k, "Value": v} for k, v in tags.items()]
        context.call("PutBucketTagging", Bucket=context.id, Tagging={"TagSet": listed})
    else:
        context.call("DeleteBucketTagging", Bucket=context.id)


def _put_inventories(context: ProviderContext) -> None:
    desired = {
        scalar_text(i["Id"]): i for i in context.properties.get("InventoryConfigurations") or ()
    }
    before = {scalar_text(i["Id"]) for i in context.previous.get("InventoryConfigurations") or ()}
    for name in sorted(before - desired.keys()):
        context.call("DeleteBucketInventoryConfiguration", Bucket=context.id, Id=name)
    for name, inventory in desired.items():
        form = {k: v for k, v in inventory.items() if k not in ("Enabled", "ScheduleFrequency")}
        destination = dict(inventory["Destination"])
        destination["Bucket"] = destination.pop("BucketArn")
        account = destination.pop("BucketAccountId", None)
        form |= {
            "Destination": {"S3BucketDestination": {**destination, "AccountId": account}},
            "IsEnabled": inventory.get("Enabled"),
            "Schedule": {"Frequency": inventory.get("ScheduleFrequency")},
        }
        context.call(
            "PutBucketInventoryConfiguration",
            Bucket=context.id, Id=name, InventoryConfiguration=form,
        )  # fmt: skip


def _log_access(context: ProviderContext) -> None:
    desired = context.properties.get("LoggingConfiguration")
    if desired is None:
        context.call("PutBucketLogging", Bucket=context.id, BucketLoggingStatus={})
        return
    status = logging({"DestinationBucketName": context.id, **desired})
    target = status["LoggingEnabled"]["TargetBucket"]
    try:
        context.call("PutBucketLogging", Bucket=context.id, BucketLoggingStatus=status)
    except ClientError as error:
        if error_code(error) != "InvalidTargetBucketForLogging" or not _exists(context, target):
            raise
        # S3 accepts a target whose bucket policy is created later in the stack; moto does not.
        acls = context.request.cloud.client("s3", principal=INTERNAL)
        acls.put_bucket_acl(Bucket=target, ACL="log-delivery-write")
        try:
            context.call("PutBucketLogging", Bucket=context.id, BucketLoggingStatus=status)
        finally:
            acls.put_bucket_acl(Bucket=target, ACL="private")


def _exists(context: ProviderContext, bucket: str) -> bool:
    listed = context.call("ListBuckets")["Buckets"]
    return any(each["Name"] == bucket for each in listed)


_STEPS = (
    setting(
        "OwnershipControls", "PutBucketOwnershipControls", to="OwnershipControls", on=_BUCKET,
        remove="DeleteBucketOwnershipControls",
    ),
    setting(
        "PublicAccessBlockConfiguration", "PutPublicAccessBlock", on=_BUCKET, of=_block_all,
        to="PublicAccessBlockConfiguration", remove="DeletePublicAccessBlock",
    ),
    setting("AccessControl", "PutBucketAcl", to="ACL", on=_BUCKET, reset="private",
            of=lambda value: _ACLS.get(value, value)),
    setting("VersioningConfiguration", "PutBucketVersioning", to="VersioningConfiguration",
            on=_BUCKET, reset={"Status": "Suspended"}),
    setting("BucketEncryption", "PutBucketEncryption", to="ServerSideEncryptionConfiguration",
            on=_BUCKET, of=encryption, remove="DeleteBucketEncryption"),
    setting("ObjectLockConfiguration", "PutObjectLockConfiguration", on=_BUCKET, of=object_lock,
            to="ObjectLockConfiguration", reset={"ObjectLockEnabled": "Enabled"}),
    setting("LifecycleConfiguration", "PutBucketLifecycleConfiguration", on=_BUCKET,
            to="LifecycleConfiguration", of=lifecycle, remove="DeleteBucketLifecycle"),
    Step(properties="LoggingConfiguration", apply=_log_access),
    setting("NotificationConfiguration", "PutBucketNotificationConfiguration", on=_BUCKET,
            to="NotificationConfiguration", of=notification, reset={}),
    setting("CorsConfiguration", "PutBucketCors", to="CORSConfiguration", on=_BUCKET, of=cors,
            remove="DeleteBucketCors"),
    setting("WebsiteConfiguration", "PutBucketWebsite", to="WebsiteConfiguration", on=_BUCKET,
            of=website, remove="DeleteBucketWebsite"),
    setting("AccelerateConfiguration", "PutBucketAccelerateConfiguration", on=_BUCKET,
            to="AccelerateConfiguration", reset={"Status": "Suspended"},
            of=lambda value: {"Status": value["AccelerationStatus"]}),
    setting("ReplicationConfiguration", "PutBucketReplication", to="ReplicationConfiguration",
            on=_BUCKET, of=replication, remove="DeleteBucketReplication"),
    Step(properties="InventoryConfigurations", apply=_put_inventories),
)  # fmt: skip


class _Bucket(ApiResource):
    """A bucket, whose tags are one document that every change replaces."""

    def _complete(self, context: ProviderContext) -> None:
        super()._complete(context)
        if desired_tags(context):
            _put_tags(context)


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::S3::Bucket": _Bucket(
        service="s3",
        create_call="CreateBucket",
        name=Name(property="BucketName", param="Bucket", max_length=63, lower=True),
        takes=takes(ObjectLockEnabled="ObjectLockEnabledForBucket"),
        prepare=_place,
        attributes={
            "Arn": "arn:{partition}:s3:::{name}",
            "DomainName": "{name}.s3.amazonaws.com",
            "DualStackDomainName": "{name}.s3.dualstack.{region}.amazonaws.com",
            "RegionalDomainName": "{name}.s3.{region}.amazonaws.com",
            "WebsiteURL": "http://{name}.s3-website-{region}.amazonaws.com",
        },
        steps=(*_STEPS, Step(properties="Tags", apply=_put_tags)),
        delete_call="DeleteBucket",
        delete_on=_BUCKET,
        gone=names("NoSuchBucket 404"),
        stored=names(
            "AnalyticsConfigurations IntelligentTieringConfigurations MetricsConfigurations"
        ),
    ),
    "AWS::S3::BucketPolicy": ApiResource(
        service="s3",
        create_call="PutBucketPolicy",
        takes=takes("Bucket", PolicyDocument="Policy"),
        ref="{prop[Bucket]}",
        updates=(Update(call="PutBucketPolicy", on=_BUCKET, takes=takes(PolicyDocument="Policy")),),
        delete_call="DeleteBucketPolicy",
        delete_on=_BUCKET,
        gone=names("NoSuchBucket NoSuchBucketPolicy 404"),
    ),
}
