"""Checks that every name to which a template refers exists in it, and that none is circular."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sageloop.local_cloud.cloudformation.errors import invalid
from sageloop.local_cloud.cloudformation.graph import (
    cycle_in,
    dependencies,
    depends_on,
    refuse_cycle,
)
from sageloop.local_cloud.cloudformation.scalars import scalar_text
from sageloop.local_cloud.cloudformation.template_functions import SUB_REFERENCE, Use, uses

PSEUDO_PARAMETERS = frozenset(
    f"AWS::{name}"
    for name in ("AccountId", "NoValue", "NotificationARNs", "Partition", "Region", "StackId",
                 "StackName", "URLSuffix")
)  # fmt: skip
_NO_VALUE = (
    "Template error: every value of the context object of every Fn::Sub object must be a string or "
    "a function that returns a string"
)


def check_references(body: Mapping[str, Any]) -> None:
    """Check the names that a template's expressions use.

    Raises:
        AwsError: ``ValidationError`` with the first problem; of unresolved resources, all.

    """
    names = _Names(body)
    names.check_conditions()
    names.check_rules()
    names.check_resources()
    names.check_outputs()
    refuse_cycle(dependencies(body["Resources"], known=names.values, condition=lambda _: None))


class _Names:
    """The names that a template declares."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self.values = PSEUDO_PARAMETERS | body.get("Parameters", {}).keys()
        self._resources = body["Resources"].keys()
        self._conditions = body.get("Conditions", {}).keys()

    def check_resources(self) -> None:
        """Check properties, dependencies and conditions of the resources."""
        missing: list[str] = []
        for resource in self._body["Resources"].values():
            self._check_condition(resource.get("Condition"), "Resources")
            missing += [name for name in depends_on(resource) if name not in self._resources]
            missing += self._missing(uses(resource.get("Properties", {})), "Resources")
        _refuse_missing(missing, "Resources")

    def check_outputs(self) -> None:
        """Check values, export names and conditions of the outputs."""
        missing: list[str] = []
        for output in self._body.get("Outputs", {}).values():
            self._check_condition(output.get("Condition"), "Outputs")
            parts = [output["Value"], output.get("Export", {})]
            missing += self._missing(uses(parts), "Outputs")
        _refuse_missing(missing, "Outputs")

    def check_conditions(self) -> None:
        """Check the conditions, which may refer to parameters and to each other only."""
        section = self._body.get("Conditions", {})
        graph = {name: frozenset(_conditions_in(value)) for name, value in section.items()}
        for needed in graph.values():
            for name in sorted(needed):
                self._check_condition(name, "Conditions")
        circle = cycle_in(graph)
        if circle:
            raise invalid(
                "Template format error: Circular dependency between conditions: "
                f"[{', '.join(sorted(circle))}]"
            )
        self._check_values_only(uses(list(section.values())), "Conditions")

    def check_rules(self) -> None:
        """Check the rules, which may refer to parameters only."""
        rules = list(self._body.get("Rules", {}).values())
        self._check_values_only(uses(rules, in_rules=True), "Rules")

    def _check_values_only(self, used: Iterable[Use], block: str) -> None:
        used = list(used)
        for use in used:
            if use.name == "Fn::ImportValue":
                raise invalid(f"Template error: Cannot use Fn::ImportValue in {block}")
        named = [name for use in used for name in _targets(use)]
        missing = sorted({name for name in named if name not in self.values})
        for use in used:
            self._check_use(use, block)
        if missing:
            raise invalid(
                f"Template format error: Unresolved dependencies [{', '.join(missing)}]. Cannot "
                f"reference resources in the {block} block of the template"
            )

    def _missing(self, used: Iterable[Use], block: str) -> Iterator[str]:
        for use in used:
            self._check_use(use, block)
            if use.name == "Fn::GetAtt":
                (name,) = _targets(use)
                if name not in self._resources:
                    raise invalid(
                        f"Template error: instance of Fn::GetAtt references undefined resource "
                        f"{name}"
                    )
            for name in _targets(use):
                if name not in self._resources and name not in self.values:
                    yield name

    def _check_use(self, use: Use, block: str) -> None:
        if use.name == "Fn::If":
            if use.argument[0] not in self._conditions:
                raise invalid(
                    f"Template error: unresolved condition dependency {use.argument[0]} in Fn::If"
                )
        elif use.name == "Fn::FindInMap":
            self._check_mapping(use.argument)
        elif use.name == "Fn::Sub":
            _check_no_value(use.argument)

    def _check_condition(self, name: str | None, block: str) -> None:
        if name is not None and name not in self._conditions:
            raise invalid(
                f"Template format error: Unresolved condition dependency {name} in the {block} "
                "block of the template"
            )

    def _check_mapping(self, argument: list[Any]) -> None:
        """Follow the keys as far as they are literal."""
        keys = [None if isinstance(key, dict | list) else scalar_text(key) for key in argument]
        entry: Any = self._body.get("Mappings", {})
        if keys[0] is not None and keys[0] not in entry:
            raise invalid(
                f"Template error: Mapping named '{keys[0]}' is not present in the 'Mappings' "
                "section of template."
            )
        for depth, key in enumerate(keys):
            if key is None:
                return
            if key not in entry:
                shown = "::".join(keys[i] or "…" for i in range(len(keys)))
                raise invalid(f"Template error: Unable to get mapping for {shown}")
            entry = entry[key] if depth < 2 else None


def _targets(use: Use) -> Iterator[str]:
    """The names of resources and parameters to which a function refers."""
    if use.name == "Ref":
        yield scalar_text(use.argument)
    elif use.name == "Fn::GetAtt":
        whole = use.argument
        yield whole.partition(".")[0] if isinstance(whole, str) else scalar_text(whole[0])
    elif use.name == "Fn::Sub":
        text, variables = (use.argument, {}) if isinstance(use.argument, str) else use.argument
        for name in map(str.strip, SUB_REFERENCE.findall(text)):
            if not name.startswith("!") and name not in variables:
                yield name.partition(".")[0]


def _check_no_value(argument: Any) -> None:
    """Refuse ``AWS::NoValue`` in a string.

    AWS's error is known for a variable; for ``${AWS::NoValue}`` in the text it is unverified.
    """
    text, variables = (argument, {}) if isinstance(argument, str) else argument
    values = [*variables.values(), *({"Ref": n.strip()} for n in SUB_REFERENCE.findall(text))]
    if {"Ref": "AWS::NoValue"} in values:
        raise invalid(f"{_NO_VALUE}; AWS::NoValue is none")


def _conditions_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for inner in value:
            yield from _conditions_in(inner)
    if not isinstance(value, dict):
        return
    for name, argument in value.items():
        if name == "Condition" and isinstance(argument, str):
            yield argument
        elif name == "Fn::If" and isinstance(argument, list) and argument:
            yield from _conditions_in([{"Condition": argument[0]}, *argument[1:]])
        else:
            yield from _conditions_in(argument)


def _refuse_missing(names: Iterable[str], block: str) -> None:
    missing = sorted(set(names))
    if missing:
        raise invalid(
            f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] in "
            f"the {block} block of the template"
        )
