"""cfn-lint finds no error and no warning, in any of several regions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from scripts.synthesis import SETTINGS
from tests.assemblies import EXAMPLE
from tests.security.conftest import OF_EXAMPLES, REPRESENTATIVE, Assemblies

REGIONS = ("us-east-1", "eu-west-1", "eu-central-1")


def lint(templates: Iterable[Path]) -> list[tuple[str, str, str]]:
    """Rule, template and message of every finding."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--format", "json",
               "-r", *REGIONS, "-t", *(str(t) for t in templates)]  # fmt: skip
    ended = subprocess.run(command, text=True, capture_output=True, check=False)
    assert ended.stdout, ended.stderr
    return [(f["Rule"]["Id"], Path(f["Filename"]).name, f["Message"])
            for f in json.loads(ended.stdout)]  # fmt: skip


def templates_of(assemblies: Assemblies, names: Iterable[str]) -> list[Path]:
    return [t for name in names for t in sorted(assemblies[name].glob("*.template.json"))]


def test_templates_have_no_error_and_no_warning(assemblies: Assemblies) -> None:
    templates = templates_of(assemblies, (*SETTINGS, EXAMPLE + REPRESENTATIVE))
    assert len(templates) == 5 * len(SETTINGS) + 1

    assert lint(templates) == []


@pytest.mark.slow
@pytest.mark.long
def test_templates_of_examples_have_no_error_and_no_warning(assemblies: Assemblies) -> None:
    templates = templates_of(assemblies, OF_EXAMPLES)
    assert len(templates) == len(OF_EXAMPLES)

    assert lint(templates) == []


WRONG = {
    "E3002": ("AWS::SQS::Queue", {"Colour": "blue"}),
    "E3030": ("AWS::SageMaker::NotebookInstance",
              {"InstanceType": "ml.huge.1", "RoleArn": "arn:aws:iam::123456789012:role/r"}),
    "W3037": ("AWS::IAM::ManagedPolicy", {"PolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:TakeObject", "Resource": "*"}]}}),
}  # fmt: skip


def test_invalid_template_is_reported(tmp_path: Path) -> None:
    resources = {rule: {"Type": t, "Properties": p} for rule, (t, p) in WRONG.items()}
    template = tmp_path / "wrong.template.json"
    template.write_text(json.dumps({"Resources": resources}))

    assert WRONG.keys() <= {rule for rule, _, _ in lint([template])}
