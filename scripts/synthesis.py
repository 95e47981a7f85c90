"""Synthesizes the app's assemblies like the CDK CLI, one for each settings file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ("dev", "prod")


def context() -> dict[str, Any]:
    """The context of cdk.json."""
    values: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text()).get("context", {})
    return values


def synthesise(
    settings: str, folder: Path, *, validation: bool = False, app: Path = ROOT / "app.py"
) -> subprocess.CompletedProcess[str]:
    """Run an app like the CDK CLI.

    Args:
        settings: Name of the settings file.
        folder: The folder of the assembly.
        validation: Whether CDK validates the templates too; it takes ten seconds.
        app: The app, by default the project's.

    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CDK_"))}
    environment |= {
        "CDK_OUTDIR": str(folder),
        "CDK_CONTEXT_JSON": json.dumps(context()),
        "SAGELOOP_SETTINGS": settings,
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    if not validation:
        environment["CDK_VALIDATION"] = "false"
    return subprocess.run(
        [sys.executable, str(app)], cwd=ROOT, env=environment, text=True, check=False,
        capture_output=True,
    )  # fmt: skip


def templates_in(folder: Path) -> dict[str, dict[str, Any]]:
    """The templates of an assembly by stack name."""
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(folder.glob("*.template.json"))
    }
