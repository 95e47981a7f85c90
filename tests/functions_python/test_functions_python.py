"""The functions' tests on the Python that they are deployed on (see ADR 11)."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from constructs_lib._private.function import RUNTIME
from scripts.find_python import find, main
from scripts.synthesis import ROOT

ENVIRONMENT = ROOT / ".venv-functions" / "bin" / "python"
VERSION = RUNTIME.name.removeprefix("python")
_TESTS = ("tests/faults", "tests/unit/functions")


# In `make test` the same tests run on the Python of the other tests.
on_that_python = pytest.mark.long


@pytest.fixture
def interpreter() -> Path:
    """The environment of that Python; without the Python there is none, and CI does not pass."""
    if not ENVIRONMENT.exists():
        if find(VERSION) is not None or os.environ.get("CI"):
            pytest.fail(f"no environment of Python {VERSION}: run 'make functions-python'")
        pytest.skip(f"this machine has no Python {VERSION}: the functions were tested on another")
    return ENVIRONMENT


def run(interpreter: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST_"))}
    return subprocess.run(
        [str(interpreter), *arguments], cwd=ROOT, env=environment, text=True, capture_output=True,
        check=False,
    )  # fmt: skip


@on_that_python
def test_the_environment_has_the_python_of_the_functions(interpreter: Path) -> None:
    told = run(interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")

    assert told.stdout.strip() == VERSION


def test_the_makefile_builds_the_python_of_the_functions() -> None:
    named = re.findall(r"^FUNCTIONS_PYTHON := (\S+)$", (ROOT / "Makefile").read_text(), re.M)

    assert named == [VERSION]


@on_that_python
@pytest.mark.slow
@pytest.mark.feature("functions: tested on the Python that they are deployed on")
def test_the_functions_pass_their_tests_on_that_python(interpreter: Path) -> None:
    ended = run(interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_TESTS)

    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr
    passed = re.search(r"(\d+) passed", ended.stdout)
    assert passed is not None
    assert int(passed[1]) > 500
    assert "skipped" not in ended.stdout


def test_a_python_that_does_not_run_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    assert main(["3.99"]) == 1
    assert "python3.99 is not on the PATH" in capsys.readouterr().err


def test_a_python_of_another_version_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, version in (("3.99.0", "3.98"), ("3.99.1", "3.99")):
        shim = tmp_path / "versions" / folder / "bin" / "python3.99"
        shim.parent.mkdir(parents=True)
        shim.write_text(f"#!/bin/sh\necho {version}\n")
        shim.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    found = find("3.99")

    assert found is not None
    assert found.parts[-3] == "3.99.1"
