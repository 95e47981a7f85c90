"""The instance type of a job, and its fallbacks for a lack of capacity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sageloop_runtime.errors import BadInputError
from sageloop_runtime.jobs.kinds import Kind, definitions_of, kind_of

CAPACITY = "CapacityError"
"""The prefix of the failure reason of a job for which there was no capacity."""

_TUNING_RESOURCES = "HyperParameterTuningResourceConfig"


def fallbacks_of(document: Mapping[str, Any]) -> list[str]:
    """The types to try after the type of the request, in order."""
    return list(document.get("fallback_instance_types") or [])


def check_fallbacks(document: dict[str, Any]) -> None:
    """Check the fallback types of a document.

    Raises:
        BadInputError: if they are invalid.

    """
    types = document.get("fallback_instance_types")
    if types is None or types == []:
        return
    if not isinstance(types, list) or not all(isinstance(item, str) for item in types):
        raise BadInputError(f"'fallback_instance_types' is {types!r}: a list of types is expected")
    configs = _resource_configs(kind_of(document), document["request"])
    own = [config.get("InstanceType") for config in configs]
    if not own or None in own:
        raise BadInputError(
            "'fallback_instance_types' need one InstanceType in the request: "
            "groups and lists of instances have several"
        )
    duplicates = sorted({item for item in types if types.count(item) > 1 or set(own) == {item}})
    if duplicates:
        raise BadInputError(f"'fallback_instance_types' has {', '.join(duplicates)} twice")


def type_at(document: dict[str, Any], index: int) -> str | None:
    """The type at ``index``; 0 is the type of the request, None if it has several or none."""
    if index:
        return fallbacks_of(document)[index - 1]
    return type_in(kind_of(document), document["request"])


def type_in(kind: Kind, request: dict[str, Any]) -> str | None:
    """The type of a request or a description; None if it has several or none."""
    types = {config.get("InstanceType") for config in _resource_configs(kind, request)}
    return str(types.pop()) if len(types) == 1 and None not in types else None


def with_type(document: dict[str, Any], request: dict[str, Any], index: int) -> None:
    """Set the instance type of the request to the type at ``index``; 0 changes nothing."""
    if index:
        for config in _resource_configs(kind_of(document), request):
            config["InstanceType"] = fallbacks_of(document)[index - 1]


def _resource_configs(kind: Kind, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects with the instance type."""
    for definition in definitions_of(kind, request):
        first, *rest = kind.resources
        config = definition.get(first, definition.get(_TUNING_RESOURCES, {}))
        for name in rest:
            config = config.get(name, {})
        if config:
            yield config
