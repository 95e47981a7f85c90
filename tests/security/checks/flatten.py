"""Templates with intrinsic functions replaced by text, for rule packs that read literal values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Template = dict[str, Any]
Resource = dict[str, Any]

_VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")


def flat(value: Any) -> Any:
    """The value with each intrinsic function replaced by a text with its reference.

    ``{"Ref": "Key"}`` becomes ``<Key>``, ``{"Fn::GetAtt": ["Key", "Arn"]}`` ``<Key.Arn>``; joins
    and substitutions are evaluated; a condition keeps both branches as a list.
    """
    if isinstance(value, list):
        return [flat(v) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name == "Ref" or name.startswith("Fn::"):
            return _FUNCTIONS.get(name, lambda i: f"<{name} {flat(i)}>")(inner)
    return {k: flat(v) for k, v in value.items()}


def _attribute(inner: Any) -> str:
    parts = inner if isinstance(inner, list) else inner.split(".", 1)
    return f"<{parts[0]}.{parts[1]}>"


def _substituted(inner: Any) -> str:
    text = inner if isinstance(inner, str) else inner[0]
    return _VARIABLE.sub(lambda m: f"<{m[2]}>", text)


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Ref": lambda inner: f"<{inner}>",
    "Fn::GetAtt": _attribute,
    "Fn::Join": lambda inner: inner[0].join(str(flat(v)) for v in inner[1]),
    "Fn::Sub": _substituted,
    "Fn::ImportValue": lambda inner: f"<import {flat(inner)}>",
    "Fn::If": lambda inner: [flat(inner[1]), flat(inner[2])],
}


def resources(template: Template, kind: str | None = None) -> dict[str, Resource]:
    """The resources of a template by logical id, optionally of one type."""
    return {
        name: resource
        for name, resource in template.get("Resources", {}).items()
        if kind in (None, resource["Type"])
    }


def properties(resource: Resource) -> dict[str, Any]:
    """A resource's properties, flat."""
    result: dict[str, Any] = flat(resource.get("Properties", {}))
    return result


def as_list(value: Any) -> list[Any]:
    """A policy element as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
