"""S3's event notifications to EventBridge, functions, queues and topics.

moto keeps a bucket's configuration and would itself deliver, without any policy check and to its
own event bus. The operations on configurations replace moto's, which has few of S3's checks. When
the first bucket is created, three functions of moto are replaced: the one that it calls for each
new object, the one that sends test messages, and the one that performs every deletion (moto sends
no event for delete markers). A bucket without configuration costs one attribute access.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.wire import find_operation, parse, service_model
from sageloop.local_cloud.events import delivery, targets
from sageloop.local_cloud.events.injected_faults import deliver
from sageloop.local_cloud.events.notification_configuration import (
    Notification,
    described,
    for_moto,
    invalid,
    parsed,
)
from sageloop.local_cloud.events.permissions import admits

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.core.service import Call

_SERVICE = "s3.amazonaws.com"
_REASONS = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Post": "POST Object",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
}
_DELIVERED = ("s3:ObjectCreated:", "s3:ObjectRemoved:")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A change of an object; ``name`` is S3's event name without its ``s3:``."""

    name: str
    key: str
    size: int | None
    etag: str | None
    version: str | None


class S3Notifications:
    """Delivers the events of moto's buckets."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._numbers = itertools.count(1)

    def listen(self) -> None:
        """Replace moto's delivery with the first bucket, and its operations on configurations."""
        front = self._cloud.front
        front.after("s3:CreateBucket", lambda _call, _response: self._take_over())
        front.add_operation("s3", "PutBucketNotificationConfiguration", self._configure)
        front.add_operation("s3", "GetBucketNotificationConfiguration", _configured)

    def _take_over(self) -> None:
        from sageloop.local_cloud.core.moto_s3 import deliver_by

        deliver_by(self._on_event, self._on_delete)

    def _on_event(self, account_id: str, event_name: str, bucket: Any, key: Any) -> None:
        """Replaces moto's ``send_event``; only events of new objects are used."""
        del account_id
        name = str(getattr(event_name, "value", event_name)).removeprefix("s3:")
        if bucket.notification_configuration is None or name not in _REASONS:
            return
        if name == "ObjectCreated:Put" and key.multipart is not None:
            return  # moto sends events for the upload's completion and for the stored object
        version = str(key.version_id) if bucket.is_versioned else None
        self._deliver(
            bucket,
            _Change(
                name=name, key=key.name, size=key.size, etag=key.etag.strip('"'), version=version
            ),
        )

    def _on_delete(
        self, bucket: Any, key: str, version: str | None, meta: Mapping[str, Any]
    ) -> None:
        if bucket.notification_configuration is None:
            return
        marker = version is None and meta.get("delete-marker") == "true"
        name = "ObjectRemoved:DeleteMarkerCreated" if marker else "ObjectRemoved:Delete"
        self._deliver(
            bucket,
            _Change(name=name, key=key, size=None, etag=None, version=meta.get("version-id")),
        )

    def _deliver(self, bucket: Any, change: _Change) -> None:
        order = f"{int(self._cloud.clock.time() * 1000):012X}{next(self._numbers):06X}"
        config = bucket.notification_configuration
        if config.event_bridge is not None:
            self._emit(bucket, change, order)
        for notification in (*config.cloud_function, *config.queue, *config.topic):
            if notification.matches(f"s3:{change.name}", change.key):
                body = {"Records": [self._record(bucket, change, order, notification.id)]}
                send = partial(self._send, bucket, notification.arn, json.dumps(body))
                label = f"notification to {notification.arn}"
                deliver(self._cloud, change.name, send, label=label)

    def _emit(self, bucket: Any, change: _Change, order: str) -> None:
        created = change.name in _REASONS
        entry = {
            "key": change.key, "size": change.size, "etag": change.etag,
            "version-id": change.version, "sequencer": order,
        }  # fmt: skip
        detail: dict[str, Any] = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {name: value for name, value in entry.items() if value is not None},
            "request-id": secrets.token_hex(8).upper(),
            "requester": self._cloud.account_id,
            "source-ip-address": "127.0.0.1",
            "reason": _REASONS.get(change.name, "DeleteObject"),
        }
        if not created:
            marker = change.name.endswith("DeleteMarkerCreated")
            detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
        self._cloud.services.events.emit(
            "aws.s3", "Object Created" if created else "Object Deleted", detail,
            resources=[bucket.arn], region=bucket.region_name,
        )  # fmt: skip

    def _send(self, bucket: Any, arn: str, body: str) -> None:
        sender = targets.Sender(service=_SERVICE, source_arn=bucket.arn)
        message = targets.Message(body=body, subject="Amazon S3 Notification")
        delivery.start(
            self._cloud,
            delivery.Delivery(
                label=f"notification of {bucket.name} to {arn}",
                send=lambda: targets.send(self._cloud, sender, arn, message),
                give_up=lambda _: None,
                policy=delivery.RetryPolicy(),
                wait=delivery.exponential,
            ),
        )

    def _record(self, bucket: Any, change: _Change, order: str, config_id: str) -> dict[str, Any]:
        entry = {
            "key": quote_plus(change.key, safe="/"), "size": change.size, "eTag": change.etag,
            "versionId": change.version, "sequencer": order,
        }  # fmt: skip
        return {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": bucket.region_name,
            "eventTime": _millis(self._cloud.clock.time()),
            "eventName": change.name,
            "userIdentity": {"principalId": f"AWS:{self._cloud.account_id}"},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {
                "x-amz-request-id": secrets.token_hex(8).upper(),
                "x-amz-id-2": secrets.token_hex(16),
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": config_id,
                "bucket": {
                    "name": bucket.name,
                    "ownerIdentity": {"principalId": self._cloud.account_id},
                    "arn": bucket.arn,
                },
                "object": {name: value for name, value in entry.items() if value is not None},
            },
        }

    def _configure(self, call: Call) -> dict[str, Any]:
        """PutBucketNotificationConfiguration: every destination must admit S3."""
        self._take_over()
        bucket = _bucket_of(call)
        configuration = _requested(call)
        notifications = parsed(configuration, bucket.region_name)
        skip = call.request.headers.get("x-amz-skip-destination-validation", "").lower() == "true"
        self._check(bucket, notifications, skip=skip)
        bucket.set_notification_configuration(for_moto(notifications, configuration))
        if bucket.notification_configuration is not None:
            self._send_test_event(bucket, bucket.notification_configuration)
        return {}

    def _check(self, bucket: Any, notifications: Sequence[Notification], *, skip: bool) -> None:
        for one in notifications:
            unknown = [name for name in one.events if name not in _event_types()]
            if unknown:
                raise invalid(f"The event is not supported for notifications: {unknown[0]}")
            wrong = [name for name in one.events if not name.startswith(_DELIVERED)]
            if wrong:
                raise invalid(f"the local cloud does not deliver {', '.join(wrong)}")
            refusal = None if skip else admits(self._cloud, _SERVICE, one.arn, bucket.arn)
            if refusal:
                raise invalid(
                    f"Unable to validate the following destination configurations: {refusal}"
                )

    def _send_test_event(self, bucket: Any, config: Any) -> None:
        test = {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": _millis(self._cloud.clock.time()),
            "Bucket": bucket.name,
            "RequestId": secrets.token_hex(8).upper(),
            "HostId": secrets.token_hex(16),
        }
        for arn in {one.arn for one in (*config.queue, *config.topic)}:
            self._send(bucket, arn, json.dumps(test))


def _requested(call: Call) -> dict[str, Any]:
    """The NotificationConfiguration of a request: the front does not read S3's bodies."""
    try:
        params = parse(find_operation("s3", call.request), call.request)
        return dict(params["NotificationConfiguration"])
    except (AwsError, KeyError, TypeError):
        raise AwsError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published "
            "schema",
        ) from None


def _configured(call: Call) -> dict[str, Any]:
    """GetBucketNotificationConfiguration."""
    return described(_bucket_of(call).notification_configuration)


def _bucket_of(call: Call) -> Any:
    from sageloop.local_cloud.core.moto_s3 import bucket

    return bucket(call.account_id, call.params["Bucket"])


@lru_cache(maxsize=1)
def _event_types() -> frozenset[str]:
    return frozenset(service_model("s3").shape_for("Event").enum)


def _millis(moment: float) -> str:
    now = datetime.fromtimestamp(moment, UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
