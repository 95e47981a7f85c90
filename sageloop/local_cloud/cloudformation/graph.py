"""Dependency graph of a template's resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sageloop.local_cloud.cloudformation.errors import invalid
from sageloop.local_cloud.cloudformation.scalars import scalar_text
from sageloop.local_cloud.cloudformation.template_functions import SUB_REFERENCE

Graph = dict[str, frozenset[str]]
# The value of a condition; ``None`` if it is not known.
Conditions = Callable[[str], bool | None]


def dependencies(
    resources: Mapping[str, Mapping[str, Any]],
    *,
    known: Iterable[str],
    condition: Conditions,
) -> Graph:
    """The active resources on which each active resource depends.

    ``resources`` are those whose condition is true, ``known`` the names of parameters and pseudo
    parameters. Without the value of a condition, neither branch of ``Fn::If`` counts: AWS finds a
    circle through branches only if they are selected.

    Raises:
        AwsError: References are unresolved (all are listed), or dependencies are circular.

    """
    others = set(known)
    needed: Graph = {}
    dangling: set[str] = set()
    for logical_id, resource in resources.items():
        named = set(references(resource.get("Properties", {}), condition)) - others
        dangling |= named - resources.keys()
        # A condition may have removed what DependsOn names; AWS then ignores the entry.
        declared = set(depends_on(resource)) & resources.keys()
        needed[logical_id] = frozenset((named | declared) & resources.keys())
    if dangling:
        raise invalid(
            "Template format error: Unresolved resource dependencies "
            f"[{', '.join(sorted(dangling))}] in the Resources block of the template"
        )
    refuse_cycle(needed)
    return needed


def depends_on(resource: Mapping[str, Any]) -> list[str]:
    """The entries of ``DependsOn``."""
    named = resource.get("DependsOn", [])
    return [named] if isinstance(named, str) else list(named)


def references(value: Any, condition: Conditions) -> Iterator[str]:
    """Every name that an expression refers to; of ``Fn::If`` only the selected branch, if known."""
    if isinstance(value, list):
        for inner in value:
            yield from references(inner, condition)
    if not isinstance(value, dict):
        return
    if len(value) == 1:
        ((name, argument),) = value.items()
        own = _REFERENCES_OF.get(name)
        if own is not None:
            yield from own(argument, condition)
            return
    for inner in value.values():
        yield from references(inner, condition)


def reversed_graph(graph: Mapping[str, frozenset[str]]) -> Graph:
    """For each node, its dependents: the order of deletion."""
    turned: dict[str, set[str]] = {node: set() for node in graph}
    for node, needs in graph.items():
        for need in needs:
            if need in turned:
                turned[need].add(node)
    return {node: frozenset(needing) for node, needing in turned.items()}


def in_order(graph: Mapping[str, frozenset[str]]) -> list[str]:
    """The nodes in dependency order."""
    ordered: dict[str, None] = {}
    for start in graph:
        stack = [start]
        while stack:
            node = stack[-1]
            waiting = [n for n in sorted(graph[node]) if n in graph and n not in ordered]
            if waiting:
                stack.extend(waiting)
            else:
                ordered[stack.pop()] = None
    return list(ordered)


def _in_ref(argument: Any, _: Conditions) -> Iterator[str]:
    if not isinstance(argument, dict | list):
        yield scalar_text(argument)


def _in_get_att(argument: Any, _: Conditions) -> Iterator[str]:
    yield argument.split(".")[0] if isinstance(argument, str) else scalar_text(argument[0])


def _in_sub(argument: Any, condition: Conditions) -> Iterator[str]:
    text, variables = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
    for name in SUB_REFERENCE.findall(text):
        if not name.startswith("!") and name.strip() not in variables:
            yield name.strip().split(".")[0]
    yield from references(variables, condition)


def _in_if(argument: Any, condition: Conditions) -> Iterator[str]:
    chosen = condition(argument[0])
    if chosen is not None:
        yield from references(argument[1 if chosen else 2], condition)


_REFERENCES_OF: dict[str, Callable[[Any, Conditions], Iterator[str]]] = {
    "Ref": _in_ref, "Fn::GetAtt": _in_get_att, "Fn::Sub": _in_sub, "Fn::If": _in_if,
}  # fmt: skip


def refuse_cycle(graph: Graph) -> None:
    """Raise ``ValidationError`` with the resources of a circle, if there is one."""
    circle = cycle_in(graph)
    if circle:
        raise invalid(
            f"Template error: Circular dependency between resources: [{', '.join(sorted(circle))}]"
        )


def cycle_in(graph: Mapping[str, frozenset[str]]) -> set[str]:
    """The nodes of a circle and those between circles; empty if there is none."""
    left = dict(graph)
    while left:
        free = [node for node, needs in left.items() if not needs & left.keys()]
        if not free:
            return _cycle_members(left)
        for node in free:
            del left[node]
    return set()


def _cycle_members(graph: Graph) -> set[str]:
    # Nodes that only lead to a cycle are removed too, so that the error names the cycle only.
    left = dict(graph)
    while True:
        needed = frozenset().union(*left.values())
        loose = [node for node in left if node not in needed]
        if not loose:
            return set(left)
        for node in loose:
            del left[node]
