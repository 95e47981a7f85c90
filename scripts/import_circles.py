"""A contract for import-linter: no module imports itself by way of others.

An import for the sake of types counts: two modules that name each other's classes can neither be
read nor changed on their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from grimp import ImportGraph
from importlinter.application import output
from importlinter.domain import fields
from importlinter.domain.contract import Contract, ContractCheck

_MOST_SHOWN = 20


class NoCircles(Contract):
    """No circle of imports within some packages.

    Options: ``packages``, the root packages that are looked at.
    """

    type_name = "no_circles"

    packages = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look for circles; ``verbose`` adds nothing."""
        del verbose
        roots: set[str] = self.packages  # type: ignore[assignment]
        missing = sorted(root for root in roots if root not in graph.modules)
        if missing:
            raise ValueError(f"no_circles: not in the graph of imports: {', '.join(missing)}")
        modules = [m for m in graph.modules if m.split(".")[0] in roots]
        found = circles({m: graph.find_modules_directly_imported_by(m) for m in modules})
        return ContractCheck(kept=not found, metadata={"circles": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print a line for each circle."""
        found: list[list[str]] = check.metadata["circles"]
        for circle in found[:_MOST_SHOWN]:
            output.print_error(" imports ".join(circle))
        if len(found) > _MOST_SHOWN:
            output.print_error(f"and {len(found) - _MOST_SHOWN} more")


def circles(imports: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Circles in a graph of imports, each from a module back to itself.

    Args:
        imports: What each module imports; modules without an entry import nothing.

    After each circle one of its imports is taken away, so that every set of modules that hold
    each other appears at least once, not every way through it.

    >>> circles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})
    [['a', 'b', 'c', 'a']]

    """
    left = {module: set(names) for module, names in sorted(imports.items())}
    found = []
    while True:
        sorter: TopologicalSorter[Any] = TopologicalSorter(left)
        try:
            sorter.prepare()
        except CycleError as error:
            # Named from the imported to the importing one; the other way round it reads better.
            circle = list(reversed(error.args[1]))
            left[circle[0]].discard(circle[1])
            start = circle.index(min(circle))
            found.append([*circle[start:-1], *circle[: start + 1]])
        else:
            return found
