"""The page of features: each with the tests that show it, read from the tests' own marks.

A mark reads ``area: feature``; areas stand in chapters. The name of a feature may be a constant of
its module, so that tests of one feature cannot differ in its spelling.
"""

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
# Areas in the order in which a reader meets them.
_CHAPTERS = {
    "Training": (
        "training", "training family", "metrics", "tuning", "processing", "lifecycle",
    ),
    "Serving": (
        "serving constructs", "serving", "answers", "scaling constructs", "scaling",
        "rollout constructs", "rollout", "promotion", "capture", "batch transform", "invocation",
        "alarms", "operations",
    ),
    "Both": ("examples", "access", "functions", "faults", "load", "bad input", "fidelity"),
}  # fmt: skip


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
    """The page. Raises ``ValueError`` for a mark whose area no chapter has."""
    areas: dict[str, dict[str, list[Shown]]] = defaultdict(lambda: defaultdict(list))
    for each in shown():
        areas[each.area][each.feature].append(each)
    parts = [_TITLE]
    for chapter, its in _CHAPTERS.items():
        parts.append(f"\n## {chapter}\n")
        parts += [_section(area, areas.pop(area)) for area in its if area in areas]
    if areas:
        known = ", ".join(area for its in _CHAPTERS.values() for area in its)
        raise ValueError(
            f"features of areas that no chapter has: {', '.join(sorted(areas))}; there are {known}"
        )
    return "".join(parts)


def _section(area: str, features: dict[str, list[Shown]]) -> str:
    lines = [f"\n### {area[:1].upper()}{area[1:]}\n\n{_HEAD}"]
    for feature, tests in sorted(features.items()):
        told = "<br>".join(f"[{t.test}](../{t.place})" for t in tests)
        lines.append(f"| {feature} | {told} |\n")
    return "".join(lines)


def _marks(tree: ast.Module) -> Iterator[tuple[str, str]]:
    constants = _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if _is_mark(decorator):
                    assert isinstance(decorator, ast.Call)
                    yield node.name, _named(decorator.args[0], constants)


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _named(argument: ast.expr, constants: dict[str, str]) -> str:
    if isinstance(argument, ast.Name):
        return constants[argument.id]
    return str(ast.literal_eval(argument))


def _is_mark(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.feature"
