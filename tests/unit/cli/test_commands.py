"""Rules of every command of ``sageloop``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer

from sageloop.cli.application import application

COMMAND = Path(sys.executable).with_name("sageloop")
# Their output is read by a shell, or is that of another program.
_NO_REPORT = {"sageloop local env", "sageloop local run"}


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    # Typer's commands are of its own copy of click's classes.
    if hasattr(command, "commands"):
        for name, each in command.commands.items():
            yield from _commands(each, f"{path} {name}")
    else:
        yield path, command


COMMANDS = dict(_commands(typer.main.get_command(application), "sageloop"))


def _sageloop(
    *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    return subprocess.run(
        [COMMAND, *arguments], env=os.environ | variables, text=True, capture_output=True,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("path", COMMANDS)
def test_help_has_an_example(path: str) -> None:
    epilog = COMMANDS[path].epilog

    assert epilog is not None
    assert path in epilog.replace("$(", "")


@pytest.mark.parametrize("path", [path for path in COMMANDS if path not in _NO_REPORT])
def test_command_writes_a_json_report(path: str) -> None:
    options = [option for each in COMMANDS[path].params for option in each.opts]

    assert "--json" in options


@pytest.mark.parametrize("where", ["missing/report.json", "."])
def test_report_that_cannot_be_written_is_refused_first(tmp_path: Path, where: str) -> None:
    ended = _sageloop("version", "--json", str(tmp_path / where))

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr
    assert "--json" in ended.stderr


def test_version_is_reported(tmp_path: Path) -> None:
    report = tmp_path / "version.json"

    assert _sageloop("version", "--json", str(report)).returncode == 0
    assert json.loads(report.read_text()) == {"version": metadata.version("sageloop")}


@pytest.mark.parametrize(
    ("words", "completions"),
    [("sageloop local st", {"status"}), ("sageloop ro", {"rollback"}),
     ("sageloop local logs --fo", {"--follow"})],
)  # fmt: skip
def test_shell_completes_commands_and_options(words: str, completions: set[str]) -> None:
    last = str(len(words.split()) - 1)
    ended = _sageloop(_SAGELOOP_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=last)

    assert set(ended.stdout.split()) == completions
