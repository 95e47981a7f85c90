"""House rules that can be measured: sizes, docstrings, import directions, foreign paths."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("constructs_lib", "stacks", "sageloop", "lambda")
ALL = (*SHIPPED, "tests", "benchmarks", "scripts")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(*folders: str) -> list[Path]:
    found = [p for f in folders for p in sorted((ROOT / f).rglob("*.py"))]
    return [p for p in found if "__pycache__" not in p.parts]


@cache
def contents(path: Path) -> tuple[list[_Function], list[str]]:
    """The functions of a module, and the modules that it imports by their absolute names."""
    defined, imports = [], []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, _Function):
            defined.append(node)
        elif isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imports.append(node.module or "")
    return defined, imports


def functions(path: Path) -> list[_Function]:
    return contents(path)[0]


def imported(path: Path) -> list[str]:
    return contents(path)[1]


def size(node: _Function) -> int:
    first = node.body[0]
    documented = ast.get_docstring(node, clean=False) is not None
    lines = (node.end_lineno or node.lineno) - node.lineno
    return lines - ((first.end_lineno or 0) - first.lineno + 1 if documented else 0)


def length(path: Path) -> int:
    return len(path.read_text().splitlines())


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_module_is_longer_than_400_lines() -> None:
    assert [name(p) for p in modules(*ALL) if length(p) > 400] == []


def test_half_of_the_modules_are_at_most_150_lines() -> None:
    assert median(length(p) for p in modules(*SHIPPED) if p.name != "__init__.py") <= 150


def test_no_function_is_longer_than_60_lines() -> None:
    long = [f"{name(p)}:{f.lineno} {f.name}" for p in modules(*ALL) for f in functions(p)
            if size(f) > 60]  # fmt: skip
    assert long == []


def test_half_of_the_functions_are_at_most_10_lines() -> None:
    assert median(size(f) for p in modules(*SHIPPED) for f in functions(p)) <= 10


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("sageloop/local_cloud", ("constructs_lib", "stacks", "aws_cdk")),
        ("constructs_lib", ("sageloop", "stacks", "boto3", "moto")),
        ("stacks", ("sageloop", "boto3", "moto")),
        ("lambda", ("sageloop", "stacks", "constructs_lib", "aws_cdk", "moto")),
    ],
)
def test_imports_follow_the_layers(folder: str, forbidden: tuple[str, ...]) -> None:
    wrong = [f"{name(path)}: {module}" for path in modules(folder) for module in imported(path)
             if module.split(".")[0] in forbidden]  # fmt: skip
    assert wrong == []


def test_functions_import_nothing_but_the_standard_library_and_boto3() -> None:
    import sys

    allowed = {*sys.stdlib_module_names, "boto3", "botocore", "sageloop_runtime"}
    wrong = [module for path in modules("lambda") for module in imported(path)
             if module.split(".")[0] not in allowed]  # fmt: skip
    assert wrong == []


def test_stacks_are_wiring_only() -> None:
    long = [name(p) for p in (ROOT / "stacks").glob("*_stack.py") if length(p) > 70]
    assert long == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    # In parts, so that this file does not match.
    patterns = [r"(^|[^A-Za-z0-9_.])/" + "work/", "files" + r"\.pythonhosted", "npm" + r"js\.org",
                "py" + r"pi\.org"]  # fmt: skip
    found = re.compile("|".join(patterns))
    kept = (".py", ".toml", ".md", ".json", ".txt", ".in", ".yml", ".yaml", "")
    wrong = []
    for path in _tracked():
        if path.suffix in kept and path.is_file() and found.search(path.read_text(errors="ignore")):
            wrong.append(name(path))
    assert wrong == []


def _tracked() -> list[Path]:
    import subprocess

    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, text=True, check=True, capture_output=True
    )
    return [ROOT / line for line in listed.stdout.splitlines()]
