"""The list of faults is complete, and names tests and lines that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts.fault_cases.catalogue import ROOT, Check, Operation, Replacement, Row, rows

ROWS = rows()
CHECKS = [(row, check) for row in ROWS for check in row.checks]


def test_every_fault_and_promise_has_a_row() -> None:
    expected = [*map(str, range(1, 53)), *(f"I{number}" for number in range(1, 11))]
    assert [row.name for row in ROWS] == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_has_a_text_and_a_test(row: Row) -> None:
    assert row.checks
    for text in filter(None, (row.text, row.outcome)):
        assert text.endswith(".")
        assert text[0].isupper()


def _known_tests(path: Path) -> set[str]:
    """The functions of a test file, and the classes that ``TestCase`` of a machine gives it."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.Assign) and "TestCase" in ast.unparse(node.value):
            names |= {f"{ast.unparse(target)}::runTest" for target in node.targets}
    return names


@pytest.mark.parametrize("check", [c for _, c in CHECKS], ids=lambda check: check.test)
def test_test_exists(check: Check) -> None:
    path, _, name = check.test.partition("::")
    assert name.partition("[")[0] in _known_tests(ROOT / path)


def _lines(change: Operation) -> int:
    source = (ROOT / change.file).read_text().splitlines()
    return sum(line.strip() == change.line for line in source)


@pytest.mark.parametrize("check", [c for _, c in CHECKS], ids=lambda check: check.test)
def test_changed_text_exists(check: Check) -> None:
    if isinstance(check.change, Operation):
        assert _lines(check.change) >= 1
    else:
        assert check.change.source() != (ROOT / check.change.file).read_text()


def test_text_that_does_not_occur_once_is_refused() -> None:
    change = Replacement(file="tests/docs/test_fault_cases.py", old="no such " + "text", new="")
    with pytest.raises(ValueError, match="0 times, not once"):
        change.source()


def test_check_with_unknown_members_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cases.toml"
    file.write_text('[[case]]\nnumber = 1\nfault = "F."\noutcome = "O."\n'
                    '[[case.check]]\ntest = "t"\nfile = "f"\n')  # fmt: skip
    with pytest.raises(ValueError, match="a check of 1 has file, test: allowed are"):
        rows(file)
