"""moto's buckets: their policies deny nothing there, and what happens in them is told here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3 import models, notifications

OnEvent = Callable[[str, str, Any, Any], None]
"""Told the account, the event, the bucket and the key of an object that is new."""

OnDelete = Callable[[Any, str, str | None, Mapping[str, Any]], None]
"""Told the bucket, the key, the version that was named and what moto answers of a deletion."""


class StoredPolicyBucket(models.FakeBucket):
    """moto's bucket, whose policy is kept and read back but denies nothing.

    moto ignores conditions, so the usual "deny what does not come over TLS" would deny all.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # As every bucket begins on AWS since April 2023; DeletePublicAccessBlock takes it away.
        self.public_access_block = models.PublicAccessBlock(True, True, True, True)

    def get_permission(self, action: str, resource: str) -> Any:
        """Neutral, whatever the policy says."""
        return PermissionResult.NEUTRAL


def keep_bucket_policies_stored() -> None:
    """Have moto make buckets of this class."""
    vars(models)["FakeBucket"] = StoredPolicyBucket


def bucket(account_id: str, name: str) -> Any:
    """One of moto's buckets."""
    return models.s3_backends[account_id]["aws"].get_bucket(name)


def deliver_by(on_event: OnEvent, on_delete: OnDelete) -> None:
    """Have what happens in buckets told to the one who delivers it, and no more by moto itself."""
    notifications.send_event = on_event  # type: ignore[assignment]
    # The first message to a destination is sent by who checks that it takes messages.
    notifications.send_test_event = _say_nothing
    plain = models.S3Backend.delete_object
    original = getattr(plain, "__wrapped__", plain)

    def delete_object(
        backend: Any, bucket_name: str, key_name: str, *args: Any, **kwargs: Any
    ) -> Any:
        done, meta = original(backend, bucket_name, key_name, *args, **kwargs)
        if done:
            named = kwargs.get("version_id", args[0] if args else None)
            on_delete(backend.get_bucket(bucket_name), key_name, named, meta)
        return done, meta

    delete_object.__wrapped__ = original  # type: ignore[attr-defined]
    models.S3Backend.delete_object = delete_object  # type: ignore[method-assign, assignment]


def _say_nothing(account_id: str, bucket: Any) -> None:
    """Stand in for moto's ``send_test_event``."""
