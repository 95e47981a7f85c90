"""checkov's findings are those that are suppressed, and none remain with the suppressions."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.acknowledgments import acknowledgments
from scripts.synthesis import ROOT, templates_in
from tests.security.conftest import Assemblies

# checkov has an environment of its own; cfn-lint, cdk-nag's rules, AWS's policy checks and those of
# Security Hub evaluate the same templates in `make test`.
pytestmark = [pytest.mark.slow, pytest.mark.long]

CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    template: str
    resource: str
    check: str


def checkov(folder: Path) -> set[Finding]:
    """The failed checks of all templates below a folder, without network."""
    if not CHECKOV.exists():
        pytest.fail("checkov has no environment yet: run 'make .venv-checkov/.ready'")
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE, "NO_PROXY": "", "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    ended = subprocess.run(
        [str(CHECKOV), "-d", ".", "--framework", "cloudformation", "--compact", "--quiet",
         "--skip-download", "-o", "json"],
        cwd=folder, env=environment, text=True, check=False, capture_output=True,
    )  # fmt: skip
    assert ended.stdout, ended.stderr
    message = json.loads(ended.stdout)
    assert message["summary"]["parsing_errors"] == 0
    return {
        Finding(f["file_path"].lstrip("/"), f["resource"].rsplit(".", maxsplit=1)[1], f["check_id"])
        for f in message["results"]["failed_checks"]
    }


def write(folder: Path, templates: dict[str, dict[str, Any]]) -> None:
    folder.mkdir(parents=True)
    for name, template in templates.items():
        (folder / f"{name}.template.json").write_text(json.dumps(template, indent=1))


@pytest.fixture(scope="module")
def failed(assemblies: Assemblies, tmp_path_factory: pytest.TempPathFactory) -> set[Finding]:
    """Findings on the templates (below ``given``) and without their suppressions (``bare``).

    One run for all of them: most of its time is its start.
    """
    folder = tmp_path_factory.mktemp("checkov")
    for settings, assembly in assemblies.items():
        templates = templates_in(assembly)
        write(folder / "given" / settings, templates)
        for template in templates.values():
            for resource in template["Resources"].values():
                resource.get("Metadata", {}).pop("checkov", None)
        write(folder / "bare" / settings, templates)
    return checkov(folder)


def below(findings: Iterable[Finding], folder: str) -> list[Finding]:
    return sorted(f for f in findings if f.template.startswith(f"{folder}/"))


def test_no_finding_is_unacknowledged(failed: set[Finding]) -> None:
    assert below(failed, "given") == []


def test_every_acknowledgment_has_its_finding(
    failed: set[Finding], assemblies: Assemblies, settings: str
) -> None:
    value = [
        Finding(f"bare/{settings}/{a.stack}.template.json", resource, a.rule)
        for a in acknowledgments(assemblies[settings])
        for resource in a.resources
        if a.rule.startswith("CKV")
    ]

    assert value
    assert below(failed, f"bare/{settings}") == sorted(value)
