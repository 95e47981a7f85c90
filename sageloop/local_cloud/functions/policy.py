"""Resource policies of functions."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

_INVOKE = ("lambda:InvokeFunction", "lambda:*", "*")


@dataclass(slots=True)
class Policy:
    """The statements attached to a function or to one version or alias of it."""

    statements: dict[str, dict[str, Any]] = field(default_factory=dict)
    revision: str = field(default_factory=lambda: str(uuid.uuid4()))

    def document(self) -> str:
        """The policy as JSON."""
        statements = list(self.statements.values())
        return json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": statements})


@dataclass(frozen=True, slots=True)
class Source:
    """An invoking service, and the resource on whose behalf it invokes, if known."""

    service: str
    arn: str | None
    account: str | None


def allows(policy: Policy | None, source: Source) -> bool:
    """Whether a statement allows the source to invoke."""
    return policy is not None and any(
        _statement_allows(s, source) for s in policy.statements.values()
    )


def statement(members: Mapping[str, Any], *, resource: str, account_id: str) -> dict[str, Any]:
    """The statement that AddPermission's ``members`` define."""
    made: dict[str, Any] = {
        "Sid": members["StatementId"], "Effect": "Allow",
        "Principal": _principal(str(members["Principal"]), account_id),
        "Action": members["Action"], "Resource": resource,
    }  # fmt: skip
    conditions: dict[str, dict[str, str]] = {}
    if members.get("SourceAccount"):
        conditions["StringEquals"] = {"AWS:SourceAccount": members["SourceAccount"]}
    if members.get("PrincipalOrgID"):
        conditions.setdefault("StringEquals", {})["aws:PrincipalOrgID"] = members["PrincipalOrgID"]
    if members.get("SourceArn"):
        conditions["ArnLike"] = {"AWS:SourceArn": members["SourceArn"]}
    if conditions:
        made["Condition"] = conditions
    return made


def _principal(principal: str, account_id: str) -> str | dict[str, str]:
    if principal == "*":
        return "*"
    if re.fullmatch(r"\d{12}", principal):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    return (
        {"Service": principal} if "." in principal and ":" not in principal else {"AWS": principal}
    )


def _statement_allows(entry: Mapping[str, Any], source: Source) -> bool:
    principal = entry["Principal"]
    named = principal == "*" or principal.get("Service") in (source.service, "*")
    if not named or entry["Action"] not in _INVOKE:
        return False
    return all(
        _holds(operator, key, expected, source)
        for operator, keys in entry.get("Condition", {}).items()
        for key, expected in keys.items()
    )


def _holds(operator: str, key: str, expected: str | list[str], source: Source) -> bool:
    actual = {"aws:sourcearn": source.arn, "aws:sourceaccount": source.account}.get(key.lower())
    test = _OPERATORS.get(operator)
    # A condition on a missing key, or with an unsupported operator, is false.
    if actual is None or test is None:
        return False
    values = expected if isinstance(expected, list) else [expected]
    return any(test(value, actual) for value in values)


def arn_like(pattern: str, arn: str) -> bool:
    """IAM's ``ArnLike``: each of the six parts may contain ``*`` and ``?``."""
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(
        _like(p, t) for p, t in zip(patterns, parts, strict=True)
    )


def _like(pattern: str, text: str) -> bool:
    return _glob(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL)


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "ArnLike": arn_like,
    "ArnEquals": arn_like,
    "StringLike": _like,
    "StringEquals": lambda expected, actual: expected == actual,
}
