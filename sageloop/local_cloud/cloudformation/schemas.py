"""AWS's resource provider schemas: properties of resource types, and replacement on change.

The schemas are the JSON files that cfn-lint ships as package data; cfn-lint itself is never
imported, because that takes seconds. A schema is read on its first use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_REGION = "us-east-1"
# Properties whose change replaces the resource by AWS's documentation, not by its schema.
_ALSO_CREATE_ONLY = {
    "AWS::DynamoDB::Table": ("LocalSecondaryIndexes",),
    "AWS::EC2::VPCGatewayAttachment": ("InternetGatewayId",),
    "AWS::Events::EventBus": ("EventSourceName",),
}
_CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The schema of one resource type.

    Paths are dotted and relative to the properties (``VpcConfig``, ``Code.S3Key``); ``*`` stands
    for each element of a list. ``create_only`` includes conditional ones: where AWS may replace,
    the local cloud does.
    """

    type_name: str
    properties: frozenset[str]
    required: frozenset[str]
    create_only: frozenset[str]
    read_only: frozenset[str]
    write_only: frozenset[str]
    primary_identifier: tuple[str, ...]
    defaults: Mapping[str, Any]
    document: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def unordered(self) -> frozenset[str]:
        """The list of tags, if the schema declares that its order has no meaning.

        Schemas declare so of other lists too, even of the containers of an inference pipeline,
        which are invoked in their order: there a new order is a change.
        """
        tags = self.document.get("tagging", {}).get("tagProperty", "/properties/Tags")
        name = str(tags).removeprefix("/properties/")
        node = self.document.get("properties", {}).get(name, {})
        return frozenset((name,) if node.get("insertionOrder") is False else ())


def is_custom(type_name: str) -> bool:
    """Whether a type is a custom resource."""
    return type_name.startswith(_CUSTOM)


@cache
def schema_of(type_name: str) -> Schema | None:
    """The schema of a type, or ``None`` if AWS has no such type."""
    digest = _digests().get(type_name)
    if digest is None:
        return None
    document = json.loads((_data() / "resources" / f"{digest}.json").read_text())
    properties = document.get("properties", {})
    return Schema(
        type_name=type_name,
        properties=frozenset(properties),
        required=frozenset(document.get("required", ())),
        create_only=frozenset(
            (
                *_paths(document, "createOnlyProperties"),
                *_paths(document, "conditionalCreateOnlyProperties"),
                *_ALSO_CREATE_ONLY.get(type_name, ()),
            )
        ),
        read_only=frozenset(_paths(document, "readOnlyProperties")),
        write_only=frozenset(_paths(document, "writeOnlyProperties")),
        primary_identifier=_paths(document, "primaryIdentifier"),
        defaults={k: v["default"] for k, v in properties.items() if "default" in v},
        document=document,
    )


@cache
def _data() -> Path:
    # find_spec locates a package without importing it; importlib.resources would import it.
    spec = find_spec("cfnlint")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            "the provider schemas come with cfn-lint, which is not installed: "
            "install sageloop-local"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data" / "schemas"


@cache
def _digests() -> Mapping[str, str]:
    digests: dict[str, str] = json.loads(
        (_data() / "providers" / f"{_REGION}.json").read_text(encoding="utf-8")
    )
    return digests


