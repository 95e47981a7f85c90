"""CDK's validation of templates, with its findings as errors, as in `cdk synth`."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.synthesis import SETTINGS, context, synthesise

# Each of three apps costs ten seconds of CPU; cfn-lint evaluates the templates by the same schemas
# in `make test`.
LONG = (pytest.mark.slow, pytest.mark.long)

WRONG = """
from aws_cdk import App, Stack
from aws_cdk import aws_sqs as sqs

app = App()
queue = sqs.CfnQueue(Stack(app, "Wrong"), "Queue")
queue.add_property_override("VisibilityTimeout", "soon")
queue.add_property_override("Colour", "blue")
app.synth()
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, subprocess.CompletedProcess[str]]:
    # Each process starts the engine, ten seconds of CPU, so they run in parallel.
    wrong = tmp_path_factory.mktemp("wrong") / "app.py"
    wrong.write_text(WRONG)

    def run(name: str) -> subprocess.CompletedProcess[str]:
        folder = tmp_path_factory.getbasetemp() / f"strict-{name}"
        if name == "wrong":
            return synthesise("prod", folder, validation=True, app=wrong)
        return synthesise(name, folder, validation=True)

    names = ("wrong", *SETTINGS)
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(names, pool.map(run, names), strict=True))


def test_findings_of_the_template_engine_are_errors() -> None:
    assert context()["@aws-cdk/core:validateAgainstDefaultRules"] is True


@pytest.mark.parametrize("name", [pytest.param(name, marks=LONG) for name in SETTINGS])
def test_templates_pass_the_template_engine(
    ended: dict[str, subprocess.CompletedProcess[str]], name: str
) -> None:
    assert ended[name].returncode == 0, ended[name].stderr


@pytest.mark.parametrize(
    "message", [pytest.param(each, marks=LONG) for each in ("VisibilityTimeout", "Colour")]
)
def test_invalid_property_fails_synthesis(
    ended: dict[str, subprocess.CompletedProcess[str]], message: str
) -> None:
    assert ended["wrong"].returncode != 0
    assert message in ended["wrong"].stderr
