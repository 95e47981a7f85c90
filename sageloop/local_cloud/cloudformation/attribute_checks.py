"""Checks that each attribute of ``Fn::GetAtt`` exists in the schema of its resource's type."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sageloop.local_cloud.cloudformation.custom_resources import is_custom
from sageloop.local_cloud.cloudformation.differences import SchemaFacts
from sageloop.local_cloud.cloudformation.errors import invalid
from sageloop.local_cloud.cloudformation.scalars import scalar_text
from sageloop.local_cloud.cloudformation.template import Template
from sageloop.local_cloud.cloudformation.template_functions import SUB_REFERENCE, Use, uses


def check_attributes(template: Template, schema_of: Callable[[str], SchemaFacts | None]) -> None:
    """Check the attributes that resources and outputs read.

    Custom resources have the attributes of their responses, which are not known beforehand.

    Raises:
        AwsError: ``ValidationError`` with the first attribute that AWS does not have.

    """
    readers = [r.get("Properties", {}) for r in template.resources.values()]
    readers += list(template.section("Outputs").values())
    for use in uses(readers):
        for logical_id, attribute in _attributes(use):
            type_name = template.resources.get(logical_id, {}).get("Type", "")
            schema = None if is_custom(type_name) else schema_of(type_name)
            if schema is not None and attribute.partition(".")[0] not in schema.properties:
                raise invalid(
                    f"Template error: resource {logical_id} does not support attribute type "
                    f"{attribute} in Fn::GetAtt"
                )


def _attributes(use: Use) -> Iterator[tuple[str, str]]:
    """The resources and attributes that a function names; an attribute may be a function."""
    if use.name == "Fn::GetAtt":
        whole = use.argument
        parts = whole.split(".") if isinstance(whole, str) else whole
        if not any(isinstance(part, dict | list) for part in parts):
            yield scalar_text(parts[0]), ".".join(map(scalar_text, parts[1:]))
    elif use.name == "Fn::Sub":
        text, variables = (use.argument, {}) if isinstance(use.argument, str) else use.argument
        for name in map(str.strip, SUB_REFERENCE.findall(text)):
            logical_id, _, attribute = name.partition(".")
            if attribute and name not in variables and not name.startswith("!"):
                yield logical_id, attribute
