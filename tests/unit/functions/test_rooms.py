"""The packages of the functions' layer, and which of them imports which."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from sageloop_runtime import functions

LAMBDA = Path(__file__).parents[3] / "lambda"
LAYER = LAMBDA / "layer" / "python"
RUNTIME = LAYER / "sageloop_runtime"
DOOR = "sageloop_runtime.functions"
ALLOWED: dict[str, set[str]] = {
    "aws": set(),
    "serving": set(),
    "scaling": {"aws", "serving"},
    "champion": {"aws", "serving", "scaling"},
    "jobs": {"aws"},
    "gate": {"aws", "serving", "jobs"},
    "monitoring": {"aws", "serving", "gate"},
    "reconciliation": {"aws", "champion", "jobs", "scaling", "serving"},
    "builders": {
        "aws",
        "champion",
        "gate",
        "jobs",
        "monitoring",
        "reconciliation",
        "scaling",
        "serving",
    },
}
"""For each package, those that it may import. Modules beside them import no package: ``functions``
imports builders by name, at their first use."""


def modules() -> dict[str, Path]:
    """Every module of the layer by its dotted name."""
    result = {}
    for path in RUNTIME.rglob("*.py"):
        parts = path.relative_to(LAYER).with_suffix("").parts
        result[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return result


def imports(path: Path) -> set[str]:
    """Modules that a file imports, those for types only and within functions included."""
    known, names = modules(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = str(node.module)
            inner = {f"{module}.{alias.name}" for alias in node.names} & known.keys()
            names |= inner or {module}
    return {name for name in names if name.startswith("sageloop_runtime")}


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 2 or (len(parts) == 2 and parts[1] in ALLOWED) else None


def test_packages_are_those_declared() -> None:
    packages = {path.parent.name for path in RUNTIME.glob("*/__init__.py")}
    assert packages == set(ALLOWED)


@pytest.mark.parametrize("room", [None, *ALLOWED])
def test_package_imports_what_is_declared(room: str | None) -> None:
    allowed = {None, room} | (ALLOWED[room] if room is not None else set())
    wrong = {
        f"{module} imports {name}"
        for module, path in modules().items()
        if room_of(module) == room
        for name in imports(path)
        if room_of(name) not in allowed or name == DOOR
    }
    assert wrong == set()


def test_declared_imports_have_no_circle() -> None:
    assert set(TopologicalSorter(ALLOWED).static_order()) == set(ALLOWED)


def test_modules_have_no_circle() -> None:
    graph = {module: imports(path) - {module} for module, path in modules().items()}
    assert set(TopologicalSorter(graph).static_order()) >= set(modules())


def test_functions_has_every_name_that_handlers_import() -> None:
    for path in LAMBDA.glob("*/index.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == DOOR:
                for alias in node.names:
                    assert callable(getattr(functions, alias.name)), path


def test_functions_refuses_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'starter'"):
        _ = functions.starter


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("invoke_proxy", {"scaling", "champion", "jobs", "gate", "monitoring"}),
        ("endpoint_schedule", {"champion", "jobs", "gate", "monitoring"}),
        ("evaluator", {"scaling", "champion"}),
        ("job_starter", {"scaling", "champion", "monitoring"}),
        ("promote", {"jobs", "gate", "monitoring"}),
        ("default_security_group_actions", {"serving", "scaling", "champion", "jobs", "gate"}),
    ],
)
def test_function_loads_only_packages_that_it_needs(name: str, absent: set[str]) -> None:
    program = (
        f"import sys; from {DOOR} import {name}; "
        "print(*{m.split('.')[1] for m in sys.modules if m.startswith('sageloop_runtime.')})"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(LAYER)}, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    assert set(result.stdout.split()) & absent == set()


def test_declared_imports_are_used() -> None:
    used: dict[str, set[str]] = {room: set() for room in ALLOWED}
    for module, path in modules().items():
        room = room_of(module)
        if room is not None:
            used[room] |= {str(room_of(name)) for name in imports(path)} - {"None", room}
    assert used == ALLOWED


def test_handlers_import_functions_only() -> None:
    used_by = {path.parent.name: imports(path) for path in LAMBDA.glob("*/index.py")}
    assert {name for name, used in used_by.items() if used != {DOOR}} == set()
    assert len(used_by) == 11


@pytest.mark.parametrize("room", ALLOWED)
def test_package_has_a_docstring_of_one_line_and_no_code(room: str) -> None:
    tree = ast.parse((RUNTIME / room / "__init__.py").read_text())
    docstring = ast.get_docstring(tree)
    assert docstring is not None
    assert (len(tree.body), len(docstring.splitlines())) == (1, 1)
