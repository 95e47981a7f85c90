"""Acknowledgments of findings of security rules, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from aws_cdk import Acknowledgment, CfnResource, Reference, Stack, Token, Tokenization, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from .wildcard_reasons import reason_of

_NIST = "NIST.800.53.R5"
_HIPAA = "HIPAA.Security"
_PCI = "PCI.DSS.321"
_PREFIXED = {"nist": _NIST, "hipaa": _HIPAA, "pci": _PCI}


def acknowledge(construct: IConstruct, rules: Iterable[str], reason: str) -> None:
    """Acknowledge findings of rules on one construct, without its children.

    Args:
        construct: The construct with the findings.
        rules: Full rule ids, for example ``AwsSolutions-S1``.
        reason: Reason, for the generated documentation.

    """
    for rule in rules:
        Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def acknowledge_packs(
    construct: IConstruct, rule: str, reason: str, *, packs: str = "nist hipaa pci"
) -> None:
    """Acknowledge one rule's finding in several rule packs."""
    acknowledge(construct, [f"{_PREFIXED[pack]}-{rule}" for pack in packs.split()], reason)


def acknowledge_checkov(resource: Construct, check: str, reason: str) -> None:
    """Acknowledge one checkov finding in the resource's metadata."""
    target = resource if isinstance(resource, CfnResource) else resource.node.default_child
    assert isinstance(target, CfnResource)
    noted = target.get_metadata("checkov")
    skips = list(noted["skip"]) if isinstance(noted, dict) else []
    target.add_metadata("checkov", {"skip": [*skips, {"id": check, "comment": reason}]})


def acknowledge_wildcards(policy: Construct, statements: Iterable[iam.PolicyStatement]) -> None:
    """Acknowledge the wildcards in ``statements``, and no other ones, each with its reason.

    The rule identifies a wildcard by its text in the template, with logical ids or names of
    exports. Both are derived from the statements.
    """
    stack = Stack.of(policy)
    findings: dict[tuple[str, str], None] = {}
    for statement in statements:
        for resource in statement.resources:
            for text in _texts(stack, resource):
                if "*" in text:
                    reason = reason_of(statement.actions, text)
                    findings[f"AwsSolutions-IAM5[Resource::{text}]", reason] = None
    for rule, reason in findings:
        acknowledge(policy, [rule], reason)


def _texts(stack: Stack, resource: str) -> Iterator[str]:
    """The texts of a resource before and after references are resolved."""
    yield _flat(stack.resolve(resource))
    if not Token.is_unresolved(resource):
        return
    fragments = Tokenization.reverse_string(resource)
    foreign = [
        token
        for token in fragments.tokens
        if Reference.is_reference(token) and _owner(token) not in (None, stack)
    ]
    text = _flat(stack.resolve(resource))
    for token in foreign:
        owner = _owner(token)
        assert owner is not None
        exported = _flat(stack.resolve(owner.export_value(token)))
        text = text.replace(_flat(owner.resolve(token)), exported)
    yield text


def _owner(token: Any) -> Stack | None:
    """The stack of the referenced resource; ``None`` for pseudo parameters."""
    target = token.target
    return Stack.of(target) if isinstance(target, CfnResource) else None


def _flat(value: Any) -> str:
    """A resolved value as one line, in the notation of the rule pack."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        delimiter, items = value["Fn::Join"]
        return str(delimiter).join(_flat(item) for item in items)
    if "Fn::GetAtt" in value:
        resource, attribute = value["Fn::GetAtt"]
        return f"<{resource}.{attribute}>"
    if "Ref" in value:
        return f"<{value['Ref']}>"
    if "Fn::ImportValue" in value:
        return _flat(value["Fn::ImportValue"])
    return _json(value)


def _json(value: Any) -> str:
    """JSON as JavaScript writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
