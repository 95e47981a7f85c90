"""S3's event notifications to EventBridge, functions, queues and topics.

moto keeps a bucket's configuration and would itself deliver, without any policy check and to its
own event bus. When the first bucket is created, three functions of moto are replaced: the one that
it calls for each new object, the one that sends test messages, and the one that performs every
deletion (moto sends no event for delete markers). A bucket without configuration costs one
attribute access.
"""

from __future__ import annotations

import itertools
import json
import secrets
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.events import delivery, targets
from sageloop.local_cloud.events.permissions import admits

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.core.service import Call
    from sageloop.local_cloud.core.wire import Response

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
        self._accepted: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def listen(self) -> None:
        """Replace moto's delivery with the first bucket; validate configured destinations."""
        self._cloud.front.after("s3:CreateBucket", self._take_over)
        self._cloud.front.after("s3:PutBucketNotificationConfiguration", self._check)
        self._cloud.front.after("s3:GetBucketNotificationConfiguration", _add_event_bridge)

    def _take_over(self, _call: Call, _response: Response) -> None:
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
                for _ in range(self._cloud.faults.copies_of_event(change.name)):
                    self._send(bucket, notification.arn, json.dumps(body))

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

    def _check(self, call: Call, response: Response) -> None:
        """Keep a new configuration only if every destination admits S3."""
        self._take_over(call, response)
        bucket = _bucket_of(call)
        config = bucket.notification_configuration
        skip = call.request.headers.get("x-amz-skip-destination-validation", "").lower() == "true"
        problems = [] if config is None else list(self._problems(bucket, config, skip))
        if problems:
            bucket.notification_configuration = self._accepted.get(bucket)
            raise AwsError("InvalidArgument", "; ".join(problems))
        self._accepted[bucket] = config
        if config is not None:
            self._send_test_event(bucket, config)

    def _problems(self, bucket: Any, config: Any, skip: bool) -> Iterator[str]:
        for one in (*config.cloud_function, *config.queue, *config.topic):
            wrong = [name for name in one.events if not name.startswith(_DELIVERED)]
            if wrong:
                yield f"the local cloud does not deliver {', '.join(wrong)}"
            refusal = None if skip else admits(self._cloud, _SERVICE, one.arn, bucket.arn)
            if refusal:
                yield f"Unable to validate the following destination configurations: {refusal}"

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


def _bucket_of(call: Call) -> Any:
    from sageloop.local_cloud.core.moto_s3 import bucket

    return bucket(call.account_id, call.params["Bucket"])


def _add_event_bridge(call: Call, response: Response) -> None:
    """Add the EventBridge configuration, which moto stores and omits from its response."""
    config = _bucket_of(call).notification_configuration
    if config is None or config.event_bridge is None:
        return
    end = b"</NotificationConfiguration>"
    element = b"<EventBridgeConfiguration/>"
    if b"EventBridgeConfiguration" in response.body:
        return
    if end in response.body:
        response.body = response.body.replace(end, element + end)
    else:
        space = b"http://s3.amazonaws.com/doc/2006-03-01/"
        response.body = b'<NotificationConfiguration xmlns="' + space + b'">' + element + end
    for name in [name for name in response.headers if name.lower() == "content-length"]:
        response.headers[name] = str(len(response.body))


def _millis(moment: float) -> str:
    now = datetime.fromtimestamp(moment, UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
