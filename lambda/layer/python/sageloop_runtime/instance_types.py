"""The instance types of a job: its own, and those tried after it where there is no capacity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sageloop_runtime.errors import BadInputError
from sageloop_runtime.kinds import Kind, kind_of, parts_of

CAPACITY = "CapacityError"
"""What the reason of a job begins with that found no instances."""

_TUNING_RESOURCES = "HyperParameterTuningResourceConfig"


def fallbacks_of(document: Mapping[str, Any]) -> list[str]:
    """The types to try after the request's own, in their order."""
    return list(document.get("fallback_instance_types") or [])


def check_fallbacks(document: dict[str, Any]) -> None:
    """Refuse fallback types that cannot be tried.

    Raises:
        BadInputError: in one line, what is wrong with them.

    """
    given = document.get("fallback_instance_types")
    if given is None or given == []:
        return
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise BadInputError(f"'fallback_instance_types' is {given!r}: a list of types is expected")
    own = [place.get("InstanceType") for place in _places(kind_of(document), document["request"])]
    if not own or None in own:
        raise BadInputError(
            "'fallback_instance_types' need one InstanceType in the request: "
            "groups and lists of instances have several"
        )
    twice = sorted({item for item in given if given.count(item) > 1 or set(own) == {item}})
    if twice:
        raise BadInputError(f"'fallback_instance_types' names {', '.join(twice)} twice")


def type_at(document: dict[str, Any], index: int) -> str | None:
    """The type tried at ``index``, 0 being the request's own; None if it has several or none."""
    if index:
        return fallbacks_of(document)[index - 1]
    return type_in(kind_of(document), document["request"])


def type_in(kind: Kind, request: dict[str, Any]) -> str | None:
    """The one type that a request, or what Describe answers, names."""
    types = {place.get("InstanceType") for place in _places(kind, request)}
    return str(types.pop()) if len(types) == 1 and None not in types else None


def with_type(document: dict[str, Any], request: dict[str, Any], index: int) -> None:
    """Make the request ask for the type at ``index``; 0 leaves it as it is."""
    if index:
        for place in _places(kind_of(document), request):
            place["InstanceType"] = fallbacks_of(document)[index - 1]


def _places(kind: Kind, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that say the instance type."""
    for part in parts_of(kind, request):
        first, *rest = kind.resources
        place = part.get(first, part.get(_TUNING_RESOURCES, {}))
        for name in rest:
            place = place.get(name, {})
        if place:
            yield place
