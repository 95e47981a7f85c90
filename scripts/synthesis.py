"""Synthesizes assemblies like the CDK CLI: the app's for each settings file, and the examples'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tuple(sorted(path.stem for path in (ROOT / "settings").glob("*.toml")))
EXAMPLES = tuple(sorted(path.parent.name for path in (ROOT / "examples").glob("*/app.py")))
# The models of the examples that deploy one: their folders, of which `run.py` writes the files.
_MODELS = ("FLIGHTS_MODEL", "FLIGHTS_MODELS")
_MODEL_FOLDERS = (".", "winter", "spring", "champion", "challenger")


def context(folder: Path = ROOT) -> dict[str, Any]:
    """The context of the cdk.json of a folder."""
    values: dict[str, Any] = json.loads((folder / "cdk.json").read_text()).get("context", {})
    return values


def model_variables(folder: Path) -> dict[str, str]:
    """Variables with the models of the examples, of which the templates have the digests only.

    Args:
        folder: An empty folder, for one file for each model.

    """
    for name in _MODEL_FOLDERS:
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.json").write_text("{}\n")
    return dict.fromkeys(_MODELS, str(folder))


def synthesise(
    settings: str, folder: Path, *, validation: bool = False, app: Path = ROOT / "app.py",
    project: Path = ROOT, variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run an app like the CDK CLI.

    Args:
        settings: Name of the settings file.
        folder: The folder of the assembly.
        validation: Whether CDK validates the templates too; it takes ten seconds.
        app: The app, by default the project's.
        project: The folder in which the app runs, whose cdk.json has its context.
        variables: Further variables of its environment.

    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CDK_"))}
    environment |= {
        "CDK_OUTDIR": str(folder),
        "CDK_CONTEXT_JSON": json.dumps(context(project)),
        "SAGELOOP_SETTINGS": settings,
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **(variables or {}),
    }
    if not validation:
        environment["CDK_VALIDATION"] = "false"
    return subprocess.run(
        [sys.executable, str(app)], cwd=project, env=environment, text=True, check=False,
        capture_output=True,
    )  # fmt: skip


def synthesise_example(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the app of an example like the CDK CLI, with placeholders for its models.

    Args:
        name: Name of the example's folder.
        folder: The folder of the assembly.

    """
    place = ROOT / "examples" / name
    with tempfile.TemporaryDirectory(prefix="sageloop-models-") as models:
        return synthesise(
            "prod", folder, app=place / "app.py", project=place,
            variables=model_variables(Path(models)),
        )  # fmt: skip


def templates_in(folder: Path) -> dict[str, dict[str, Any]]:
    """The templates of an assembly by stack name."""
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(folder.glob("*.template.json"))
    }
