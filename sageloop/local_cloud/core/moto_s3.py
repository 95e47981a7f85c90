"""moto's buckets without policy enforcement, and notifications of their events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3 import models, notifications
from moto.s3.exceptions import MissingBucket

from sageloop.local_cloud.core.errors import AwsError

OnEvent = Callable[[str, str, Any, Any], None]
"""Receives account, event, bucket and key of a created object."""

OnDelete = Callable[[Any, str, str | None, Mapping[str, Any]], None]
"""Receives bucket, key, requested version and moto's response of a deletion."""


class StoredPolicyBucket(models.FakeBucket):
    """moto's bucket, which stores its policy but does not enforce it.

    moto ignores conditions, so the usual "deny requests without TLS" would deny all requests.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The default of new buckets on AWS since April 2023; DeletePublicAccessBlock removes it.
        self.public_access_block = models.PublicAccessBlock(True, True, True, True)

    def get_permission(self, action: str, resource: str) -> Any:
        """Neutral for every policy."""
        return PermissionResult.NEUTRAL


def disable_bucket_policies() -> None:
    """Make moto create buckets of this class."""
    vars(models)["FakeBucket"] = StoredPolicyBucket


def bucket(account_id: str, name: str) -> Any:
    """A bucket of moto. Raises ``AwsError`` NoSuchBucket if it does not exist."""
    try:
        return models.s3_backends[account_id]["aws"].get_bucket(name)
    except MissingBucket:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404) from None


def deliver_by(on_event: OnEvent, on_delete: OnDelete) -> None:
    """Pass events of buckets to these functions; moto itself delivers none."""
    notifications.send_event = on_event  # type: ignore[assignment]
    # The component that validates the destinations sends the test event.
    notifications.send_test_event = _send_no_test_event
    plain = models.S3Backend.delete_object
    original = getattr(plain, "__wrapped__", plain)

    def delete_object(
        backend: Any, bucket_name: str, key_name: str, *args: Any, **kwargs: Any
    ) -> Any:
        deleted, meta = original(backend, bucket_name, key_name, *args, **kwargs)
        if deleted:
            named = kwargs.get("version_id", args[0] if args else None)
            on_delete(backend.get_bucket(bucket_name), key_name, named, meta)
        return deleted, meta

    delete_object.__wrapped__ = original  # type: ignore[attr-defined]
    models.S3Backend.delete_object = delete_object  # type: ignore[method-assign, assignment]


def _send_no_test_event(account_id: str, bucket: Any) -> None:
    """Replaces moto's ``send_test_event``."""
