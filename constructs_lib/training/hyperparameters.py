"""Hyperparameters of algorithms, and their checks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._private.api_model import nearest
from .._private.checks import Checks, known, text_of

Hyperparameter = str | int | float | bool | Sequence[Any]
"""Type of the value of a hyperparameter."""

Rule = Callable[[Checks, Mapping[str, Hyperparameter]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One hyperparameter of an algorithm.

    Attributes:
        kind: ``integer``, ``float``, ``choice``, ``boolean``, ``list`` of choices or ``text``.
        low: Minimum; ``None`` for no limit.
        high: Maximum; ``None`` for no limit.
        open_low: Whether ``low`` itself is excluded.
        open_high: Whether ``high`` itself is excluded.
        choices: Allowed values; for numbers and booleans additional values such as ``auto``;
            for lists the allowed members.
        pattern: Pattern that a text must match entirely.
        required: Whether the hyperparameter is required.

    """

    kind: str
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = r"[\s\S]+"
    required: bool = False

    def check(self, check: Checks, name: str, value: Hyperparameter) -> None:
        """Refuse a value that the algorithm does not accept."""
        if not known(value) or (isinstance(value, str) and self._is_word(value)):
            return
        if self.kind in ("integer", "float"):
            self._check_number(check, name, value)
        elif self.kind in ("choice", "boolean"):
            self._check_choice(check, name, value)
        elif self.kind == "list":
            self._check_list(check, name, value)
        else:
            check.matches(
                name, value if isinstance(value, str) else text(value), self.pattern, 2500
            )

    def _is_word(self, value: str) -> bool:
        return self.kind in ("integer", "float", "boolean") and value in self.choices

    def _check_number(self, check: Checks, name: str, value: Hyperparameter) -> None:
        kinds = (int,) if self.kind == "integer" else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            words = "".join(f" or {word!r}" for word in self.choices)
            kind = "a whole number" if self.kind == "integer" else "a number"
            check.refuse("HyperparameterNotAllowed", f"{name} must be {kind}{words}, got {value!r}")
            return
        ends = ((self.open_low, self.low, "greater"), (self.open_high, self.high, "less"))
        for is_open, end, word in ends:
            if is_open and end is not None and value == end:
                message = f"{name} must be {word} than {end}, got {value}"
                check.refuse("ValueOutOfRange", message)
        check.between(name, value, self.low, self.high)

    def _check_choice(self, check: Checks, name: str, value: Hyperparameter) -> None:
        allowed = (*self.choices, "false", "true") if self.kind == "boolean" else self.choices
        choice = text(value)
        if choice not in allowed:
            close = nearest(choice, allowed)
            hint = "" if close is None else f"; did you mean {close!r}?"
            message = f"{name} must be one of {', '.join(sorted(allowed))}, got {value!r}{hint}"
            check.refuse("ValueNotAllowed", message)

    def _check_list(self, check: Checks, name: str, value: Hyperparameter) -> None:
        members = _members(value)
        if members is None or not members:
            check.refuse("HyperparameterNotAllowed", f"{name} must be a list, got {value!r}")
            return
        wrong = [each for each in members if each not in self.choices]
        if wrong:
            listed = ", ".join(self.choices)
            check.refuse("ValueNotAllowed", f"{name} must have of {listed}, got {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All hyperparameters of an algorithm.

    Attributes:
        algorithm: Name of the algorithm, for error messages.
        documentation: URL of the AWS documentation.
        parameters: Hyperparameters by name.
        rules: Checks of combinations.

    """

    algorithm: str
    documentation: str
    parameters: Mapping[str, Parameter]
    rules: Sequence[Rule] = field(default_factory=tuple)

    def check(self, values: Mapping[str, Hyperparameter]) -> None:
        """Check each hyperparameter, then their combinations.

        Raises:
            ConfigurationError: If one is unknown, missing, of the wrong type or out of range.

        """
        with Checks(self.algorithm) as check:
            for name, parameter in self.parameters.items():
                if parameter.required and name not in values:
                    check.refuse("HyperparameterMissing", f"{name} is required")
            for name, value in values.items():
                self._check_one(check, name, value)
            for rule in self.rules:
                rule(check, values)

    def _check_one(self, check: Checks, name: str, value: Hyperparameter) -> None:
        parameter = self.parameters.get(name)
        if parameter is not None:
            parameter.check(check, name, value)
            return
        allowed = sorted(self.parameters)
        close = nearest(name, allowed)
        # All names would be a message of a thousand characters.
        hint = f"allowed are those of {self.documentation}" if close is None else (
            f"did you mean {close!r}?"
        )  # fmt: skip
        message = f"{name[:60]!r} is unknown; {hint}"
        check.refuse("HyperparameterUnknown", message)


def rendered(values: Mapping[str, Hyperparameter]) -> dict[str, str]:
    """Hyperparameters for the request: sorted, all strings."""
    return {name: text(values[name]) for name in sorted(values)}


def text(value: Hyperparameter) -> str:
    """A value as a string for a built-in algorithm."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        # Only tokens need CDK's conversion.
        return str(value) if known(value) else text_of(value)
    return json.dumps(value)


def _members(value: Hyperparameter) -> list[str] | None:
    if not isinstance(value, str):
        return [str(each) for each in value] if isinstance(value, list | tuple) else None
    if value.startswith("["):
        try:
            members = json.loads(value)
        except ValueError:
            return None
        return [str(each) for each in members]
    return [each.strip() for each in value.split(",")]