def _paths(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(
        path.removeprefix("/properties/").replace("/", ".") for path in document.get(key, ())
    )


def unknown_properties(schema: Schema, properties: Mapping[str, Any]) -> list[str]:
    """Dotted paths in ``properties`` that the schema does not define, at any depth.

    Intrinsic functions are not checked; their results are checked when they are used.
    """
    return sorted(set(_unknown(properties, [schema.document], schema.document, "")))


def _unknown(
    value: Any, nodes: list[Mapping[str, Any]], root: Mapping[str, Any], path: str
) -> Iterator[str]:
    if _is_intrinsic(value):
        return
    if isinstance(value, list):
        inner = [n["items"] for n in _variants(nodes, root) if isinstance(n.get("items"), dict)]
        for element in value:
            yield from _unknown(element, inner, root, path)
    elif isinstance(value, Mapping):
        variants = _variants(nodes, root)
        if not any("properties" in n for n in variants) or any(_is_open(n) for n in variants):
            return
        known = [n["properties"] for n in variants if "properties" in n]
        for name, below in value.items():
            under = [p[name] for p in known if isinstance(p.get(name), dict)]
            where = f"{path}.{name}" if path else name
            if not any(name in p for p in known):
                yield where
            elif under:
                yield from _unknown(below, under, root, where)


def _is_open(node: Mapping[str, Any]) -> bool:
    return bool(node.get("patternProperties")) or isinstance(node.get("additionalProperties"), dict)


def _is_intrinsic(value: Any) -> bool:
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    name = next(iter(value))
    return name in ("Ref", "Condition") or str(name).startswith("Fn::")


def _variants(nodes: list[Mapping[str, Any]], root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Each form of a value: references resolved, alternatives expanded."""
    forms: list[Mapping[str, Any]] = []
    waiting = list(nodes)
    visited: set[str] = set()
    while waiting:
        node = waiting.pop()
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in visited:
            visited.add(reference)
            waiting.append(_resolve(reference, root))
        for key in ("oneOf", "anyOf", "allOf"):
            waiting.extend(n for n in node.get(key, ()) if isinstance(n, dict))
        forms.append(node)
    return forms


def _resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    node: Any = root
    for part in reference.removeprefix("#/").split("/"):
        node = node.get(part, {})
    return node if isinstance(node, Mapping) else {}


def unsupported(resources: Mapping[str, Mapping[str, Any]], *, allow: frozenset[str]) -> list[str]:
    """The parts of a template's resources that the local cloud does not support.

    Args:
        resources: The template's ``Resources``, intrinsic functions included.
        allow: Names that the user allows to be stored without effect: a type
            (``AWS::X::Y``) or a property (``AWS::X::Y.Property``).

    Returns:
        One line for each problem, empty if everything is supported.

    """
    return [
        problem
        for logical_id, resource in resources.items()
        for problem in _problems(logical_id, resource, allow)
    ]


def _problems(logical_id: str, resource: Mapping[str, Any], allow: frozenset[str]) -> Iterator[str]:
    from sageloop.local_cloud.cloudformation.providers.registry import coverage_of

    type_name = str(resource.get("Type", ""))
    if is_custom(type_name) or type_name in allow:
        return
    schema, coverage = schema_of(type_name), coverage_of(type_name)
    if coverage is None:
        yield _unsupported_type(logical_id, type_name, known=schema is not None)
        return
    properties = resource.get("Properties") or {}
    if _is_intrinsic(properties):
        return
    if schema is not None:
        for path in unknown_properties(schema, properties):
            yield (
                f"{logical_id} ({type_name}): AWS has no property {path}; "
                f"it has {', '.join(sorted(schema.properties))}"
            )
    known = schema.properties if schema is not None else frozenset(properties)
    for name in properties:
        if name in known and not coverage.takes(name) and f"{type_name}.{name}" not in allow:
            yield (
                f"{logical_id} ({type_name}): the local cloud does not support property {name}; "
                f"it supports {', '.join(sorted(coverage.executed))}"
                f"{_stored_too(coverage.stored)}; "
                f"to deploy without its effect, allow {type_name}.{name} by name"
            )


def _stored_too(stored: frozenset[str]) -> str:
    return f" and stores {', '.join(sorted(stored))}" if stored else ""


def _unsupported_type(logical_id: str, type_name: str, *, known: bool) -> str:
    if not known:
        return f"{logical_id}: AWS has no resource type {type_name!r}"
    return (
        f"{logical_id}: the local cloud does not support resource type {type_name}; "
        f"to deploy with it stored without effect, allow {type_name} by name"
    )
