"""Suppressed rules have a reason, apply to one resource each, and are on one generated document."""

from __future__ import annotations

from collections import Counter
from typing import Any

from constructs_lib._private.wildcard_reasons import OF_THE_APP
from scripts.acknowledgments import RULE_PACKS, Acknowledgment
from scripts.acknowledgments_page import render_from
from scripts.synthesis import ROOT, SETTINGS
from tests.security.conftest import Assemblies, of_settings

DOCUMENT = ROOT / "docs" / "acknowledgments.md"
# CDK adds this one itself for the zones that it writes.
OF_CDK = {"CloudFormation-Validate::W3010"}


def test_acknowledgments_document_is_up_to_date(assemblies: Assemblies) -> None:
    assert DOCUMENT.read_text() == render_from({s: assemblies[s] for s in SETTINGS}), (
        "run 'make docs'"
    )


def test_every_acknowledgment_has_reason(accepted: list[Acknowledgment]) -> None:
    assert accepted
    assert [a for a in accepted if len(a.reason.split()) < 5] == []


def test_no_acknowledgment_is_for_a_stack(accepted: list[Acknowledgment]) -> None:
    assert {a.rule for a in accepted if not a.path} == OF_CDK


def test_acknowledgments_are_unique(accepted: list[Acknowledgment]) -> None:
    counted = Counter((a.stack, a.path, a.rule) for a in accepted)

    assert [key for key, number in counted.items() if number > 1] == []


@of_settings
def test_each_acknowledgment_has_a_tool(accepted: list[Acknowledgment]) -> None:
    assert {a.rule_pack for a in accepted} == set(RULE_PACKS.values())


def test_no_other_suppression_is_used(templates: dict[str, dict[str, Any]]) -> None:
    # cfn-lint, cdk-nag 2 and Guard read exceptions from a resource's metadata.
    message = {
        key
        for template in templates.values()
        for holder in (template, *template["Resources"].values())
        for key in holder.get("Metadata", {})
    }

    assert message <= {"checkov", "aws:cdk:path"}


def test_each_wildcard_of_the_stacks_has_a_reason_of_its_own(
    accepted: list[Acknowledgment],
) -> None:
    assert [a for a in accepted if OF_THE_APP in a.reason] == []
