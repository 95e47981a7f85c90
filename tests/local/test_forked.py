"""Programs that tests run in forks behave like programs of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests import forked

_ENDS = {
    "nothing": ("", 0),
    "a number": ("import sys; sys.exit(7)", 7),
    "a text": ("import sys; sys.exit('no')", 1),
    "an error": ("raise ValueError('no')", 1),
    "a signal": ("import os; os.kill(os.getpid(), 9)", -9),
    "another program": ("import os; os.execvp('sh', ['sh', '-c', 'echo no >&2; exit 3'])", 3),
}


def run(code: str, folder: Path, *words: str, **options: int) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "KEPT": "kept"}
    return forked.run("python", "-c", code, *words, cwd=folder, env=environment, **options)


@pytest.mark.parametrize("end", _ENDS)
def test_exit_code_is_that_of_the_program(tmp_path: Path, end: str) -> None:
    code, expected = _ENDS[end]

    ended = run(code, tmp_path)

    assert (ended.returncode, "no" in ended.stderr) == (expected, expected in (1, 3)), ended


def test_program_has_its_arguments_environment_and_folder(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.argv[1:], dict(os.environ)['KEPT'], len(os.environ))"

    ended = run(f"{code}; print(os.getcwd())", tmp_path, "--one", "two")

    assert ended.stdout == f"['--one', 'two'] kept 2\n{tmp_path}\n"


def test_standard_input_is_the_descriptor(tmp_path: Path) -> None:
    (tmp_path / "input").write_text("typed\n")

    with (tmp_path / "input").open() as source:
        ended = run("print(input())", tmp_path, stdin=source.fileno())

    assert ended.stdout == "typed\n"


def test_programs_do_not_share_state(tmp_path: Path) -> None:
    run("import boto3; boto3.changed = True", tmp_path)

    assert run("import boto3; print(hasattr(boto3, 'changed'))", tmp_path).stdout == "False\n"


def test_launcher_passes_streams_and_ends_as_its_program(tmp_path: Path) -> None:
    python = forked.launchers() / "python"
    code = "import os, sys; print(input()); sys.stdout.flush(); os.kill(os.getpid(), 15)"

    ended = subprocess.run(
        [python, "-c", code],
        cwd=tmp_path,
        input="in\n",
        text=True,
        capture_output=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (128 + 15, "in\n")
