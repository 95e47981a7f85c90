"""Evaluates a resource policy for one service's access to one resource."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Whether ``service`` may do ``action`` on ``resource``, with these condition keys."""

    service: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def allows(policy: str | None, request: AccessRequest) -> bool:
    """Whether a policy document allows it: one Allow applies and no Deny does."""
    if not policy:
        return False
    statements = json.loads(policy).get("Statement", [])
    effects = {
        s.get("Effect") for s in _as_list(statements) if _applies(s, request)
    }  # fmt: skip
    return "Allow" in effects and "Deny" not in effects


def _applies(statement: dict[str, Any], request: AccessRequest) -> bool:
    return (
        _names_principal(statement, request.service)
        and _names(statement, "Action", request.action, ignore_case=True)
        and _names(statement, "Resource", request.resource)
        and _conditions_hold(statement.get("Condition", {}), request.context)
    )


def _names_principal(statement: dict[str, Any], service: str) -> bool:
    if "NotPrincipal" in statement:
        return not _principal_matches(statement["NotPrincipal"], service)
    return _principal_matches(statement.get("Principal"), service)


def _principal_matches(principal: Any, service: str) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, dict):
        return False
    return "*" in _as_list(principal.get("AWS", [])) or any(
        one in (service, "*") for one in _as_list(principal.get("Service", []))
    )


def _names(
    statement: dict[str, Any], member: str, value: str, *, ignore_case: bool = False
) -> bool:
    if f"Not{member}" in statement:
        return not _any_like(statement[f"Not{member}"], value, ignore_case)
    # A statement of a resource's own policy may omit the resource.
    return _any_like(statement.get(member, "*"), value, ignore_case)


def _any_like(patterns: Any, value: str, ignore_case: bool) -> bool:
    return any(
        _like(p.lower(), value.lower()) if ignore_case else _like(p, value)
        for p in _as_list(patterns)
    )


def _like(pattern: str, value: str) -> bool:
    # In a policy [ is a literal character.
    return fnmatch.fnmatchcase(value, str(pattern).replace("[", "[[]"))


def _conditions_hold(conditions: dict[str, Any], context: Mapping[str, str]) -> bool:
    known = {key.lower(): value for key, value in context.items()}
    return all(
        _condition_holds(name, known.get(key.lower()), _as_list(expected))
        for name, keys in conditions.items()
        for key, expected in keys.items()
    )


def _condition_holds(name: str, value: str | None, expected: list[Any]) -> bool:
    base = name.rpartition(":")[2]
    optional = base.endswith("IfExists")
    base = base.removesuffix("IfExists")
    texts = [str(w).lower() if isinstance(w, bool) else str(w) for w in expected]
    if base == "Null":
        return (value is None) == (texts[0].lower() == "true")
    if value is None:
        return optional or "Not" in base
    test = _TESTS.get(base.replace("Not", ""))
    if test is None:
        return False
    return any(test(text, value) for text in texts) != ("Not" in base)


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda expected, value: expected == value,
    "StringEqualsIgnoreCase": lambda expected, value: expected.lower() == value.lower(),
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda expected, value: expected.lower() == value.lower(),
}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
