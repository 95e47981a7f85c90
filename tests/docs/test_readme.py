"""The documents' Python programs run, and their commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from sageloop.local_cloud.assembly import deploy_assembly
from sageloop.local_cloud.client import LocalCloud
from scripts.settings_page import MEANING, keys
from tests import forked
from tests.docs.blocks import ROOT, commands, programs

PAGES = ("README.md", "CONTRIBUTING.md", "docs/getting-started.md", "docs/how-it-works.md",
         "docs/limits.md", "examples/README.md", "examples/flights/README.md")  # fmt: skip
TAUGHT = ("README.md", "docs/getting-started.md")
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
MAKE = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)
SAGELOOP = re.compile(r"(?:^|[`(])sageloop ((?:[a-z]+ ?)+)((?: ?--[a-z]+)*)", re.MULTILINE)


@pytest.fixture(params=TAUGHT)
def taught(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder outside the checkout with the programs of one document."""
    for name, text in programs(request.param).items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder with this environment's tools and without CDK's validation."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CDK_"))}
    environment |= {
        "CDK_VALIDATION": "false",
        "CDK_OUTDIR": str(folder / "cdk.out"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment | variables, text=True,
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def synthesising(page: str) -> list[str]:
    return [name for name, text in programs(page).items() if "app.synth()" in text]


def makefile_targets() -> set[str]:
    return set(TARGET.findall((ROOT / "Makefile").read_text()))


@cache
def help_of(command: str) -> str:
    """The help text of a command of `sageloop`; fails if the command does not exist."""
    environment = {**os.environ, "COLUMNS": "200"}
    ended = forked.run("sageloop", *command.split(), "--help", cwd=ROOT, env=environment)
    assert ended.returncode == 0, f"sageloop {command}: {ended.stderr}"
    return ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", TAUGHT)
def test_stacks_of_the_document_synthesize(page: str, tmp_path: Path) -> None:
    names = synthesising(page)
    assert names != []
    for name in names:
        (tmp_path / name).write_text(programs(page)[name])
        ended = run(tmp_path, name)

        assert ended.returncode == 0, ended.stdout
        template = (tmp_path / "cdk.out" / "Scores.template.json").read_text()
        assert "Custom::ChampionEndpoint" in template


# The walks of the pages; `make test` synthesises their stacks, and tests each part that they use.
@pytest.mark.long
@pytest.mark.slow
def test_programs_of_the_tutorial_print_a_prediction(tmp_path: Path) -> None:
    for name, text in programs("docs/getting-started.md").items():
        (tmp_path / name).write_text(text)
    assert run(tmp_path, "app.py").returncode == 0

    with LocalCloud.start() as cloud:
        deploy_assembly(cloud, tmp_path / "cdk.out")
        delivered = run(tmp_path, "deliver.py", **cloud.environment())
        cloud.settle()
        asked = run(tmp_path, "invoke.py", **cloud.environment())

    assert delivered.returncode == 0, delivered.stdout
    assert abs(float(asked.stdout) - 90) < 3, asked.stdout


@pytest.mark.long
@pytest.mark.slow
def test_tests_of_the_document_pass(taught: Path) -> None:
    assert list(taught.glob("test_*.py")) != []
    ended = run(taught, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(taught))

    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_make_exist(page: str) -> None:
    assert set(MAKE.findall((ROOT / page).read_text())) - makefile_targets() == set()


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_sageloop_exist_with_their_options(page: str) -> None:
    for command, options in SAGELOOP.findall((ROOT / page).read_text()):
        told = help_of(command.strip())
        for option in options.split():
            assert option in told, f"sageloop {command} {option}"


def test_two_commands_are_first() -> None:
    assert commands("README.md")[:2] == ["make demo", "make test"]


def test_readme_has_a_limited_length() -> None:
    text = re.sub(r"```.*?```", "", (ROOT / "README.md").read_text(), flags=re.DOTALL)

    assert len(text.split()) <= 750


def test_settings_keys_are_documented_completely() -> None:
    assert {key.name for key in keys()} == set(MEANING)
