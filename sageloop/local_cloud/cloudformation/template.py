"""Templates: parses JSON or YAML text to a validated document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml  # type: ignore[import-untyped]

from sageloop.local_cloud.cloudformation.errors import invalid, refused
from sageloop.local_cloud.core.errors import AwsError

_SECTIONS = frozenset(
    ("AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings",
     "Conditions", "Transform", "Resources", "Outputs", "Hooks")
)  # fmt: skip
_RESOURCE_MEMBERS = frozenset(
    ("Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy",
     "UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy")
)  # fmt: skip
_POLICIES = ("Delete", "Retain", "Snapshot", "RetainExceptOnCreate")
_LIMITS = {"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}
# A limit of the local cloud: AWS documents none.
MAX_DEPTH = 100
MAX_BODY_BYTES = 51_200
MAX_STORED_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template; ``text`` is the submitted text, byte for byte."""

    text: str
    body: dict[str, Any]

    def section(self, name: str) -> dict[str, Any]:
        """A section's entries; empty if the template has no such section."""
        section = self.body.get(name)
        return section if isinstance(section, dict) else {}

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources by logical id."""
        return self.section("Resources")

    @property
    def description(self) -> str | None:
        """The description, or an empty string."""
        return self.body.get("Description")


EMPTY = Template("{}", {})


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML as CloudFormation parses it: short function tags, dates as text, no aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node of the document; an alias is refused before it is expanded."""
        if self.check_event(yaml.events.AliasEvent):
            raise invalid(
                "Template error: YAML aliases are not allowed in CloudFormation templates"
            )
        return super().compose_node(parent, index)

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {
        first: [(tag, expression) for tag, expression in known if not tag.endswith(":timestamp")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


_Loader.add_multi_constructor("!", _short_form)


def parse_template(text: str) -> Template:
    """Parse and validate a template.

    Raises:
        AwsError: ``ValidationError`` with the problem.

    """
    body = _load(text)
    _check_depth(body)
    if not isinstance(body, dict):
        raise invalid("Template format error: unsupported structure.")
    unknown = sorted(set(map(str, body)) - _SECTIONS)
    if unknown:
        raise invalid(
            "Invalid template property or properties [" + ", ".join(unknown) + "]; a template's "
            f"sections are {', '.join(sorted(_SECTIONS))}"
        )
    _refuse_macros(body)
    _check_sections(body)
    template = Template(text, body)
    for logical_id, resource in template.resources.items():
        _check_resource(logical_id, resource)
    return template


def _load(text: str) -> Any:
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise invalid(
            f"Template format error: JSON not well-formed. (line {error.lineno}, "
            f"column {error.colno})"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise invalid(f"Template format error: YAML not well-formed.{where}") from None


def _check_depth(body: Any) -> None:
    # Iterative: the depth of the call stack must not depend on the template.
    level = [body]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level if isinstance(value, dict | list) for inner in _in(value)]
        if not level:
            return
    raise _too_deep()


def _in(value: dict[Any, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _too_deep() -> AwsError:
    return invalid(f"Template format error: the template is nested deeper than {MAX_DEPTH} levels")


def _refuse_macros(body: Mapping[str, Any]) -> None:
    transform = body.get("Transform")
    if transform:
        names = transform if isinstance(transform, list) else [transform]
        raise refused("Transform " + ", ".join(str(name) for name in names))
    if body.get("Hooks"):
        raise refused("the section Hooks")


def _check_sections(body: Mapping[str, Any]) -> None:
    resources = body.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise invalid("Template format error: At least one Resources member must be defined.")
    for name, limit in _LIMITS.items():
        count = len(body.get(name) or {})
        if count > limit:
            raise invalid(
                f"Template format error: Number of {name.lower()}, {count}, is greater than "
                f"maximum allowed, {limit}"
            )


def _check_resource(logical_id: str, resource: Any) -> None:
    if not logical_id.isalnum():
        raise invalid(f"Template format error: Resource name {logical_id} is non alphanumeric.")
    if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
        raise invalid(
            f"Template format error: [/Resources/{logical_id}] Every Resources object must "
            "contain a Type member."
        )
    unknown = sorted(set(resource) - _RESOURCE_MEMBERS)
    if unknown:
        raise invalid(
            "Invalid template resource property '"
            + "', '".join(unknown)
            + f"' of {logical_id}; allowed are {', '.join(sorted(_RESOURCE_MEMBERS))}"
        )
    for member in ("DeletionPolicy", "UpdateReplacePolicy"):
        policy = resource.get(member, "Delete")
        allowed = _POLICIES if member == "DeletionPolicy" else _POLICIES[:3]
        if policy not in allowed:
            raise invalid(
                f"Template format error: Unrecognized {member} {policy} for resource "
                f"{logical_id}; allowed are {', '.join(allowed)}"
            )
