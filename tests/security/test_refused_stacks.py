"""Faults in policies that AWS would refuse make the demo fail, and its report names the statement.

Each patch in ``refused/`` contains a fault. The demo stops at the first denial.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.synthesis import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.long]

_PATCHES = ROOT / "tests" / "security" / "refused"
_PROJECT = ("app.py", "cdk.json", "constructs_lib", "lambda", "settings", "stacks")
_REPORTED = {
    "old_bucket_policy": ("s3:PutObject", "RefuseOtherKeys"),
    "missing_scaling_permission": (
        "sagemaker:UpdateEndpointWeightsAndCapacities",
        "because no identity-based policy allows",
    ),
    "wrong_key_policy": ("kms:GenerateDataKey", "UseThroughServices"),
}


def patched(folder: Path, patch: Path) -> Path:
    """A copy of the project with a patch applied."""
    for name in _PROJECT:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    subprocess.run(["patch", "--strip=1", "--quiet", f"--input={patch}"], cwd=folder, check=True)
    return folder


def test_every_patch_has_a_case() -> None:
    assert {patch.stem for patch in _PATCHES.glob("*.patch")} == set(_REPORTED)


@pytest.mark.parametrize("name", sorted(_REPORTED))
def test_demo_reports_the_denied_action_and_the_statement(name: str, tmp_path: Path) -> None:
    project = patched(tmp_path, _PATCHES / f"{name}.patch")
    report = tmp_path / "report.json"

    ended = subprocess.run(
        [sys.executable, "-m", "sageloop.cli.main", "demo", "--project", str(project),
         "--json", str(report)],
        cwd=tmp_path, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 1, ended.stdout + ended.stderr
    document = json.loads(report.read_text())
    assert document["ok"] is False
    assert document["iam"]["mode"] == "enforce"
    assert document["iam"]["denied"] >= 1
    action, statement = _REPORTED[name]
    assert any(action in line and statement in line for line in document["problems"]), document[
        "problems"
    ]
