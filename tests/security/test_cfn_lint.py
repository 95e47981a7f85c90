"""cfn-lint finds no error and no warning, in any of several regions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

REGIONS = ("us-east-1", "eu-west-1", "eu-central-1")


def lint(templates: Iterable[Path]) -> list[tuple[str, str, str]]:
    """Rule, template and message of every finding."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--format", "json",
               "-r", *REGIONS, "-t", *(str(t) for t in templates)]  # fmt: skip
    ended = subprocess.run(command, text=True, capture_output=True, check=False)
    assert ended.stdout, ended.stderr
    return [(f["Rule"]["Id"], Path(f["Filename"]).name, f["Message"])
            for f in json.loads(ended.stdout)]  # fmt: skip


@pytest.mark.slow
def test_templates_have_no_error_and_no_warning(assemblies: dict[str, Path]) -> None:
    templates = [
        t for folder in assemblies.values() for t in sorted(folder.glob("*.template.json"))
    ]
    assert len(templates) == 15

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
