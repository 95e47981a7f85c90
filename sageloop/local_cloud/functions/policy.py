"""Resource policies: who may invoke a function, and from where."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Source:
    """Who invokes: a service, on behalf of a resource if it says which."""

    service: str
    arn: str | None
    account: str | None


def allows(policy: Policy | None, source: Source) -> bool:
    """Whether some statement lets the source invoke."""
    return policy is not None and any(
        _statement_allows(s, source) for s in policy.statements.values()
    )


def statement(members: Mapping[str, Any], *, resource: str, account_id: str) -> dict[str, Any]:
    """The statement that AddPermission's ``members`` make."""
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


def _principal(given: str, account_id: str) -> str | dict[str, str]:
    if given == "*":
        return "*"
    if re.fullmatch(r"\d{12}", given):
        return {"AWS": f"arn:aws:iam::{given}:root"}
    return {"Service": given} if "." in given and ":" not in given else {"AWS": given}


def _statement_allows(given: Mapping[str, Any], source: Source) -> bool:
    principal = given["Principal"]
    named = principal == "*" or principal.get("Service") in (source.service, "*")
    if not named or given["Action"] not in _INVOKE:
        return False
    return all(
        _holds(operator, key, wanted, source)
        for operator, keys in given.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def _holds(operator: str, key: str, wanted: str | list[str], source: Source) -> bool:
    actual = {"aws:sourcearn": source.arn, "aws:sourceaccount": source.account}.get(key.lower())
    test = _OPERATORS.get(operator)
    # A condition on what the call does not carry, or of an unknown kind, never holds.
    if actual is None or test is None:
        return False
    values = wanted if isinstance(wanted, list) else [wanted]
    return any(test(value, actual) for value in values)


def arn_like(pattern: str, arn: str) -> bool:
    """IAM's ``ArnLike``: each of the six parts may hold ``*`` and ``?``."""
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
    "StringEquals": lambda wanted, actual: wanted == actual,
}
