"""A contract for import-linter: no circular imports.

Imports for type checking count too: modules that name each other's classes cannot be read or
changed separately.
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
    """No circular import within packages.

    Options: ``packages``, the root packages to check.
    """

    type_name = "no_circles"

    packages = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Search for circular imports; ``verbose`` has no effect."""
        del verbose
        roots: set[str] = self.packages  # type: ignore[assignment]
        missing = sorted(root for root in roots if root not in graph.modules)
        if missing:
            raise ValueError(f"no_circles: not in the graph of imports: {', '.join(missing)}")
        modules = [m for m in graph.modules if m.split(".")[0] in roots]
        broken = circles({m: graph.find_modules_directly_imported_by(m) for m in modules})
        return ContractCheck(kept=not broken, metadata={"circles": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print a line for each circle."""
        broken: list[list[str]] = check.metadata["circles"]
        for circle in broken[:_MOST_SHOWN]:
            output.print_error(" imports ".join(circle))
        if len(broken) > _MOST_SHOWN:
            output.print_error(f"and {len(broken) - _MOST_SHOWN} more")


def circles(imports: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Circles in a graph of imports, each from a module back to itself.

    Args:
        imports: What each module imports; modules without an entry import nothing.

    After each circle one of its imports is removed, so that every strongly connected set of
    modules is reported at least once, not every path through it.

    >>> circles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})
    [['a', 'b', 'c', 'a']]

    """
    left = {module: set(names) for module, names in sorted(imports.items())}
    closed = []
    while True:
        sorter: TopologicalSorter[Any] = TopologicalSorter(left)
        try:
            sorter.prepare()
        except CycleError as error:
            # Edges point from the imported to the importing module; the reverse order is reported.
            circle = list(reversed(error.args[1]))
            left[circle[0]].discard(circle[1])
            start = circle.index(min(circle))
            closed.append([*circle[start:-1], *circle[: start + 1]])
        else:
            return closed
