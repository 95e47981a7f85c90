"""Validation of hyperparameters: tables of rules for values that arrive as strings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_INF = math.inf
_PLATFORM = "sagemaker_"


class HyperparameterError(Exception):
    """A hyperparameter is unknown, missing or out of range."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The parser of a value, its check, and the description of allowed values for errors."""

    parse: Callable[[str], Any]
    allowed: Callable[[Any], bool]
    allowed_values: str


def whole(low: float, high: float = _INF) -> Rule:
    """An integer in a closed range."""
    return Rule(integer, lambda v: low <= v <= high, f"[{low}, {high}]")


def real(low: float, high: float = _INF, *, above: bool = False, below: bool = False) -> Rule:
    """A number in a range, closed except at the ends excluded by ``above`` or ``below``."""

    def inside(value: float) -> bool:
        return (low < value if above else low <= value) and (
            value < high if below else value <= high
        )

    return Rule(float, inside, f"{'(' if above else '['}{low}, {high}{')' if below else ']'}")


def one_of(*choices: str) -> Rule:
    """One of the given strings."""
    return Rule(str, lambda v: v in choices, f"[{', '.join(choices)}]")


def boolean() -> Rule:
    """``true`` or ``false``, case-insensitive."""
    return Rule(_boolean_of, lambda _: True, "[true, false]")


def or_auto(rule: Rule, *words: str) -> Rule:
    """A value of the rule, or ``auto`` (or another of ``words``), which stays a string."""
    known = ("auto", *words)
    return Rule(
        lambda text: text if text in known else rule.parse(text),
        lambda v: v in known if isinstance(v, str) else rule.allowed(v),
        f"{', '.join(known)} or {rule.allowed_values}",
    )


def listed(*known: str) -> Rule:
    """A list of the given words, separated by commas."""
    return Rule(
        lambda text: [name.strip() for name in text.split(",")],
        lambda names: bool(names) and all(name in known for name in names),
        f"a list of [{', '.join(known)}]",
    )


def anything(kind: Callable[[str], Any] = str) -> Rule:
    """Any value that ``kind`` can parse."""
    return Rule(kind, lambda _: True, "any")


def integer(text: str) -> int:
    """An integer, which may be written as ``3.0``. Raises :class:`ValueError`."""
    value = float(text)
    if not value.is_integer():
        raise ValueError(text)
    return int(value)


def typed(
    table: Mapping[str, Rule], raw: Mapping[str, str], required: tuple[str, ...]
) -> dict[str, Any]:
    """Parse hyperparameters. Raises :class:`HyperparameterError` for the first invalid one.

    Values in the quotes of JSON, which version 2 of the SDK sends for frameworks, are no values:
    XGBoost's container refuses them (sagemaker-python-sdk #5317).
    """
    texts = {name: text for name, text in raw.items() if not name.startswith(_PLATFORM)}
    for name in texts:
        if name not in table:
            known = ", ".join(sorted(table))
            raise HyperparameterError(f"Extraneous hyperparameter found: {name} (known: {known})")
    for name in required:
        if name not in texts:
            raise HyperparameterError(f"Missing required hyperparameter: {name}")
    return {name: _value(name, table[name], text) for name, text in texts.items()}


def _value(name: str, rule: Rule, text: str) -> Any:
    try:
        value = rule.parse(text)
    except ValueError:
        raise HyperparameterError(
            f"Hyperparameter {name}: could not parse value: {text!r}"
        ) from None
    if not rule.allowed(value):
        raise HyperparameterError(
            f"Hyperparameter {name}: value {text} not in range {rule.allowed_values}"
        )
    return value


def _boolean_of(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"
