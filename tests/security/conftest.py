"""Both settings, synthesised once as the CDK CLI would, for every judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.security.judges.flatten import flat, properties, resources

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ("dev", "prod")

Templates = Mapping[str, dict[str, Any]]


def synthesise(settings: str, folder: Path, *, validation: bool = False) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run app.py as the CLI does, into ``folder``."""
    context = json.loads((ROOT / "cdk.json").read_text()).get("context", {})
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CDK_"))}
    environment |= {
        "CDK_OUTDIR": str(folder),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "SAGELOOP_SETTINGS": settings,
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    if not validation:
        environment["CDK_VALIDATION"] = "false"
    return subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, text=True, check=False,
        capture_output=True,
    )  # fmt: skip


def templates_in(folder: Path) -> dict[str, dict[str, Any]]:
    """The templates of an assembly by stack name."""
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(folder.glob("*.template.json"))
    }


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the synthesised assemblies by settings."""
    made = {}
    for settings in SETTINGS:
        folder = tmp_path_factory.mktemp(f"assembly-{settings}")
        ended = synthesise(settings, folder)
        assert ended.returncode == 0, ended.stderr
        made[settings] = folder
    return made


@pytest.fixture(params=SETTINGS)
def settings(request: pytest.FixtureRequest) -> str:
    """Each of the settings in turn."""
    return str(request.param)


@pytest.fixture
def templates(assemblies: dict[str, Path], settings: str) -> dict[str, dict[str, Any]]:
    """Fresh copies of the templates of one of the settings."""
    return templates_in(assemblies[settings])


def documents(templates: Templates, kind: str) -> list[dict[str, Any]]:
    """The JSON documents that custom resources of a type carry, placeholders resolved."""
    return [
        json.loads(str(flat(properties(resource)["Document"])))
        for template in templates.values()
        for resource in resources(template, kind).values()
    ]
