"""The app's assemblies as the CDK CLI would ask for them, one per settings file."""

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
    """What cdk.json tells the app."""
    told: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text()).get("context", {})
    return told


def synthesise(
    settings: str, folder: Path, *, validation: bool = False, app: Path = ROOT / "app.py"
) -> subprocess.CompletedProcess[str]:
    """Run an app as the CLI does.

    Args:
        settings: Name of the settings file.
        folder: Where the assembly goes.
        validation: Whether CDK's template engine judges too; it costs ten seconds.
        app: The app, the project's own by default.

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
