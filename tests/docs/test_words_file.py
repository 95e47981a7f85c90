"""`make words` collects names, docstrings, messages and test names by module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.words import ROOT, render, words_of

SOURCE = '''
"""A module."""

class Store:
    """Stores objects.

    And more.
    """

    def put(self, key: str) -> None:
        """Store an object."""
        if not key:
            raise ValueError(f"key must not be empty, got {key!r}")

    def _hidden(self) -> None:
        """Not public."""


def alarm(scope: object) -> None:
    cloudwatch.Alarm(scope, "Alarm", alarm_description="No invocations for 5 minutes")
    typer.echo("the store is empty")


def test_put_stores_an_object() -> None: ...
'''


@pytest.mark.parametrize(
    "line",
    [
        "  class: Store: Stores objects.",
        "  method: Store.put: Store an object.",
        "  error: key must not be empty, got {key}",
        "  function: alarm",
        "  alarm: No invocations for 5 minutes",
        "  console: the store is empty",
        "  test: test_put_stores_an_object",
    ],
)
def test_name_or_text_is_listed(line: str) -> None:
    assert line in [str(word) for word in words_of(SOURCE)]


def test_only_public_names_are_listed() -> None:
    assert not [word for word in words_of(SOURCE) if "hidden" in word.text]


def test_words_are_grouped_by_module() -> None:
    text = render(["sageloop/waiting.py", "constructs_lib/__init__.py"])

    first, second = text.split("\n\n")
    assert first.startswith("sageloop.waiting: ")
    assert "  function: until: " in first
    assert second.startswith("constructs_lib: ")


def test_command_writes_every_module_to_its_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"

    subprocess.run([sys.executable, "-m", "scripts.words", str(path)], cwd=ROOT, check=True)

    lines = path.read_text().splitlines()
    assert any(line.startswith("constructs_lib.serving.") for line in lines)
    assert any(line.startswith("sageloop_runtime.") for line in lines)
    assert f"  test: {test_command_writes_every_module_to_its_file.__name__}" in lines
