"""Typed CloudFormation properties from SageMaker API requests.

The same request is validated, stored in a document, and used in the template. jsii would drop
unknown names of a mapping; this module refuses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_type_hints

from .errors import ConfigurationError


def arguments(owner: type, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of a CloudFormation resource or of one of its properties.

    Args:
        owner: An L1, for example ``CfnModel``, or a structure of it.
        properties: Its properties by CloudFormation's names.

    Raises:
        ConfigurationError: If it has no property of a name.

    Example: ``CfnModel(stack, "Model", **arguments(CfnModel, {"ExecutionRoleArn": role_arn}))``

    """
    known = _members(owner)
    made = {}
    for name, value in properties.items():
        member = known.get(_plain(name))
        if member is None:
            raise ConfigurationError("PropertyUnknown", owner.__name__, f"no property {name!r}")
        made[member[0]] = _typed(member[1], value)
    return made


def _typed(structure: type | None, value: Any) -> Any:
    if structure is None:
        return dict(value) if isinstance(value, Mapping) else value
    if isinstance(value, Mapping):
        return structure(**arguments(structure, value))
    if isinstance(value, list | tuple):
        return [_typed(structure, each) for each in value]
    return value


@cache
def _members(owner: type) -> dict[str, tuple[str, type | None]]:
    hints = get_type_hints(owner.__init__)  # type: ignore[misc]
    return {
        _plain(name): (name, _structure(hint)) for name, hint in hints.items() if name != "return"
    }


def _structure(hint: Any) -> type | None:
    """The type of a member, or of the items of a list."""
    if isinstance(hint, type) and hint.__name__.endswith("Property"):
        return hint
    for each in get_args(hint):
        structure = _structure(each)
        if structure is not None:
            return structure
    return None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
