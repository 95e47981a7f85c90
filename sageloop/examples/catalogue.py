"""Finds the examples: every folder of ``examples/`` with a ``run.py``."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sageloop.examples.stage import Stage


class ExampleError(RuntimeError):
    """The example does not exist, or its requirements are not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One example.

    Attributes:
        name: Name of its folder.
        folder: The folder with its ``app.py``, ``cdk.json`` and ``run.py``.
        title: First line of the docstring of its ``run.py``.
        needs: Required distributions beyond ``local``, with the extra that installs each.

    """

    name: str
    folder: Path
    title: str
    needs: tuple[tuple[str, str], ...]

    def missing(self) -> list[str]:
        """The missing requirements, as one line each."""
        return [
            f"{package} is not installed: pip install 'sageloop[{extra}]'"
            for package, extra in self.needs
            if not _installed(package)
        ]

    def function(self) -> Callable[[Stage], None]:
        """The example's ``run``; its folder is importable during the import only."""
        place = self.folder / "run.py"
        spec = importlib.util.spec_from_file_location(f"sageloop_example_{self.name}", place)
        if spec is None or spec.loader is None:
            raise ExampleError(f"{place} cannot be loaded")
        module = importlib.util.module_from_spec(spec)
        # Dataclasses import their module by its name.
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        run: Callable[[Stage], None] = module.run
        return run


def find_examples(project: Path) -> dict[str, Example]:
    """Examples of a checkout by name.

    Raises:
        ExampleError: If there are none: the folder is not a checkout of the project.

    """
    examples = {place.parent.name: _read(place) for place in project.glob("examples/*/run.py")}
    if not examples:
        raise ExampleError(f"no examples in {project / 'examples'}: run this in a checkout")
    return dict(sorted(examples.items()))


def chosen(examples: dict[str, Example], names: list[str]) -> list[Example]:
    """Examples by name, or all.

    Raises:
        ExampleError: If a name is unknown.

    """
    unknown = [name for name in names if name not in examples]
    if unknown:
        raise ExampleError(f"no example {unknown[0]!r}: available: {', '.join(examples)}")
    return [examples[name] for name in names] if names else list(examples.values())


def _read(place: Path) -> Example:
    # Parsed, not imported: listing examples must not require their requirements.
    tree = ast.parse(place.read_text())
    title = (ast.get_docstring(tree) or place.parent.name).splitlines()[0]
    return Example(
        name=place.parent.name,
        folder=place.parent.resolve(),
        title=title,
        needs=tuple(_literal(tree, "NEEDS", {}).items()),
    )


def _literal(tree: ast.Module, name: str, default: Any) -> Any:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            return ast.literal_eval(node.value)
    return default


def _installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
