"""The JSONPath subset of batch transform's filters.

Supported are ``$``, ``.name``, ``['name','other']``, ``[0,-1]``, ``[1:]`` (also mixed, as in AWS's
example ``$[0,5:]``, with one range at most) and ``*`` in place of a name or a number. Several names
select an object, several indexes or a slice an array. No library has these semantics: general
JSONPath returns a list of matches, has no mixed unions, and returns nothing where AWS fails.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html describes the
end of a slice as inclusive; JsonPath, to which it refers, and published jobs treat it as exclusive.
This module treats it as exclusive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Select = Callable[[Any], Any]

_STEP = re.compile(r"\.(?P<name>[A-Za-z_][\w-]*|\*)|\.?\[(?P<inside>[^\]]*)\]")
_QUOTED = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)")\s*""")
_INDEX = re.compile(r"\s*(-?\d+)\s*")
_SLICE = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*")


class JsonPathError(ValueError):
    """An unsupported expression, or data without the selected member."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled expression."""

    expression: str
    steps: tuple[Select, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the expression selects the whole value (``$``)."""
        return not self.steps

    def select(self, value: Any) -> Any:
        """The selected part of a value. Raises :class:`JsonPathError` if it does not exist."""
        for step in self.steps:
            try:
                value = step(value)
            except JsonPathError as error:
                raise JsonPathError(f"Invalid JsonPath: {self.expression}: {error}") from None
        return value


def parse(expression: str) -> JsonPath:
    """Compile an expression. Raises :class:`JsonPathError` with a message for the user."""
    if not expression.startswith("$"):
        raise JsonPathError(f"a JSONPath begins with $, got {expression!r}")
    return JsonPath(expression, tuple(_steps(expression)))


def _steps(expression: str) -> Iterator[Select]:
    position = 1
    while position < len(expression):
        match = _STEP.match(expression, position)
        if match is None:
            raise JsonPathError(
                f"{expression!r} is not supported from {expression[position:]!r} on; supported "
                "are .name, ['name','other'], [0,-1], [1:] and *"
            )
        name = match["name"]
        yield _bracket(match["inside"], expression) if name is None else _child(name)
        position = match.end()


def _child(name: str) -> Select:
    return _wildcard if name == "*" else lambda value: _member(value, name)


def _bracket(inside: str, expression: str) -> Select:
    if inside.strip() == "*":
        return _wildcard
    parts = inside.split(",")
    if all(_QUOTED.fullmatch(part) for part in parts):
        names = [_unquoted(part) for part in parts]
        return _child(names[0]) if len(names) == 1 else lambda value: _members(value, names)
    if len(parts) == 1 and _INDEX.fullmatch(inside):
        return lambda value: _element(value, int(inside))
    picks = [_pick(part, expression) for part in parts]
    if sum(":" in part for part in parts) > 1:
        # A job is created, and fails with the first record: sagemaker-python-sdk #1112.
        def refuse(_: Any) -> Any:
            raise JsonPathError(
                "only single range filters of format (eg: [1:5]) are supported. "
                f"Format [{inside}] is not supported"
            )

        return refuse
    return lambda value: [item for pick in picks for item in pick(value)]


def _unquoted(part: str) -> str:
    match = _QUOTED.fullmatch(part)
    assert match is not None
    return str(match[1] if match[1] is not None else match[2])


def _pick(part: str, expression: str) -> Callable[[Any], list[Any]]:
    index, span = _INDEX.fullmatch(part), _SLICE.fullmatch(part)
    if index is not None:
        return lambda value: [_element(value, int(index[1]))]
    if span is None:
        raise JsonPathError(
            f"{expression!r}: [{part}] is neither an index, a slice nor a quoted name"
        )
    start, end = (None if text is None else int(text) for text in span.groups())
    return lambda value: _array(value)[start:end]


def _wildcard(value: Any) -> Any:
    if isinstance(value, dict):
        return list(value.values())
    return list(_array(value))


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise JsonPathError(f"there is no attribute {name!r} in {_kind(value)}")
    if name not in value:
        raise JsonPathError(f"there is no attribute {name!r} among {', '.join(value) or 'none'}")
    return value[name]


def _members(value: Any, names: list[str]) -> dict[str, Any]:
    return {name: _member(value, name) for name in names}


def _element(value: Any, index: int) -> Any:
    array = _array(value)
    if not -len(array) <= index < len(array):
        raise JsonPathError(f"index {index} is outside an array of {len(array)} elements")
    return array[index]


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise JsonPathError(f"an index needs an array, got {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    return "an object" if isinstance(value, dict) else f"{type(value).__name__} {value!r:.40}"
