"""Validation of one statement: its elements, actions, resources, principals and conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sageloop.local_cloud.access.policy import patterns, reference
from sageloop.local_cloud.access.policy.conditions import parse_conditions, parse_operator, texts_of
from sageloop.local_cloud.access.policy.context_keys import (
    Availability,
    availability,
    supports_key,
)
from sageloop.local_cloud.access.policy.errors import PolicyError
from sageloop.local_cloud.access.policy.validation.findings import Finding, Problem
from sageloop.local_cloud.access.policy.validation.kinds import DocumentKind

_ELEMENTS = ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource",
             "NotResource", "Condition")  # fmt: skip
_IAM_SID = re.compile(r"[0-9A-Za-z]*")
_SERVICE = re.compile(r"[a-zA-Z0-9-]+")
_ACCOUNT = re.compile(r"\d{12}")
_UNIQUE_ID = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,}")
_PRINCIPAL_TYPES = ("AWS", "Service", "Federated", "CanonicalUser")


def statement_findings(
    statement: Any,
    where: str,
    kind: DocumentKind,
    resource: str,
    principal_exists: Callable[[str], bool] | None,
) -> Iterator[Finding]:
    """The mistakes of one statement."""
    if not isinstance(statement, Mapping):
        yield Finding(Problem.SYNTAX, where)
        return
    yield from _element_findings(statement, where, kind)
    try:
        actions = _texts(statement, "Action", where)
        resources = _texts(statement, "Resource", where)
        yield from _action_findings(actions, where, kind)
        yield from _resource_findings(resources, where, kind, resource)
        yield from _principal_findings(statement, where, kind, principal_exists)
        if kind.checks_actions and "Action" in statement and "Resource" in statement:
            yield from _applicability_findings(actions, resources, where)
        yield from _condition_findings(statement, actions, where, kind)
    except PolicyError as error:
        yield Finding(Problem.SYNTAX, error.where, error.problem)


def _element_findings(
    statement: Mapping[str, Any], where: str, kind: DocumentKind
) -> Iterator[Finding]:
    for element in statement:
        if element not in _ELEMENTS:
            yield Finding(Problem.UNKNOWN_ELEMENT, f"{where}.{element}", element)
    if "Effect" not in statement:
        yield Finding(Problem.MISSING_ELEMENT, where, "Effect")
    elif statement["Effect"] not in ("Allow", "Deny"):
        yield Finding(Problem.EFFECT, f"{where}.Effect", str(statement["Effect"]))
    if kind.identity and not _IAM_SID.fullmatch(str(statement.get("Sid", ""))):
        yield Finding(Problem.SID_FORM, f"{where}.Sid", str(statement["Sid"]))
    for element in ("Action", "Resource", "Principal"):
        yield from _presence_findings(statement, element, where, kind)


def _presence_findings(
    statement: Mapping[str, Any], element: str, where: str, kind: DocumentKind
) -> Iterator[Finding]:
    present = [name for name in (element, f"Not{element}") if name in statement]
    if len(present) == 2:
        yield Finding(Problem.SYNTAX, where)
    needed = {
        "Action": True, "Resource": kind.needs_resource, "Principal": not kind.identity,
    }[element]  # fmt: skip
    if needed and not present:
        yield Finding(Problem.MISSING_ELEMENT, where, element)
    if present and element == "Resource" and kind.forbids_resource:
        yield Finding(Problem.RESOURCE_NOT_ALLOWED, f"{where}.Resource")
    if present and element == "Principal" and kind.identity:
        yield Finding(Problem.PRINCIPAL_NOT_ALLOWED, f"{where}.Principal")


def _texts(statement: Mapping[str, Any], element: str, where: str) -> tuple[str, ...]:
    for name in (element, f"Not{element}"):
        if name in statement:
            return texts_of(statement[name], f"{where}.{name}")
    return ()


def _action_findings(actions: tuple[str, ...], where: str, kind: DocumentKind) -> Iterator[Finding]:
    if kind.most_actions and len(actions) > kind.most_actions:
        yield Finding(Problem.TOO_MANY_ACTIONS, f"{where}.Action", str(len(actions)))
    for action in actions:
        problem = _action_problem(action, kind)
        if problem is not None:
            vendor = problem is Problem.ACTION_SERVICE_INVALID
            value = action.partition(":")[0] if vendor else action
            yield Finding(problem, f"{where}.Action", value)


def _action_problem(action: str, kind: DocumentKind) -> Problem | None:
    if action == "*":
        return Problem.ACTION_OF_ANOTHER_SERVICE if kind.only_actions else None
    service, colon, name = action.partition(":")
    if not colon or not name:
        return Problem.ACTION_WITHOUT_SERVICE
    if ":" in name:
        return Problem.ACTION_COLONS
    if not _SERVICE.fullmatch(service):
        return Problem.ACTION_SERVICE_INVALID
    if kind.services and service.lower() not in kind.services:
        return Problem.ACTION_OF_ANOTHER_SERVICE
    meant = {one.name.lower() for one in reference.actions_matching(action)}
    if kind.checks_actions and not meant:
        return Problem.ACTION_UNKNOWN
    if kind.only_actions and not (meant and meant <= kind.only_actions):
        return Problem.ACTION_OF_ANOTHER_SERVICE
    return None


def _resource_findings(
    resources: tuple[str, ...], where: str, kind: DocumentKind, own: str
) -> Iterator[Finding]:
    for resource in resources:
        is_arn = resource.startswith("arn:") and (not kind.identity or resource.count(":") >= 5)
        foreign = bool(own) and not _of_bucket(resource, own)
        if (resource != "*" and not is_arn) or (is_arn and foreign):
            yield Finding(Problem.RESOURCE_INVALID, f"{where}.Resource", resource)


def _of_bucket(resource: str, bucket: str) -> bool:
    """Whether a pattern can mean a bucket or its objects."""
    return patterns.resource(resource)(bucket) or (
        resource.partition("/")[0] in (bucket, "arn:aws:s3:::*")
        or patterns.resource(resource.partition("/")[0])(bucket)
    )


def _principal_findings(
    statement: Mapping[str, Any],
    where: str,
    kind: DocumentKind,
    exists: Callable[[str], bool] | None,
) -> Iterator[Finding]:
    if kind.identity:
        return
    for element in ("Principal", "NotPrincipal"):
        principal = statement.get(element)
        if principal is None or principal == "*":
            continue
        if not isinstance(principal, Mapping):
            yield Finding(Problem.PRINCIPAL_INVALID, f"{where}.{element}", str(principal))
            continue
        for type_, names in principal.items():
            for name in texts_of(names, f"{where}.{element}.{type_}"):
                if not _principal_is_valid(type_, name, exists if kind.checks_principals else None):
                    text = f'"{type_}":"{name}"'
                    yield Finding(Problem.PRINCIPAL_INVALID, f"{where}.{element}", text)


def _principal_is_valid(type_: str, name: str, exists: Callable[[str], bool] | None) -> bool:
    if type_ not in _PRINCIPAL_TYPES:
        return False
    if name == "*":
        return type_ == "AWS"
    if type_ == "Service":
        return re.fullmatch(r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|internal)", name) is not None
    if type_ != "AWS":
        return True
    if _ACCOUNT.fullmatch(name):
        return True
    if _UNIQUE_ID.fullmatch(name):
        return exists is None or exists(name)
    fields = name.split(":", 5)
    if len(fields) < 6 or fields[0] != "arn" or fields[2] not in ("iam", "sts"):
        return False
    if "*" in name or "?" in name or not _ACCOUNT.fullmatch(fields[4]):
        return False
    kind = fields[5].partition("/")[0]
    if kind not in ("root", "user", "role", "assumed-role", "federated-user"):
        return False
    return exists is None or kind not in ("user", "role") or exists(name)


def _applicability_findings(
    actions: tuple[str, ...], resources: tuple[str, ...], where: str
) -> Iterator[Finding]:
    """The actions of a statement that apply to none of its resources."""
    for action in actions:
        meant = reference.actions_matching(action)
        applies = any(
            reference.resource_can_match(one.name, resource)
            for one in meant
            for resource in resources
        )
        if meant and not applies:
            yield Finding(Problem.ACTION_NOT_ON_RESOURCE, f"{where}.Action", action)


def _condition_findings(
    statement: Mapping[str, Any], actions: tuple[str, ...], where: str, kind: DocumentKind
) -> Iterator[Finding]:
    element = statement.get("Condition", {})
    if not isinstance(element, Mapping):
        yield Finding(Problem.SYNTAX, f"{where}.Condition")
        return
    for operator in element:
        try:
            parse_operator(operator)
        except PolicyError:
            yield Finding(Problem.CONDITION_OPERATOR, f"{where}.Condition", operator)
            return
    conditions = parse_conditions(element, variables=False, where=f"{where}.Condition")
    for key in sorted({condition.key for condition in conditions}):
        problem = _key_problem(key, actions if "Action" in statement else (), kind)
        if problem is not None:
            yield Finding(problem, f"{where}.Condition", key)


def _key_problem(key: str, actions: tuple[str, ...], kind: DocumentKind) -> Problem | None:
    prefix, colon, _ = key.partition(":")
    if not colon:
        return Problem.CONDITION_KEY
    if not kind.checks_actions or prefix not in {"aws", *kind.services}:
        return None
    if availability(key) is Availability.UNKNOWN:
        return Problem.CONDITION_KEY
    # S3 requires that each action without wildcards supports the key.
    named = [reference.action(action) for action in actions]
    if prefix == "s3" and any(one and not supports_key(one, key) for one in named):
        return Problem.CONDITION_NOT_APPLICABLE
    return None
