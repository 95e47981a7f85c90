"""The page of features: each with the tests that show it, read from the tests' own marks."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_TITLE = """\
# Features and the tests that show them

Generated from the marks of the tests (`@pytest.mark.feature`): `make docs`. A feature without a
test is not listed, because it is not one. What runs locally and what does not is told by
[limits.md](limits.md) and [local-cloud-coverage.md](local-cloud-coverage.md).
"""
_HEAD = "| feature | shown by |\n| --- | --- |\n"


@dataclass(frozen=True, slots=True, order=True)
class Shown:
    """One test that shows one feature."""

    area: str
    feature: str
    place: str
    test: str


def shown(tests: Path = ROOT / "tests") -> list[Shown]:
    """Every mark of every test, in order of area and feature."""
    found: list[Shown] = []
    for path in sorted(tests.rglob("test_*.py")):
        if "feature(" not in (text := path.read_text()):
            continue
        place = path.relative_to(tests.parent).as_posix()
        for name, feature in _marks(ast.parse(text)):
            area, _, rest = feature.partition(": ")
            found.append(Shown(area, rest if rest else area, place, name))
    return sorted(found)


def render() -> str:
    """The page."""
    areas: dict[str, dict[str, list[Shown]]] = defaultdict(lambda: defaultdict(list))
    for each in shown():
        areas[each.area][each.feature].append(each)
    parts = [_TITLE]
    for area, features in sorted(areas.items()):
        parts.append(
            f"\n## {area[:1].upper()}{area[1:]}\n\n| feature | shown by |\n| --- | --- |\n"
        )
        for feature, tests in sorted(features.items()):
            told = "<br>".join(f"[{t.test}](../{t.place})" for t in tests)
            parts.append(f"| {feature} | {told} |\n")
    return "".join(parts)


def _marks(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if _is_mark(decorator):
                    assert isinstance(decorator, ast.Call)
                    yield node.name, str(ast.literal_eval(decorator.args[0]))


def _is_mark(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.feature"
