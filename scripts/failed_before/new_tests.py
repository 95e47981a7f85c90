"""Which tests the repository had at a revision, and which are new since."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.synthesis import ROOT


def git(*arguments: str) -> str:
    """The output of a git command.

    Raises:
        SystemExit: If it fails: a clone without the history does not have the revision.

    """
    ended = subprocess.run(
        ["git", *arguments], cwd=ROOT, text=True, capture_output=True, check=False
    )
    if ended.returncode:
        raise SystemExit(f"git {arguments[0]} fails: {ended.stderr.strip().splitlines()[-1]}")
    return ended.stdout


def new_tests(revision: str, folders: Sequence[str]) -> dict[str, list[str]]:
    """The tests of the folders that had no test of that name at a revision, by module.

    A test that was moved to another module is not new.
    """
    names = git("ls-tree", "-r", "--name-only", revision, "tests").splitlines()
    before = {
        function
        for name in names
        if _is_test_module(name)
        for function in _functions(git("show", f"{revision}:{name}"))
    }
    fresh_by_module: dict[str, list[str]] = {}
    for name in git("ls-files", *folders).splitlines():
        if _is_test_module(name):
            functions = _functions((ROOT / name).read_text())
            fresh = [function for function in functions if function not in before]
            if fresh:
                fresh_by_module[name] = fresh
    return fresh_by_module


def _is_test_module(name: str) -> bool:
    path = Path(name)
    return path.name.startswith("test_") and path.suffix == ".py"


def _functions(source: str) -> Iterator[str]:
    """The names of the test functions of a module, in its order."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef) and statement.name.startswith("test_"):
            yield statement.name
