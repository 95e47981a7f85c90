"""Control Tower's Guard rules have no finding that is not acknowledged, and none too many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.acknowledgments import acknowledgments
from scripts.synthesis import SETTINGS, templates_in
from tests.assemblies import assembly
from tests.security.checks.guard import PACKAGE, Finding, findings
from tests.security.conftest import LONG, OF_EXAMPLES

# Guard has a folder of its own, which the set-up of `make test-long` fills.


@pytest.fixture(scope="module", autouse=True)
def guard() -> None:
    if not PACKAGE.exists():
        pytest.fail("run 'make tests/security/guard/node_modules/.ready' first")


def acknowledged(folder: Path) -> set[Finding]:
    """The acknowledged controls of each resource of a kind that Guard reports."""
    templates = templates_in(folder)
    return {
        (each.stack, resource, each.rule)
        for each in acknowledgments(folder)
        for resource in each.resources
        if each.rule.startswith("CT.")
        and templates[each.stack]["Resources"][resource]["Type"] in _KINDS
    }


_KINDS = ("AWS::CloudWatch::Alarm", "AWS::KMS::Key", "AWS::S3::Bucket", "AWS::SQS::Queue")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=LONG) for name in (*SETTINGS, *OF_EXAMPLES)]
)
def test_findings_are_those_acknowledged(name: str, tmp_path: Path) -> None:
    folder = assembly(name)

    result = findings(templates_in(folder), tmp_path)

    assert result
    assert result == acknowledged(folder)


@pytest.mark.parametrize(
    ("kind", "properties", "control"),
    [
        pytest.param(
            "AWS::SageMaker::NotebookInstance",
            {"InstanceType": "ml.t3.medium", "RoleArn": "arn:aws:iam::123456789012:role/r"},
            "CT.SAGEMAKER.PR.1", marks=LONG,
        ),
        pytest.param(
            "AWS::SQS::Queue", {"QueueName": "plain"}, "CT.SQS.PR.1", marks=LONG,
        ),
    ],
)  # fmt: skip
def test_wrong_resource_is_reported(
    kind: str, properties: dict[str, Any], control: str, tmp_path: Path
) -> None:
    template = {"Resources": {"Wrong": {"Type": kind, "Properties": properties}}}

    assert ("app-Stack", "Wrong", control) in findings({"app-Stack": template}, tmp_path)
