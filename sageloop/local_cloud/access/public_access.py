"""Public access to buckets: the only unsigned requests that S3 executes.

The bucket's policy decides, as for every caller, and the object's ACL where ACLs are enabled. The
settings of block public access restrict both. So it is in every access mode, because an unsigned
request has no other authorization.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sageloop.local_cloud.access.policy import Decision, Effect, Policy
from sageloop.local_cloud.access.policy.public import is_public

_ENFORCED = "BucketOwnerEnforced"
_READ = "s3:GetObject"


def is_open(bucket: Any, policy: Policy | None, key: str, decisions: Iterable[Decision]) -> bool:
    """Whether an unsigned request may be executed.

    Args:
        bucket: moto's bucket.
        policy: the bucket's policy.
        key: key of the object; empty for requests to the bucket.
        decisions: decisions on the permissions that the request requires.

    """
    decided = list(decisions)
    return bool(decided) and all(_opens(bucket, policy, key, decision) for decision in decided)


def blocks_policy(bucket: Any, policy: Policy) -> bool:
    """Whether a bucket refuses a policy, because it is public."""
    block = bucket.public_access_block
    return block is not None and bool(block.block_public_policy) and is_public(policy)


def _opens(bucket: Any, policy: Policy | None, key: str, decision: Decision) -> bool:
    block = bucket.public_access_block
    if decision.effect is Effect.EXPLICIT_DENY:
        return False
    if decision.allowed:
        restricted = block is not None and block.restrict_public_buckets
        return not (restricted and policy is not None and is_public(policy))
    ignores = block is not None and block.ignore_public_acls
    return not ignores and decision.request.action == _READ and _acl_opens(bucket, key)


def _acl_opens(bucket: Any, key: str) -> bool:
    # ACLs of new buckets are disabled; another object ownership than this one enables them.
    rule = bucket.ownership_rule
    owned = rule["Rules"]["Rule"] if rule and "Rules" in rule else rule
    ownership = json.dumps(owned) if owned else _ENFORCED
    kept = None if _ENFORCED in ownership else bucket.keys.get(key)
    return bool(kept is not None and kept.acl is not None and kept.acl.public_read)
