"""Public access to buckets: the only unsigned requests that S3 executes.

Policies are not evaluated in full for unsigned requests. One statement decides: an Allow for
everybody that matches and whose conditions are all supported. A Deny that matches, or may match,
refuses.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from typing import Any

Statement = Mapping[str, Any]

_ACTIONS = {
    "HeadObject": "s3:GetObject", "ListObjects": "s3:ListBucket", "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket", "UploadPart": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject", "CompleteMultipartUpload": "s3:PutObject",
}  # fmt: skip
_ENFORCED = "BucketOwnerEnforced"


def is_open(bucket: Any, operation: str, key: str, *, version: bool = False) -> bool:
    """Whether everybody may call an operation of S3 on a key (empty: on the bucket)."""
    action = _ACTIONS.get(operation, f"s3:{operation}")
    if version and action == "s3:GetObject":
        action += "Version"
    block = bucket.public_access_block
    if _policy_opens(bucket, action, key):
        return block is None or not block.restrict_public_buckets
    ignores = block is not None and block.ignore_public_acls
    return not ignores and action == "s3:GetObject" and _acl_opens(bucket, key)


def _policy_opens(bucket: Any, action: str, key: str) -> bool:
    if bucket.policy is None:
        return False
    resource = f"arn:{bucket.partition}:s3:::{bucket.name}" + (f"/{key}" if key else "")
    statements = _listed(json.loads(bucket.policy).get("Statement", []))
    matching = [s for s in statements if _concerns(s, action, resource)]
    # Every call counts as one over TLS, which the local cloud does not have.
    denies = [s for s in matching if s["Effect"] == "Deny"]
    if any(not _requires_only_transport(s, "false") for s in denies):
        return False
    allows = (s for s in matching if s["Effect"] == "Allow")
    return any(not s.get("Condition") or _requires_only_transport(s, "true") for s in allows)


def _acl_opens(bucket: Any, key: str) -> bool:
    # ACLs of new buckets are disabled; another object ownership than this one enables them.
    rule = bucket.ownership_rule
    owned = rule["Rules"]["Rule"] if rule and "Rules" in rule else rule
    ownership = json.dumps(owned) if owned else _ENFORCED
    kept = None if _ENFORCED in ownership else bucket.keys.get(key)
    return bool(kept is not None and kept.acl is not None and kept.acl.public_read)


def _requires_only_transport(statement: Statement, secure: str) -> bool:
    condition = statement.get("Condition") or {}
    if set(condition) != {"Bool"}:
        return False
    conditions = {
        k.lower(): [str(v).lower() for v in _listed(vs)] for k, vs in condition["Bool"].items()
    }
    return bool(conditions == {"aws:securetransport": [secure]})


def _concerns(statement: Statement, action: str, resource: str) -> bool:
    if "Principal" not in statement:
        # The principals that NotPrincipal excludes are not evaluated.
        return bool(statement.get("Effect") == "Deny")
    principal = statement["Principal"]
    named = _listed(principal.get("AWS", [])) if isinstance(principal, dict) else [principal]
    return (
        "*" in named
        and _matches(statement, "Action", action.lower(), lower=True)
        and _matches(statement, "Resource", resource)
    )


def _matches(statement: Statement, member: str, value: str, *, lower: bool = False) -> bool:
    negated = f"Not{member}" in statement
    patterns = _listed(statement.get(f"Not{member}" if negated else member, []))
    texts = [str(p).lower() if lower else str(p) for p in patterns]
    matched = any(fnmatch.fnmatchcase(value, text.replace("[", "[[]")) for text in texts)
    return matched != negated


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
