"""Every example runs end to end, and its metric is within the tolerance."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sageloop.examples.catalogue import Example, find_examples
from sageloop.examples.runner import run_example
from sageloop.local_cloud.assembly import deploy_assembly
from sageloop.local_cloud.client import LocalCloud
from scripts.synthesis import context

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = find_examples(ROOT)


@pytest.fixture
def deploy(tmp_path: Path) -> object:
    """Synthesize in a separate process with all flags that CDK recommends, then deploy.

    `sageloop examples run` uses the flags of the example's cdk.json, which has none.
    """

    def to(folder: Path, cloud: LocalCloud, variables: Mapping[str, str]) -> dict[str, str]:
        out = tmp_path / "assembly"
        environment = {
            **os.environ, "CDK_OUTDIR": str(out), "CDK_VALIDATION": "false",
            "CDK_CONTEXT_JSON": json.dumps(context()), "PYTHONPATH": str(ROOT), **variables,
        }  # fmt: skip
        subprocess.run([sys.executable, "app.py"], cwd=folder, env=environment, check=True)
        outputs = deploy_assembly(cloud, out)
        return {key: value for stack in outputs.values() for key, value in stack.items()}

    return to


def _of_lane(example: Example) -> Any:
    """A test of an example, with the markers of its requirements."""
    marks = [pytest.mark.long, pytest.mark.slow]
    needed = {extra for _, extra in example.needs}
    if needed & {"torch", "tensorflow"}:
        marks.append(pytest.mark.frameworks)
    return pytest.param(example.name, marks=marks, id=example.name)


@pytest.mark.feature("examples: run, and their figures hold")
@pytest.mark.parametrize("name", [_of_lane(example) for example in EXAMPLES.values()])
def test_example_runs_and_its_metric_holds(name: str, deploy: object) -> None:
    lines: list[str] = []

    outcome = run_example(EXAMPLES[name], log=lines.append, deploy=deploy)  # type: ignore[arg-type]

    assert outcome.problem is None
    assert outcome.ok
    assert any(line.startswith("deploy") for line in lines)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=lambda e: e.name)
def test_example_is_a_project_with_a_readme(example: Example) -> None:
    present = {path.name for path in example.folder.iterdir()}

    assert {"app.py", "cdk.json", "run.py", "README.md"} <= present
    assert len((example.folder / "README.md").read_text().splitlines()) <= 60


def test_metric_out_of_tolerance_fails_the_example(tmp_path: Path) -> None:
    folder = tmp_path / "examples" / "wrong"
    folder.mkdir(parents=True)
    shutil.copy(EXAMPLES["digits_sklearn"].folder / "cdk.json", folder)
    (folder / "run.py").write_text(
        '"""Wrong."""\nfrom sageloop.examples.figure import Figure\n\n\n'
        "def run(stage):\n"
        '    stage.figure(Figure(name="error", value=2.0, outside=1.0, tolerance=0.1,'
        ' noise="none"))\n'
    )

    outcome = run_example(find_examples(tmp_path)["wrong"], log=print)

    assert (outcome.ok, outcome.problem) == (False, "error is 2, without SageMaker 1")
