"""Bucket policies: moto judges requests by them without looking at conditions."""

from __future__ import annotations

from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3 import models


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
