"""Acknowledgments: a rule that does not fit one resource, with the reason beside the cause."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from aws_cdk import Acknowledgment, CfnResource, Reference, Stack, Token, Tokenization, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

_NIST = "NIST.800.53.R5"
_HIPAA = "HIPAA.Security"
_PCI = "PCI.DSS.321"
_PREFIXED = {"nist": _NIST, "hipaa": _HIPAA, "pci": _PCI}


def acknowledge(construct: IConstruct, rules: Iterable[str], reason: str) -> None:
    """Accept findings of rules on one construct and nothing beside it.

    Args:
        construct: The construct that the rules find fault with.
        rules: Full rule ids, for example ``AwsSolutions-S1``.
        reason: Why the rule does not fit; it stands in the generated page.

    """
    for rule in rules:
        Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def acknowledge_packs(
    construct: IConstruct, rule: str, reason: str, *, packs: str = "nist hipaa pci"
) -> None:
    """Accept one rule's finding in several packs, by the packs' short names."""
    acknowledge(construct, [f"{_PREFIXED[pack]}-{rule}" for pack in packs.split()], reason)


def acknowledge_checkov(resource: Construct, check: str, reason: str) -> None:
    """Accept one checkov finding; checkov reads it from the resource's metadata."""
    target = resource if isinstance(resource, CfnResource) else resource.node.default_child
    assert isinstance(target, CfnResource)
    noted = target.get_metadata("checkov")
    skips = list(noted["skip"]) if isinstance(noted, dict) else []
    target.add_metadata("checkov", {"skip": [*skips, {"id": check, "comment": reason}]})


def acknowledge_wildcards(
    policy: Construct, statements: Iterable[iam.PolicyStatement], reason: str
) -> None:
    """Accept the wildcards that stand in ``statements`` and no other ones.

    The rule names each wildcard by its text in the template, which holds logical ids or names
    of exports. Both are worked out here, so that no list goes stale.
    """
    stack = Stack.of(policy)
    found: dict[str, None] = {}
    for statement in statements:
        for resource in statement.resources:
            for text in _texts(stack, resource):
                if "*" in text:
                    found[f"AwsSolutions-IAM5[Resource::{text}]"] = None
    acknowledge(policy, found, reason)


def _texts(stack: Stack, resource: str) -> Iterator[str]:
    """The texts by which a resource is known before and after references are resolved."""
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
    """The stack of the resource that a reference points to; none for pseudo parameters."""
    target = token.target
    return Stack.of(target) if isinstance(target, CfnResource) else None


def _flat(value: Any) -> str:
    """A resolved value as one line, in the rule pack's way of writing it."""
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
