"""Each problem of `docs/reported-problems.md` names tests that exist, or says that it has none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reported-problems.md"
ROWS = re.findall(r"^\| (\d+) \|.*\| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
LINK = re.compile(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)")
# Each has its reason in its row.
_WITHOUT_TEST = {"11", "15"}


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_page_has_all_problems() -> None:
    assert [number for number, _ in ROWS] == [str(number) for number in range(1, 26)]


@pytest.mark.parametrize(("number", "tests"), ROWS)
def test_problem_names_existing_tests(number: str, tests: str) -> None:
    links = LINK.findall(tests)

    assert bool(links) != (number in _WITHOUT_TEST)
    assert LINK.sub("", tests).strip() in ("", "none")
    for name, path in links:
        assert name in _functions(ROOT / path)
