"""The ``Condition`` element: every operator and every key must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sageloop.local_cloud.access.policy.errors import PolicyError
from sageloop.local_cloud.access.policy.operators import OPERATORS, Operator
from sageloop.local_cloud.access.policy.patterns import Test
from sageloop.local_cloud.access.policy.variables import Lookup, Template, template

Values = Mapping[str, tuple[str, ...]]
"""A request's context: condition keys in lower case, each with its values."""

_NULL = "Null"
_IF_EXISTS = "IfExists"


class SetOperator(Enum):
    """How several values of a request are compared with those of a policy."""

    NONE = ""
    ALL = "ForAllValues"
    ANY = "ForAnyValue"


@dataclass(frozen=True, slots=True)
class ConditionOperator:
    """The parsed name of an operator, such as ``ForAnyValue:StringLikeIfExists``."""

    name: str
    set_operator: SetOperator
    if_exists: bool

    @property
    def negated(self) -> bool:
        """Whether it holds where the values do not match."""
        return self.name != _NULL and OPERATORS[self.name].negated


@dataclass(frozen=True, slots=True)
class Condition:
    """One key under one operator, with the values of the policy."""

    operator: ConditionOperator
    key: str
    values: tuple[str, ...]
    _templates: tuple[Template, ...]
    _tests: tuple[Test, ...] | None

    def holds(self, context: Values, lookup: Lookup) -> bool:
        """Whether a request meets the condition.

        Args:
            context: the values of each key; an absent key and a key without values are the same.
            lookup: the value of a key as a policy variable.

        """
        present = context.get(self.key, ())
        if self.operator.name == _NULL:
            return ("false" if present else "true") in self.values
        if not present and self.operator.if_exists:
            return True
        if self.operator.set_operator is not SetOperator.NONE and not any(present):
            # No value, or nothing but empty ones.
            return self.operator.set_operator is SetOperator.ALL
        negated = OPERATORS[self.operator.name].negated
        if not present:
            return negated
        matches = [any(test(value) for test in self._compiled(lookup)) for value in present]
        if self.operator.set_operator is SetOperator.ALL:
            return all(match != negated for match in matches)
        if self.operator.set_operator is SetOperator.ANY:
            return any(match != negated for match in matches)
        # AWS's documentation does not define an operator without a set operator on several values
        # of a request. One match is enough; a negated operator allows no match.
        return any(matches) != negated

    def _compiled(self, lookup: Lookup) -> Sequence[Test]:
        if self._tests is not None:
            return self._tests
        operator = OPERATORS[self.operator.name]
        return [operator.test(value, lookup) for value in self._templates]


def parse_operator(text: str, where: str = "Condition") -> ConditionOperator:
    """Parse an operator's name; raises `PolicyError` if the operator does not exist."""
    prefix, _, rest = text.rpartition(":")
    name = rest.removesuffix(_IF_EXISTS)
    known = name in OPERATORS or rest == _NULL
    try:
        set_operator = SetOperator(prefix)
    except ValueError:
        known = False
    if not known:
        raise PolicyError(where, f"{text} is not a condition operator")
    return ConditionOperator(name, set_operator, name != rest)


def parse_conditions(
    element: Any, *, variables: bool, where: str = "Condition"
) -> tuple[Condition, ...]:
    """Read a ``Condition`` element.

    Args:
        element: operators with keys with values, as JSON gives them.
        variables: whether the policy's version has policy variables.
        where: the element's place in the document, for errors.

    Raises:
        PolicyError: an operator is unknown, or a value is neither text, number nor boolean.

    """
    if not isinstance(element, Mapping):
        raise PolicyError(where, f"must be an object, not {type(element).__name__}")
    conditions = []
    for name, keys in element.items():
        operator = parse_operator(name, where)
        if not isinstance(keys, Mapping):
            raise PolicyError(f"{where}.{name}", f"must be an object, not {type(keys).__name__}")
        for key, values in keys.items():
            texts = texts_of(values, f"{where}.{name}.{key}")
            conditions.append(_condition(operator, key.lower(), texts, variables))
    return tuple(conditions)


def _condition(
    operator: ConditionOperator, key: str, values: tuple[str, ...], variables: bool
) -> Condition:
    if operator.name == _NULL:
        return Condition(operator, key, tuple(value.lower() for value in values), (), ())
    comparison: Operator = OPERATORS[operator.name]
    templates = tuple(
        template(value, variables=variables and comparison.variables) for value in values
    )
    tests = None
    if all(one.constant for one in templates):
        tests = tuple(comparison.test(one, _no_values) for one in templates)
    return Condition(operator, key, values, templates, tests)


def _no_values(_key: str) -> None:
    return None


def texts_of(value: Any, where: str) -> tuple[str, ...]:
    """One value or a list of values of a policy or a context, as texts."""
    if isinstance(value, str):
        return (value,)
    several = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return tuple(_text(one, where) for one in several)


def _text(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise PolicyError(where, f"must be text, a number or a boolean, not {type(value).__name__}")
