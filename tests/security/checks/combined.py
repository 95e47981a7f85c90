"""All templates of an app as one, for rule packs that follow references in one template only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.security.checks.flatten import Template

_VARIABLE = re.compile(r"\$\{(!?)([A-Za-z0-9]+)")


def combined(templates: Mapping[str, Template]) -> tuple[Template, dict[str, tuple[str, str]]]:
    """One template with the resources of all stacks, and stack and logical id by new id.

    Imports of another stack's exports become references to the exporting resource.
    """
    prefixes = {stack: f"{stack.rpartition('-')[2]}0" for stack in templates}
    exports = {
        str(output["Export"]["Name"]): (stack, output["Value"])
        for stack, template in templates.items()
        for output in template.get("Outputs", {}).values()
        if "Export" in output
    }
    result: Template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}
    origin = {}
    for stack, template in templates.items():
        rename = _Renaming(prefixes, exports, templates)
        for part in ("Parameters", "Mappings", "Conditions", "Resources"):
            for name, value in template.get(part, {}).items():
                renamed = prefixes[stack] + name
                result.setdefault(part, {})[renamed] = rename.of(value, stack)
                if part == "Resources":
                    origin[renamed] = (stack, name)
    return result, origin


class _Renaming:
    """Prefixes the names that a value of a template refers to."""

    def __init__(
        self, prefixes: Mapping[str, str], exports: Mapping[str, tuple[str, Any]],
        templates: Mapping[str, Template],
    ) -> None:  # fmt: skip
        self._prefixes, self._exports = prefixes, exports
        self._known = {
            stack: {
                name
                for part in ("Parameters", "Mappings", "Conditions", "Resources")
                for name in template.get(part, {})
            }
            for stack, template in templates.items()
        }

    def of(self, value: Any, stack: str) -> Any:
        if isinstance(value, list):
            return [self.of(each, stack) for each in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, inner),) = value.items()
            if name == "Fn::ImportValue":
                exporter, exported = self._exports[inner]
                return self.of(exported, exporter)
            if name in ("Ref", "Condition"):
                return {name: self._name(inner, stack)}
            if name in ("Fn::GetAtt", "Fn::FindInMap", "Fn::If"):
                return {name: [self._name(inner[0], stack), *self.of(inner[1:], stack)]}
            if name == "Fn::Sub":
                return {name: self._substituted(inner, stack)}
        return {
            key: self._dependencies(each, stack) if key == "DependsOn" else self.of(each, stack)
            for key, each in value.items()
        }

    def _name(self, name: Any, stack: str) -> Any:
        return self._prefixes[stack] + name if name in self._known[stack] else name

    def _dependencies(self, names: Any, stack: str) -> list[Any]:
        listed = names if isinstance(names, list) else [names]
        return [self._name(name, stack) for name in listed]

    def _substituted(self, text: Any, stack: str) -> Any:
        if not isinstance(text, str):
            return [self._substituted(text[0], stack), *self.of(text[1:], stack)]
        return _VARIABLE.sub(lambda m: m[0] if m[1] else "${" + str(self._name(m[2], stack)), text)
