"""cdk-nag's four packs have no finding that is not suppressed, before and after synthesis.

The two differ: after synthesis, references between stacks are exports, which the packs use in the
names of a policy's wildcards.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import aws_cdk
import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks

import app as root
from constructs_lib import JobTriggers
from constructs_lib._private import acknowledge
from scripts.acknowledgments import acknowledgments
from scripts.synthesis import ROOT, context, model_variables
from stacks import load_settings
from tests.assemblies import EXAMPLE
from tests.security.conftest import EVALUATED, Assemblies
from tests.unit.constructs import jobs
from tests.unit.constructs.conftest import ground_of

PACKS: dict[str, Any] = {
    "AwsSolutions-": AwsSolutionsChecks,
    "NIST.800.53.R5-": NIST80053R5Checks,
    "HIPAA.Security-": HIPAASecurityChecks,
    "PCI.DSS.321-": PCIDSS321Checks,
}
Findings = set[tuple[str, str]]


class Silence:
    """Replaces the suppressions, and adds none."""

    @classmethod
    def of(cls, _: object) -> Silence:
        return cls()

    def acknowledge(self, *_: object) -> None:
        return


def findings(scope: App | Stack) -> Findings:
    """Rule and path of the construct, of every pack's findings."""
    return {
        (violation.rule_name, resource.construct_path)
        for pack in PACKS.values()
        for violation in pack(scope).validate_scope(scope).violations
        for resource in violation.violating_resources
    }


def checked(name: str, folder: Path) -> Findings:
    """The findings on the app with settings, or on an example."""
    if name.startswith(EXAMPLE):
        return of_example(ROOT / name, folder)
    app = App(context=context(), outdir=str(folder))
    root.build(app, load_settings(name))
    before = findings(app)
    app.synth()
    return before | findings(app)


def of_example(place: Path, folder: Path) -> Findings:
    """The findings on an example's app after synthesis: its one stack has no exports."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in model_variables(folder / "models").items():
            patch.setenv(name, value)
        # jsii's process has the variables of its start: no context can be passed to the app.
        assert context(place) == {}
        app = runpy.run_path(str(place / "app.py"))["app"]
    return findings(app)


def without_acknowledgments(name: str, folder: Path) -> Findings:
    """The findings if neither the library nor the app acknowledges any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acknowledge, "Validations", Silence)
        patch.setattr(aws_cdk, "Validations", Silence)
        return checked(name, folder)


@pytest.mark.parametrize("name", EVALUATED)
def test_no_finding_is_unacknowledged(name: str, tmp_path: Path) -> None:
    assert checked(name, tmp_path) == set()


@pytest.mark.parametrize("name", EVALUATED)
def test_every_acknowledgment_has_its_finding(
    name: str, assemblies: Assemblies, tmp_path: Path
) -> None:
    bare = without_acknowledgments(name, tmp_path)
    value = [a for a in acknowledgments(assemblies[name]) if a.rule.startswith(tuple(PACKS))]
    unused = [
        (a.path, a.rule)
        for a in value
        if not any(
            rule == a.rule and f"{path}/".startswith(f"{a.stack}/{a.path}/") for rule, path in bare
        )
    ]

    assert value
    assert unused == []


@pytest.mark.parametrize("prefix", PACKS)
def test_each_pack_reports_plain_bucket(prefix: str) -> None:
    stack = Stack(App(), "Wrong")
    s3.Bucket(stack, "Plain")

    assert [rule for rule, _ in findings(stack) if rule.startswith(prefix)]


def test_jobs_of_every_kind_and_their_triggers_are_clean() -> None:
    ground = ground_of(Stack(App(context=context()), "Jobs"))
    network, topic = ground.network, ground.alerts.topic
    processed, scored = jobs.processing(ground), jobs.transform(ground)
    JobTriggers(
        ground.stack, "Preparing", job=processed, network=network, alert_topic=topic,
        on_data=["raw/"], schedule=Duration.days(1), alarms=[ground.alarm()],
    )  # fmt: skip
    JobTriggers(ground.stack, "Scoring", job=scored, network=network, alert_topic=topic)
    searched = jobs.tuning(ground)
    JobTriggers(ground.stack, "Searching", job=searched, network=network, on_data=True)
    searched.failure_alarm("Failed", alert_topic=topic)

    kinds = ("Preparing", "Scoring", "Searching", "Prepare", "Score", "Search")
    assert {
        (rule, path) for rule, path in findings(ground.stack) if path.split("/")[1] in kinds
    } == set()
