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

# Dependencies on the network are explicit, whether a resource refers to its subnets in the same
# stack, which implies them, or in another one.
OBSOLETE_DEPENDENCY = "W3005"
REGIONS = ("us-east-1", "eu-west-1", "eu-central-1")


def lint(templates: Iterable[Path], *ignored: str) -> list[tuple[str, str, str]]:
    """Rule, template and message of every finding, but those of ignored rules."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--format", "json",
               "-r", *REGIONS, "-t", *(str(t) for t in templates),
               *(part for rule in ignored for part in ("-i", rule))]  # fmt: skip
    ended = subprocess.run(command, text=True, capture_output=True, check=False)
    assert ended.stdout, ended.stderr
    return [(f["Rule"]["Id"], Path(f["Filename"]).name, f["Message"])
            for f in json.loads(ended.stdout)]  # fmt: skip


def templates_of(assemblies: Assemblies, names: Iterable[str]) -> list[Path]:
    return [t for name in names for t in sorted(assemblies[name].glob("*.template.json"))]


@pytest.mark.slow
def test_templates_have_no_error_and_no_warning(assemblies: Assemblies) -> None:
    templates = templates_of(assemblies, SETTINGS)
    assert len(templates) == 5 * len(SETTINGS)

    assert lint(templates) == []


def test_template_of_an_example_has_no_error_and_no_warning(assemblies: Assemblies) -> None:
    templates = templates_of(assemblies, [EXAMPLE + REPRESENTATIVE])

    assert lint(templates, OBSOLETE_DEPENDENCY) == []


@pytest.mark.slow
@pytest.mark.long
def test_templates_of_examples_have_no_error_and_no_warning(assemblies: Assemblies) -> None:
    templates = templates_of(assemblies, OF_EXAMPLES)
    assert len(templates) == len(OF_EXAMPLES)

    assert lint(templates, OBSOLETE_DEPENDENCY) == []


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
