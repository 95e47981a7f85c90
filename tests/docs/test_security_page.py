"""The tests of the threat model exist, and every protection has one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
SHOWN = re.compile(r"\[(test_\w+)\]\((tests/[\w/]+\.py)\)")
ROW = re.compile(r"^\| (?!threat|---)([^|]+)\|([^|]+)\|([^|]+)\|$", re.MULTILINE)


def functions(path: Path) -> set[str]:
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_of_the_threat_model_exists() -> None:
    named = SHOWN.findall(PAGE)

    assert len(named) > 10
    assert [name for name, file in named if name not in functions(ROOT / file)] == []


def test_every_threat_has_a_test() -> None:
    rows = ROW.findall(PAGE)

    assert len(rows) > 10
    assert [threat for threat, _, shown in rows if "](tests/" not in shown] == []
