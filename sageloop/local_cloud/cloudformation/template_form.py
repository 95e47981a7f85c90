"""Checks the form of a template: sections, names, members, values that must be there, and sizes.

Sizes are those of
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html. Messages
that are AWS's are known from reports of users; the words of the others are the project's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sageloop.local_cloud.cloudformation.errors import invalid, refused
from sageloop.local_cloud.cloudformation.parameter_form import check_parameter
from sageloop.local_cloud.core.errors import AwsError

_SECTIONS = frozenset(
    ("AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings",
     "Conditions", "Transform", "Resources", "Outputs", "Hooks")
)  # fmt: skip
_MAPS = ("Metadata", "Parameters", "Rules", "Mappings", "Conditions", "Outputs")
_LIMITS = {"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}
_ATTRIBUTES = 200
_LONGEST_NAME = 255
_LONGEST_DESCRIPTION = 1024
_RESOURCE_MEMBERS = frozenset(
    ("Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy",
     "UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy")
)  # fmt: skip
_OUTPUT_MEMBERS = frozenset(("Value", "Description", "Export", "Condition"))
_POLICIES = ("Delete", "Retain", "Snapshot", "RetainExceptOnCreate")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")
_CONDITION_NAME = re.compile(r"[A-Za-z0-9&_]+")
_MAPPING_KEY = re.compile(r"[A-Za-z0-9.-]+")
_EXPORT_NAME = re.compile(r"[A-Za-z0-9:-]+")
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
_CUSTOM_TYPE = re.compile(r"Custom::[A-Za-z0-9_@-]+")
_LONGEST_CUSTOM_TYPE = 60


def check_form(body: Any) -> None:
    """Check a document's form.

    Raises:
        AwsError: ``ValidationError`` with the first problem.

    """
    if not isinstance(body, dict):
        raise invalid("Template format error: unsupported structure.")
    for path in _nulls(body, ""):
        raise invalid(f"[{path}] 'null' values are not allowed in templates")
    unknown = sorted(body.keys() - _SECTIONS)
    if unknown:
        raise invalid(
            "Invalid template property or properties [" + ", ".join(unknown) + "]; a template's "
            f"sections are {', '.join(sorted(_SECTIONS))}"
        )
    _refuse_macros(body)
    _check_head(body)
    _check_sections(body)
    for section, check in _CHECKS.items():
        for name, entry in body.get(section, {}).items():
            check(name, entry)


def _nulls(value: Any, path: str) -> Iterator[str]:
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _nulls(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _nulls(inner, f"{path}/{index}")


def _refuse_macros(body: Mapping[str, Any]) -> None:
    transform = body.get("Transform")
    if transform:
        names = transform if isinstance(transform, list) else [transform]
        raise refused("Transform " + ", ".join(str(name) for name in names))
    if body.get("Hooks"):
        raise refused("the section Hooks")


def _check_head(body: Mapping[str, Any]) -> None:
    version = body.get("AWSTemplateFormatVersion", "2010-09-09")
    if version != "2010-09-09":
        raise invalid(
            "Template format error: unsupported value for AWSTemplateFormatVersion: "
            f"{version!r}; it must be '2010-09-09'"
        )
    _check_description("the template", body.get("Description", ""))


def _check_description(owner: str, description: Any) -> None:
    if not isinstance(description, str):
        raise invalid(
            f"Template format error: the Description of {owner} must be a string, got "
            f"{description!r}"
        )
    size = len(description.encode())
    if size > _LONGEST_DESCRIPTION:
        raise invalid(
            f"Template format error: the Description of {owner} has {size} bytes, of at most "
            f"{_LONGEST_DESCRIPTION}"
        )


def _check_sections(body: Mapping[str, Any]) -> None:
    resources = body.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise invalid("Template format error: At least one Resources member must be defined.")
    for name in _MAPS:
        if not isinstance(body.get(name, {}), dict):
            raise invalid(f"Template format error: [/{name}] {name} must be an object.")
    for name, limit in _LIMITS.items():
        count = len(body.get(name, {}))
        if count > limit:
            raise invalid(
                f"Template format error: Number of {name.lower()}, {count}, is greater than "
                f"maximum allowed, {limit}"
            )
    _check_names(body)


def _check_names(body: Mapping[str, Any]) -> None:
    for section, kind in (("Resources", "Resource"), ("Parameters", "Parameter"),
                          ("Outputs", "Output"), ("Mappings", "Mapping"),
                          ("Rules", "Rule")):  # fmt: skip
        for name in body.get(section, {}):
            if not _ALPHANUMERIC.fullmatch(name):
                raise invalid(f"Template format error: {kind} name {name} is non alphanumeric.")
            _check_length(kind, name)
    for name in body.get("Conditions", {}):
        if not _CONDITION_NAME.fullmatch(name):
            raise invalid(f"Template format error: Condition name {name} is non alphanumeric.")
        _check_length("Condition", name)


def _check_length(kind: str, name: str) -> None:
    if len(name) > _LONGEST_NAME:
        raise invalid(
            f"Template format error: {kind} name {name} has {len(name)} characters, of at most "
            f"{_LONGEST_NAME}"
        )


def _check_resource(logical_id: str, resource: Any) -> None:
    if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
        raise invalid(
            f"Template format error: [/Resources/{logical_id}] Every Resources object must "
            "contain a Type member."
        )
    unknown = sorted(resource.keys() - _RESOURCE_MEMBERS)
    if unknown:
        raise invalid(
            "Invalid template resource property '"
            + "', '".join(unknown)
            + f"' of {logical_id}; allowed are {', '.join(sorted(_RESOURCE_MEMBERS))}"
        )
    for member in ("Properties", "Metadata"):
        if not isinstance(resource.get(member, {}), dict):
            raise invalid(
                f"Template format error: [/Resources/{logical_id}/{member}] {member} must be an "
                "object."
            )
    if not isinstance(resource.get("Condition", ""), str):
        raise _not_text(f"/Resources/{logical_id}/Condition")
    _check_dependencies(logical_id, resource.get("DependsOn", []))
    _check_policies(logical_id, resource)
    _check_custom_type(logical_id, resource["Type"])


def _check_dependencies(logical_id: str, named: Any) -> None:
    entries = named if isinstance(named, list) else [named]
    if not all(isinstance(entry, str) for entry in entries):
        raise invalid(
            f"Template format error: DependsOn of {logical_id} must be a logical id or a list of "
            f"them, got {named!r}"
        )


def _check_policies(logical_id: str, resource: Mapping[str, Any]) -> None:
    for member in ("DeletionPolicy", "UpdateReplacePolicy"):
        policy = resource.get(member, "Delete")
        allowed = _POLICIES if member == "DeletionPolicy" else _POLICIES[:3]
        if policy not in allowed:
            raise invalid(
                f"Template format error: Unrecognized {member} {policy} for resource "
                f"{logical_id}; allowed are {', '.join(allowed)}"
            )


def _check_custom_type(logical_id: str, type_name: str) -> None:
    if not type_name.startswith("Custom::"):
        return
    if not _CUSTOM_TYPE.fullmatch(type_name) or len(type_name) > _LONGEST_CUSTOM_TYPE:
        raise invalid(
            f"Template format error: the type {type_name} of {logical_id} must be Custom:: and "
            f"letters, digits, _, @ or -, at most {_LONGEST_CUSTOM_TYPE} characters in all"
        )


def _check_output(name: str, entry: Any) -> None:
    if not isinstance(entry, dict) or "Value" not in entry:
        raise invalid(
            f"Template format error: [/Outputs/{name}] Every Outputs member must contain a Value "
            "object"
        )
    unknown = sorted(entry.keys() - _OUTPUT_MEMBERS)
    if unknown:
        raise invalid(
            f"Template format error: invalid members [{', '.join(unknown)}] of output {name}; "
            f"allowed are {', '.join(sorted(_OUTPUT_MEMBERS))}"
        )
    _check_output_value(name, entry["Value"])
    _check_description(f"output {name}", entry.get("Description", ""))
    if not isinstance(entry.get("Condition", ""), str):
        raise _not_text(f"/Outputs/{name}/Condition")
    if "Export" in entry:
        _check_export(entry["Export"])


def _check_output_value(name: str, value: Any) -> None:
    # A map of one member is a function, whose name is checked with the other functions.
    if isinstance(value, list) or (isinstance(value, dict) and len(value) != 1):
        kind = "List" if isinstance(value, list) else "Map"
        raise invalid(
            f"Template format error: [/Outputs/{name}] The Value field of every Outputs member "
            f"must evaluate to a String and not a {kind}."
        )


def _check_export(export: Any) -> None:
    name = export.get("Name") if isinstance(export, dict) else None
    if isinstance(name, str) and _EXPORT_NAME.fullmatch(name):
        return
    if not isinstance(name, dict) or export.keys() != {"Name"}:
        raise invalid(
            "Template format error: Output Name is malformed. The Name field of every Export "
            "member must be specified and consist only of alphanumeric characters, colons, or "
            "hyphens."
        )


def _check_mapping(name: str, mapping: Any) -> None:
    for key, attributes in (mapping if isinstance(mapping, dict) else {"": None}).items():
        if not isinstance(attributes, dict):
            raise invalid(
                f"Template format error: [/Mappings/{name}/{key}] Every Mappings member must be "
                "a map of maps"
            )
        if not _MAPPING_KEY.fullmatch(key):
            raise invalid(
                f"Template format error: Mappings key '{key}' of {name} must contain only "
                "alphanumeric characters, hyphens and periods."
            )
        _check_length("Mapping", key)
        for attribute, value in attributes.items():
            _check_attribute(name, key, attribute, value)
    for count in (len(mapping), *map(len, mapping.values())):
        if count > _ATTRIBUTES:
            raise invalid(
                f"Template format error: mapping {name} has {count} attributes, of at most "
                f"{_ATTRIBUTES}"
            )


def _check_attribute(name: str, key: str, attribute: str, value: Any) -> None:
    if not _ALPHANUMERIC.fullmatch(attribute):
        raise invalid(
            f"Template format error: Mappings attribute name '{attribute}' must contain only "
            "alphanumeric characters."
        )
    _check_length("Mapping attribute", attribute)
    if isinstance(value, dict):
        raise invalid(
            f"Template format error: [/Mappings/{name}/{key}/{attribute}] Every Mappings "
            "attribute must be a String or a List."
        )


def _check_rule(name: str, rule: Any) -> None:
    assertions = rule.get("Assertions") if isinstance(rule, dict) else None
    if not isinstance(assertions, list) or not all(
        isinstance(entry, dict) and "Assert" in entry for entry in assertions
    ):
        raise invalid(
            f"Template format error: [/Rules/{name}] every Rules member must contain Assertions, "
            "a list of objects with an Assert"
        )


def _not_text(path: str) -> AwsError:
    return invalid(f"Template format error: [{path}] must be a string")


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "Parameters": check_parameter, "Mappings": _check_mapping, "Rules": _check_rule,
    "Resources": _check_resource, "Outputs": _check_output,
}  # fmt: skip
