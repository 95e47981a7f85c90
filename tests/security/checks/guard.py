"""CloudFormation Guard with the rules of AWS Control Tower, on all templates of an app."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.synthesis import ROOT
from tests.security.checks.combined import combined
from tests.security.checks.flatten import Template

PACKAGE = ROOT / "tests/security/guard/node_modules/@cdklabs/cdk-validator-cfnguard"
_SYSTEMS = {"Linux": "ubuntu", "Darwin": "macos"}
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_CONTROL = re.compile(r"\[(CT\.[A-Z0-9]+\.PR\.[0-9]+)\]")
_RESOURCE = re.compile(r"/Resources/([A-Za-z0-9]+)")

Finding = tuple[str, str, str]
"""Stack, logical id and control, such as ``CT.S3.PR.2``."""


def findings(templates: Mapping[str, Template], folder: Path) -> set[Finding]:
    """The controls that resources of the templates do not meet; ``folder`` is an empty folder."""
    document, origin = combined(templates)
    file = folder / "combined.template.json"
    file.write_text(json.dumps(document))
    return {
        (*origin[resource], control)
        for report in _reports(file)
        for failed in report["not_compliant"]
        for control in _CONTROL.findall(json.dumps(failed))
        for resource in _RESOURCE.findall(json.dumps(failed))
    }


def _reports(file: Path) -> list[dict[str, Any]]:
    binary = PACKAGE / "bin" / _SYSTEMS[platform.system()] / _MACHINES[platform.machine()]
    ended = subprocess.run(
        [str(binary / "cfn-guard"), "validate", "--rules", str(PACKAGE / "rules/control-tower"),
         "--data", str(file), "--output-format", "json", "--show-summary", "none", "--structured"],
        text=True, check=False, capture_output=True,
    )  # fmt: skip
    # 0: all rules are met, 19: some are not.
    assert ended.returncode in (0, 19), ended.stderr
    reports: list[dict[str, Any]] = json.loads(ended.stdout)
    return reports
