"""Intrinsic functions: evaluates the expressions of a template.

The resolver has three uses: with real resources during a deployment; with planned resources while
a change set is computed (their values, and all that contain them, are :data:`UNKNOWN` or
:data:`MAYBE`); and without resources for conditions and rules.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sageloop.local_cloud.cloudformation.errors import invalid, refused
from sageloop.local_cloud.cloudformation.network_blocks import cidr_blocks
from sageloop.local_cloud.cloudformation.scalars import text_of
from sageloop.local_cloud.cloudformation.template import Template
from sageloop.local_cloud.cloudformation.template_functions import SUB_REFERENCE

# No property of any type accepts more: the longest is a function's inline code. Nested functions
# would otherwise double a string at every level.
_LONGEST_TEXT = 4 * 1024**2


class Unknown:
    """A value known only after the deployment; ``definite`` if it certainly differs."""

    def __init__(self, *, definite: bool) -> None:
        self.definite = definite

    def __repr__(self) -> str:
        return "{{changeSet:KNOWN_AFTER_APPLY}}"


UNKNOWN = Unknown(definite=True)
MAYBE = Unknown(definite=False)


class _NoValue:
    """The value of ``AWS::NoValue``."""

    def __repr__(self) -> str:
        return "AWS::NoValue"


NO_VALUE = _NoValue()


class ResourceLookup(Protocol):
    """Resolves references to resources."""

    def ref(self, logical_id: str) -> Any:
        """The value of ``Ref``."""
        ...

    def get_att(self, logical_id: str, attribute: str) -> Any:
        """The value of ``Fn::GetAtt``."""
        ...


class NoResources:
    """Refuses references to resources."""

    def ref(self, logical_id: str) -> Any:
        """Refuse."""
        raise invalid(f"Template error: unresolved reference to {logical_id}")

    def get_att(self, logical_id: str, attribute: str) -> Any:
        """Refuse."""
        raise invalid(f"Template error: unresolved reference to {logical_id}.{attribute}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """The names of an evaluation: ``values`` are parameters and pseudo parameters by name."""

    template: Template
    values: Mapping[str, Any]
    region: str
    zones: Callable[[str], list[str]]
    exported: Callable[[str], Any]


class Resolver:
    """Evaluates expressions in one scope; conditions are evaluated once."""

    def __init__(self, scope: Scope, resources: ResourceLookup) -> None:
        self.scope = scope
        self._resources = resources
        self._conditions: dict[str, bool | None] = {}
        self._unmasked: Resolver | None = None
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref, "Fn::GetAtt": self._get_att, "Fn::Sub": self._sub,
            "Fn::Join": self._join, "Fn::Split": self._split, "Fn::Select": self._select,
            "Fn::If": self._if, "Fn::FindInMap": self._find_in_map, "Fn::Cidr": self._cidr,
            "Fn::ImportValue": self._import_value, "Fn::Base64": self._base64,
            "Fn::GetAZs": self._get_azs, "Fn::Equals": self._equals, "Fn::And": self._and,
            "Fn::Or": self._or, "Fn::Not": self._not, "Fn::Contains": self._contains,
            "Fn::EachMemberEquals": self._each_equals, "Fn::EachMemberIn": self._each_in,
        }  # fmt: skip

    def with_resources(self, resources: ResourceLookup) -> Resolver:
        """The same scope over other resources."""
        return Resolver(self.scope, resources)

    def masked(self, values: Mapping[str, Any], resources: ResourceLookup) -> Resolver:
        """A resolver for what is shown: with other values, but the same conditions."""
        scope = replace(self.scope, values={**self.scope.values, **values})
        made = Resolver(scope, resources)
        made._unmasked = self
        return made

    @property
    def resources(self) -> ResourceLookup:
        """The resources to which expressions refer."""
        return self._resources

    def resolve(self, value: Any) -> Any:
        """The value with every function evaluated, and without ``AWS::NoValue``."""
        if isinstance(value, dict):
            if len(value) == 1:
                ((name, argument),) = value.items()
                function = self._functions.get(name)
                if function is not None:
                    return function(argument)
                if isinstance(name, str) and name.startswith("Fn::"):
                    raise refused(f"the function {name}")
            made = {key: self.resolve(inner) for key, inner in value.items()}
            return {key: inner for key, inner in made.items() if inner is not NO_VALUE}
        if isinstance(value, list):
            return [v for v in map(self.resolve, value) if v is not NO_VALUE]
        return value

    def condition(self, name: str) -> bool:
        """Whether a named condition is true. Raises on an unknown or circular one."""
        if self._unmasked is not None:
            return self._unmasked.condition(name)
        if name in self._conditions:
            known = self._conditions[name]
            if known is None:
                raise invalid(f"Template error: Circular condition dependency at {name}")
            return known
        declared = self.scope.template.section("Conditions")
        if name not in declared:
            raise invalid(f"Template error: unresolved condition dependency {name}")
        self._conditions[name] = None
        self._conditions[name] = self.evaluate(declared[name])
        return bool(self._conditions[name])

    def evaluate(self, expression: Any) -> bool:
        """The value of a condition's expression."""
        if isinstance(expression, dict) and isinstance(expression.get("Condition"), str):
            return self.condition(expression["Condition"])
        value = self.resolve(expression)
        if isinstance(value, bool):
            return value
        if text_of(value) in ("true", "false"):
            return text_of(value) == "true"
        raise invalid(f"Template error: {expression!r} is not a condition (true or false)")

    def is_active(self, entry: Mapping[str, Any]) -> bool:
        """Whether a resource or output is active by its optional ``Condition``."""
        name = entry.get("Condition")
        return name is None or self.condition(name)

    def _ref(self, name: Any) -> Any:
        name = text_of(name)
        if name in self.scope.values:
            return self.scope.values[name]
        return self._resources.ref(name)

    def _get_att(self, argument: Any) -> Any:
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        if not isinstance(parts, list) or len(parts) < 2:
            raise invalid("Template error: every Fn::GetAtt object requires two parameters")
        attribute = ".".join(text_of(self.resolve(part)) for part in parts[1:])
        return self._resources.get_att(text_of(parts[0]), attribute)

    def _sub(self, argument: Any) -> Any:
        text, variables = (
            (argument, {}) if isinstance(argument, str) else _pair("Fn::Sub", argument)
        )
        variables = {key: self.resolve(inner) for key, inner in variables.items()}
        parts: list[Any] = []
        end = 0
        for reference in SUB_REFERENCE.finditer(text):
            parts.append(text[end : reference.start()])
            parts.append(self._sub_variable(reference[1], variables))
            end = reference.end()
        parts.append(text[end:])
        return _unknown_in(parts) or _joined("Fn::Sub", "", parts)

    def _sub_variable(self, name: str, variables: Mapping[str, Any]) -> Any:
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        name = name.strip()
        if name in variables:
            return variables[name]
        return self._get_att(name) if "." in name else self._ref(name)

    def _join(self, argument: Any) -> Any:
        delimiter, values = _pair("Fn::Join", argument)
        values = self.resolve(values)
        if isinstance(values, Unknown):
            return values
        if not isinstance(values, list):
            raise invalid("Template error: every Fn::Join object requires a list to join")
        return _unknown_in(values) or _joined("Fn::Join", text_of(delimiter), values)

    def _split(self, argument: Any) -> Any:
        delimiter, value = _pair("Fn::Split", argument)
        value = self.resolve(value)
        return value if isinstance(value, Unknown) else text_of(value).split(text_of(delimiter))

    def _select(self, argument: Any) -> Any:
        index, values = (self.resolve(part) for part in _pair("Fn::Select", argument))
        unknown = _unknown_in([index, values])
        if unknown:
            return unknown
        if isinstance(values, str):
            values = values.split(",")
        if not text_of(index).isdigit() or int(index) >= len(values):
            raise invalid(
                f"Template error: Fn::Select cannot select nonexistent value at index {index}"
            )
        return values[int(index)]

    def _if(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 3:
            raise invalid("Template error: Fn::If requires a list of condition, then, else")
        return self.resolve(argument[1] if self.condition(argument[0]) else argument[2])

    def _find_in_map(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 3:
            raise refused("Fn::FindInMap with other than three arguments")
        keys = [text_of(self.resolve(part)) for part in argument]
        entry: Any = self.scope.template.section("Mappings")
        for key in keys:
            if not isinstance(entry, dict) or key not in entry:
                raise invalid(f"Template error: Unable to get mapping for {'::'.join(keys)}")
            entry = entry[key]
        return entry

    def _cidr(self, argument: Any) -> Any:
        parts = self.resolve(argument)
        unknown = _unknown_in(parts)
        return unknown or cidr_blocks(*(text_of(part) for part in parts))

    def _import_value(self, argument: Any) -> Any:
        name = self.resolve(argument)
        return name if isinstance(name, Unknown) else self.scope.exported(text_of(name))

    def _base64(self, argument: Any) -> Any:
        value = self.resolve(argument)
        if isinstance(value, Unknown):
            return value
        return base64.b64encode(text_of(value).encode()).decode()

    def _get_azs(self, argument: Any) -> Any:
        return self.scope.zones(text_of(self.resolve(argument)) or self.scope.region)

    def _equals(self, argument: Any) -> bool:
        left, right = (self.resolve(part) for part in _pair("Fn::Equals", argument))
        return same(left, right)

    def _and(self, argument: Any) -> bool:
        return all(self.evaluate(part) for part in argument)

    def _or(self, argument: Any) -> bool:
        return any(self.evaluate(part) for part in argument)

    def _not(self, argument: Any) -> bool:
        return not self.evaluate(argument[0])

    def _contains(self, argument: Any) -> bool:
        values, expected = (self.resolve(part) for part in _pair("Fn::Contains", argument))
        return any(same(value, expected) for value in values)

    def _each_equals(self, argument: Any) -> bool:
        values, expected = (self.resolve(part) for part in _pair("Fn::EachMemberEquals", argument))
        return all(same(value, expected) for value in values)

    def _each_in(self, argument: Any) -> bool:
        values, allowed = (self.resolve(part) for part in _pair("Fn::EachMemberIn", argument))
        return all(any(same(value, choice) for choice in allowed) for value in values)


def _joined(function: str, delimiter: str, values: list[Any]) -> str:
    texts = [text_of(value) for value in values]
    size = sum(map(len, texts)) + len(delimiter) * max(0, len(texts) - 1)
    if size > _LONGEST_TEXT:
        raise invalid(
            f"Template error: {function} makes a string of {size} characters, of at most "
            f"{_LONGEST_TEXT}"
        )
    return delimiter.join(texts)


def same(left: Any, right: Any) -> bool:
    """Whether two resolved values are equal; scalars compare as text, as on AWS."""
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return False
    if left is None or right is None:
        return left is right
    return text_of(left) == text_of(right)


def unknown_inside(value: Any) -> Unknown | None:
    """The unknown that a value is or contains at any depth; a definite one has precedence."""
    if isinstance(value, Unknown):
        return value
    if isinstance(value, dict):
        value = list(value.values())
    return _unknown_in(value) if isinstance(value, list) else None


def _unknown_in(values: list[Any]) -> Unknown | None:
    unknowns = [unknown for unknown in map(unknown_inside, values) if unknown]
    return next((u for u in unknowns if u.definite), unknowns[0] if unknowns else None)


def _pair(function: str, argument: Any) -> tuple[Any, Any]:
    if not isinstance(argument, list) or len(argument) != 2:
        raise invalid(f"Template error: every {function} object requires two parameters")
    return argument[0], argument[1]
