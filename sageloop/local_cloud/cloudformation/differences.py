"""Compares two versions of a resource, and determines whether it is replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from sageloop.local_cloud.cloudformation.intrinsics import (
    Unknown,
    same,
    unknown_inside,
)
from sageloop.local_cloud.cloudformation.scalars import scalar_text

Recreation = Literal["Never", "Conditionally", "Always"]


class SchemaFacts(Protocol):
    """The parts of a resource type's schema that the comparison uses."""

    @property
    def properties(self) -> frozenset[str]:
        """Names of all properties."""
        ...

    @property
    def create_only(self) -> frozenset[str]:
        """Dotted paths whose change replaces the resource; ``*`` is each element of a list."""
        ...

    @property
    def unordered(self) -> frozenset[str]:
        """Dotted paths of lists whose order has no meaning."""
        ...

    @property
    def primary_identifier(self) -> tuple[str, ...]:
        """Dotted paths that together identify a resource."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """The top-level properties that differ, each with whether it requires replacement.

    ``members`` are the other members of the resource that differ: ``Metadata``, ``DeletionPolicy``,
    ``UpdateReplacePolicy``.
    """

    properties: Mapping[str, Recreation] = field(default_factory=dict)
    members: tuple[str, ...] = ()

    @property
    def replacement(self) -> Literal["True", "False", "Conditional"]:
        """Whether the resource is replaced, in the terms of change sets."""
        requirements = set(self.properties.values())
        if "Always" in requirements:
            return "True"
        return "Conditional" if "Conditionally" in requirements else "False"

    def __bool__(self) -> bool:
        return bool(self.properties or self.members)


def compare(
    old: Mapping[str, Any], new: Mapping[str, Any], schema: SchemaFacts | None
) -> dict[str, Recreation]:
    """Compare two resolved property sets.

    Scalars are equal if their texts are. Lists in another order are equal if the schema declares
    that their order has no meaning; that CloudFormation itself reads the schema so is unverified.
    """
    paths = schema.create_only if schema else frozenset()
    unordered = schema.unordered if schema else frozenset()
    return {
        name: _recreation(name, old, new, paths, unordered)
        for name in sorted(old.keys() | new.keys())
        if name not in old or name not in new or not _equal(old[name], new[name], name, unordered)
    }


def collides(old: Mapping[str, Any], new: Mapping[str, Any], schema: SchemaFacts | None) -> bool:
    """Whether a replacement would have the same name as the resource that it replaces."""
    if schema is None or not schema.primary_identifier:
        return False
    pairs = [
        (_at(old, path.split(".")), _at(new, path.split("."))) for path in schema.primary_identifier
    ]
    return all(after != [] and same(before, after) for before, after in pairs)


def _equal(old: Any, new: Any, path: str, unordered: frozenset[str]) -> bool:
    if same(old, new):
        return True
    if not unordered or unknown_inside(old) or unknown_inside(new):
        return False
    return same(_sorted(old, path, unordered), _sorted(new, path, unordered))


def _sorted(value: Any, path: str, unordered: frozenset[str]) -> Any:
    """A value with its unordered lists in one order."""
    if isinstance(value, Mapping):
        return {k: _sorted(inner, f"{path}.{k}", unordered) for k, inner in value.items()}
    if isinstance(value, list):
        elements = [_sorted(inner, f"{path}.*", unordered) for inner in value]
        return sorted(elements, key=_sort_key) if path in unordered else elements
    return value


def _sort_key(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(sorted((key, _sort_key(inner)) for key, inner in value.items()))
    return (
        str([_sort_key(inner) for inner in value])
        if isinstance(value, list)
        else scalar_text(value)
    )


def _recreation(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], paths: Iterable[str],
    unordered: frozenset[str],
) -> Recreation:  # fmt: skip
    worst: Recreation = "Never"
    for path in paths:
        parts = path.split(".")
        if parts[0] != name:
            continue
        before, after = _at(old, parts), _at(new, parts)
        # The list of what is at the path is no list of the resource: its order counts.
        if len(before) == len(after) and all(
            _equal(*pair, path, unordered) for pair in zip(before, after, strict=True)
        ):
            continue
        unknown = unknown_inside(after)
        if unknown is None or unknown.definite:
            return "Always"
        worst = "Conditionally"
    return worst


def _at(value: Any, parts: list[str]) -> list[Any]:
    if isinstance(value, Unknown):
        return [value]
    if not parts:
        return [value]
    if isinstance(value, list):
        rest = parts[1:] if parts[0] == "*" else parts
        return [element_value for element in value for element_value in _at(element, rest)]
    if isinstance(value, Mapping) and parts[0] in value:
        return _at(value[parts[0]], parts[1:])
    return []
