"""The modules that are mutated, and how many of their mutants the tests must notice."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "lambda" / "layer" / "python"
TESTS = ("tests/faults", "tests/unit/functions")

_CORE = (
    "aws/state_table.py", "aws/custom_resource.py", "champion/", "gate/", "reconciliation/",
    "jobs/dispatch.py", "jobs/job_resource.py", "jobs/job_starter.py", "jobs/triggers.py",
)  # fmt: skip
"""The lock, the champion, the gate, custom resources and the reconciler."""


def modules() -> list[str]:
    """Every module with code, as a path below the package, core modules first."""
    package = LAYER / "sageloop_runtime"
    names = [str(path.relative_to(package)) for path in package.rglob("*.py")]
    return sorted(
        (name for name in names if not name.endswith("__init__.py")),
        key=lambda name: (not is_core(name), name),
    )


def is_core(name: str) -> bool:
    """Whether each mutant of a module must be noticed or be equivalent."""
    return name.startswith(_CORE)


def bound(name: str) -> float:
    """The fraction of a module's mutants that the tests must notice."""
    return 1.0 if is_core(name) else 0.9


def source_of(name: str) -> Path:
    """The file of a module."""
    return LAYER / "sageloop_runtime" / name


def import_all() -> None:
    """Import the modules before the first test.

    They are imported at their first use; the lines of their constants would else be those of the
    one test that is the first.
    """
    sys.path.insert(0, str(LAYER))
    for name in modules():
        import_module(f"sageloop_runtime.{name.removesuffix('.py').replace('/', '.')}")
