"""Acknowledgments of findings of security rules, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from aws_cdk import Acknowledgment, CfnResource, Stack, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from .allow_statement import content_of
from .tokens import is_token, references
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
    _acknowledge(construct, [(rule, reason) for rule in rules])


def _acknowledge(construct: IConstruct, findings: Iterable[tuple[str, str]]) -> None:
    noted = [Acknowledgment(id=rule, reason=reason) for rule, reason in findings]
    if noted:
        Validations.of(construct).acknowledge(*noted)


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
    contents = [content_of(statement) for statement in statements]
    texts = wildcard_texts(policy, [each for content in contents for each in content.resources])
    findings = {
        (f"AwsSolutions-IAM5[Resource::{text}]", reason_of(content.actions, text)): None
        for content in contents
        for resource in content.resources
        for text in texts.get(resource, ())
    }
    _acknowledge(policy, findings)


def wildcard_texts(policy: IConstruct, resources: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The texts of resources with wildcards, before and after references are resolved."""
    return {
        resource: (text, _imported(policy, resource, text))
        for resource, text in _resolved(policy, resources).items()
        if "*" in text
    }


def _resolved(policy: IConstruct, resources: Sequence[str]) -> dict[str, str]:
    """The text of each resource in the stack's template, in one call for all."""
    texts = {resource: resource for resource in resources}
    tokens = [resource for resource in texts if is_token(resource)]
    if tokens:
        texts |= zip(tokens, map(_flat, Stack.of(policy).resolve(tokens)), strict=True)
    return texts


def _imported(policy: IConstruct, resource: str, text: str) -> str:
    """The text with names of exports, where the resource refers to another stack."""
    owners = references(resource)
    if not owners:
        return text
    stack = Stack.of(policy)
    for token, owner in owners.items():
        if owner != stack:
            exported = _flat(stack.resolve(owner.export_value(token)))
            text = text.replace(_flat(owner.resolve(token)), exported)
    return text


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
