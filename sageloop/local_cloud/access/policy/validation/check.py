"""Validation of policy documents by the rules of the services that receive them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sageloop.local_cloud.access.policy.document import VERSIONS, load
from sageloop.local_cloud.access.policy.errors import PolicyError
from sageloop.local_cloud.access.policy.validation.findings import (
    Finding,
    PolicyProblem,
    Problem,
)
from sageloop.local_cloud.access.policy.validation.kinds import (
    DocumentKind,
    PolicyFor,
    document_kind,
    missing_in_iam,
)
from sageloop.local_cloud.access.policy.validation.statement import statement_findings

PrincipalExists = Callable[[str], bool]

_TOP = ("Version", "Id", "Statement")


def validate(
    document: str | Mapping[str, Any],
    attached_to: PolicyFor,
    *,
    name: str = "",
    resource: str = "",
    principal_exists: PrincipalExists | None = None,
) -> list[PolicyProblem]:
    """Validate a policy document by the rules of the service that receives it.

    Args:
        document: JSON text as the service receives it, or what it holds.
        attached_to: what the policy is for.
        name: name of the user, group or role, for IAM's message about sizes.
        resource: ARN of the bucket, whose policy may name no other resource; empty if unknown.
        principal_exists: whether the user or role with an ARN or unique id exists; not called if
            ``None``.

    Returns:
        The problems in order; services report the first.

    Example:
        >>> problems = validate('{"Statement": []', PolicyFor.BUCKET)
        >>> problems[0].code, problems[0].message
        ('MalformedPolicy', 'This policy contains invalid Json')

    """
    kind = document_kind(attached_to)
    findings = _findings(document, kind, resource, principal_exists)
    return [_problem(finding, attached_to, kind, name) for finding in findings]


def size(document: str | Mapping[str, Any], *, whitespace_counts: bool = True) -> int:
    """Size of a document in bytes; IAM does not count white space."""
    text = document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))
    if not whitespace_counts:
        try:
            text = json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
        except ValueError:
            text = "".join(text.split())
    return len(text.encode())


def _problem(
    finding: Finding, attached_to: PolicyFor, kind: DocumentKind, name: str
) -> PolicyProblem:
    message = kind.messages.get(finding.problem, kind.general)
    if finding.problem is Problem.MISSING_ELEMENT and kind.identity:
        message = missing_in_iam(finding.value) or message
    value = name if finding.problem is Problem.TOO_LARGE else finding.value
    code = kind.codes.get(finding.problem, kind.code)
    if attached_to is PolicyFor.SESSION and finding.problem is Problem.TOO_LARGE:
        code = "PackedPolicyTooLarge"
    return PolicyProblem(code, message.format(value=value, where=finding.where), finding)


def _findings(
    document: str | Mapping[str, Any],
    kind: DocumentKind,
    resource: str,
    principal_exists: PrincipalExists | None,
) -> Iterator[Finding]:
    if size(document, whitespace_counts=kind.whitespace_counts) > kind.limit:
        yield Finding(Problem.TOO_LARGE, "")
    try:
        body = load(document)
    except PolicyError as error:
        yield Finding(Problem.NOT_JSON, error.where, error.problem)
        return
    yield from _top_findings(body, kind)
    statements = _statements(body)
    if kind.most_statements and len(statements) > kind.most_statements:
        yield Finding(Problem.TOO_MANY_STATEMENTS, "Statement", str(len(statements)))
    yield from _sid_findings(statements)
    for i, statement in enumerate(statements):
        yield from statement_findings(
            statement, f"Statement[{i}]", kind, resource, principal_exists
        )


def _top_findings(body: Mapping[str, Any], kind: DocumentKind) -> Iterator[Finding]:
    for element in body:
        if element not in _TOP:
            yield Finding(Problem.UNKNOWN_ELEMENT, element, element)
    if body.get("Version", VERSIONS[0]) not in VERSIONS:
        yield Finding(Problem.VERSION, "Version", str(body["Version"]))
    if not body.get("Statement"):
        yield Finding(Problem.MISSING_ELEMENT, "Statement", "Statement")
    if kind.identity and "Id" in body:
        yield Finding(Problem.SYNTAX, "Id")


def _statements(body: Mapping[str, Any]) -> list[Any]:
    element = body.get("Statement", [])
    return element if isinstance(element, list) else [element]


def _sid_findings(statements: list[Any]) -> Iterator[Finding]:
    sids = [one["Sid"] for one in statements if isinstance(one, Mapping) and one.get("Sid")]
    for sid in sorted({str(sid) for sid in sids if sids.count(sid) > 1}):
        yield Finding(Problem.SID_TWICE, "Statement", sid)
