"""Reads the suppressed rules of an assembly from its templates and metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.synthesis import templates_in

_RULES = "aws:cdk:acknowledged-rules"
_LOGICAL_ID = "aws:cdk:logicalId"
_ANNOTATION = "Annotation::"
_REFERENCE = re.compile(r"<([A-Za-z0-9]+)[.>]")


@dataclass(frozen=True, slots=True, order=True)
class Acknowledgment:
    """A rule that is suppressed on one construct.

    Attributes:
        stack: Name of the stack.
        path: Path of the construct below its stack; empty for the stack itself.
        rule: Full id of the rule.
        reason: The reason of the suppression.
        resources: Logical ids of the construct's resources.

    """

    stack: str
    path: str
    rule: str
    reason: str
    resources: frozenset[str] = frozenset()

    @property
    def rule_pack(self) -> str:
        """Name of the rule pack that has the rule."""
        for prefix, name in RULE_PACKS.items():
            if self.rule.startswith(prefix):
                return name
        raise ValueError(f"rule {self.rule!r} belongs to no rule pack: {', '.join(RULE_PACKS)}")


RULE_PACKS = {
    "AwsSolutions-": "cdk-nag AwsSolutions",
    "NIST.800.53.R5-": "cdk-nag NIST 800-53 R5",
    "HIPAA.Security-": "cdk-nag HIPAA",
    "PCI.DSS.321-": "cdk-nag PCI DSS 3.2.1",
    "CKV": "checkov",
    "CT.": "Control Tower's Guard rules",
    "SageMaker.": "Security Hub SageMaker.1-25",
    "CloudFormation-Validate::": "CDK's own validation",
}
"""Rule packs by the prefix of their rules' ids."""


def acknowledgments(folder: Path) -> list[Acknowledgment]:
    """Every acknowledgment of an assembly, in order."""
    collected = []
    for stack, template in templates_in(folder).items():
        file = folder / f"{stack}.metadata.json"
        metadata = json.loads(file.read_text()) if file.exists() else {}
        paths = _paths(stack, metadata)
        collected += list(_of_constructs(stack, metadata, paths, template))
        collected += list(_of_checkov(stack, template, paths))
    return _merged(collected)


def _merged(collected: Iterable[Acknowledgment]) -> list[Acknowledgment]:
    """One acknowledgment for each rule on a construct: statements may share a wildcard."""
    reasons: dict[Acknowledgment, dict[str, None]] = {}
    for each in collected:
        reasons.setdefault(replace(each, reason=""), {})[each.reason] = None
    return sorted(replace(each, reason="; ".join(texts)) for each, texts in reasons.items())


def _paths(stack: str, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Logical ids by the path below the stack."""
    return {
        path.removeprefix(f"/{stack}").lstrip("/"): str(entry["data"])
        for path, entries in metadata.items()
        for entry in entries
        if entry["type"] == _LOGICAL_ID
    }


def _of_constructs(
    stack: str, metadata: Mapping[str, Any], paths: Mapping[str, str], template: Mapping[str, Any]
) -> Iterator[Acknowledgment]:
    for full, entries in metadata.items():
        path = full.removeprefix(f"/{stack}").lstrip("/")
        below = frozenset(
            logical for inner, logical in paths.items()
            if inner == path or inner.startswith(f"{path}/")
        )  # fmt: skip
        for entry in entries:
            for rule, reason in entry["data"].items() if entry["type"] == _RULES else ():
                if _is_of_template(rule, template):
                    name = rule.removeprefix(_ANNOTATION)
                    yield Acknowledgment(stack, path, name, str(reason), below)


def _is_of_template(rule: str, template: Mapping[str, Any]) -> bool:
    """False for the second form of a wildcard, which is used before exports are resolved."""
    named = _REFERENCE.findall(rule)
    return all(name in template["Resources"] for name in named)


def _of_checkov(
    stack: str, template: Mapping[str, Any], paths: Mapping[str, str]
) -> Iterator[Acknowledgment]:
    path_of = {logical: path for path, logical in paths.items()}
    for logical, resource in template["Resources"].items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", ()):
            path = path_of[logical].removesuffix("/Resource")
            yield Acknowledgment(stack, path, skip["id"], skip["comment"], frozenset([logical]))
