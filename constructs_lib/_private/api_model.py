"""Validation of requests against botocore's model of SageMaker's API.

Tokens are not checked: their values are known at deployment only. All errors are reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from .checks import known

# Java's Unicode classes in Python's syntax.
_UNICODE = {r"\p{L}": r"^\W\d_", r"\p{Z}": r"\s", r"\p{N}": r"\d", r"\p{Alnum}": "a-zA-Z0-9"}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "long": (int,), "float": (int, float),
    "double": (int, float), "boolean": (bool,), "list": (list, tuple), "map": (Mapping,),
    "structure": (Mapping,),
}  # fmt: skip
_SPOKEN = {"string": "a text", "integer": "a whole number", "long": "a whole number",
           "float": "a number", "double": "a number", "boolean": "true or false",
           "list": "a list", "map": "a mapping", "structure": "a mapping"}  # fmt: skip

_NOT_CHECKED = {"ProductionVariantInstanceType", "TrainingInstanceType"}
"""Enumerations that grow faster than botocore; the constructs check them."""


@cache
def _model() -> Any:
    # Loaded at first use: the model has several megabytes.
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model("sagemaker", "service-2"))


@cache
def enumeration(shape: str) -> tuple[str, ...]:
    """Values of an enumeration of SageMaker's API, for example ``TrainingInstanceType``."""
    return tuple(_model().shape_for(shape).enum)


def nearest(name: str, allowed: tuple[str, ...] | list[str]) -> str | None:
    """A suggestion for a misspelled name."""
    matches = get_close_matches(name, allowed, n=1, cutoff=0.6)
    return matches[0] if matches else None


def violations(
    operation: str, request: Mapping[str, Any], *, without: tuple[str, ...] = ()
) -> list[str]:
    """The errors of a request, one sentence each.

    Args:
        operation: Name of the operation, for example ``CreateTrainingJob``.
        request: Input of the operation; tokens are not checked.
        without: Required members that are added later.

    """
    shape = _model().operation_model(operation).input_shape
    return list(_structure(shape, request, "", without))


def _check(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not known(value):
        return
    kind: str = shape.type_name
    expected = _TYPES.get(kind)
    if expected is None:
        return
    if not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path} must be {_SPOKEN[kind]}, got {value!r}"
        return
    by_kind: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {
        "structure": _structure, "list": _list, "map": _map, "string": _string,
        "boolean": _nothing,
    }  # fmt: skip
    yield from by_kind.get(kind, _number)(shape, value, path)


def _structure(
    shape: Any, value: Mapping[str, Any], path: str, without: tuple[str, ...] = ()
) -> Iterator[str]:
    for name in shape.metadata.get("required", []):
        if value.get(name) is None and name not in without:
            yield f"{_under(path, name)} is required"
    for name, each in value.items():
        member = shape.members.get(name)
        if member is None:
            yield f"{_under(path, name)} is unknown{_hint(name, list(shape.members))}"
        elif each is None:
            yield f"{_under(path, name)} must have a value, got None"
        else:
            yield from _check(member, each, _under(path, name))


def _list(shape: Any, value: Any, path: str) -> Iterator[str]:
    yield from _bounds(shape, len(value), value, path, " entries")
    for number, each in enumerate(value):
        yield from _check(shape.member, each, f"{path}.{number}")


def _map(shape: Any, value: Mapping[Any, Any], path: str) -> Iterator[str]:
    yield from _bounds(shape, len(value), value, path, " entries")
    for key, each in value.items():
        yield from _check(shape.key, key, f"{path} (key {key!r})")
        yield from _check(shape.value, each, f"{path}.{key}")


def _string(shape: Any, value: str, path: str) -> Iterator[str]:
    if not known(value):
        return
    yield from _bounds(shape, len(value), value, path, " characters")
    allowed = None if shape.name in _NOT_CHECKED else shape.metadata.get("enum")
    if allowed and value not in allowed:
        hint = _hint(value, allowed)
        listed = "" if hint else f"; allowed are {', '.join(sorted(allowed))}"
        yield f"{path} must be a value that SageMaker knows, got {value!r}{hint}{listed}"
    pattern = shape.metadata.get("pattern")
    compiled = None if pattern is None else _pattern(pattern)
    if compiled is not None and compiled.fullmatch(value) is None:
        yield f"{path} must match {pattern}, got {value!r}"


def _number(shape: Any, value: Any, path: str) -> Iterator[str]:
    yield from _bounds(shape, value, value, path, "")


def _nothing(_: Any, __: Any, ___: str) -> Iterator[str]:
    return iter(())


def _bounds(shape: Any, size: float, value: Any, path: str, unit: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    actual = f"{size}{unit}" if unit else f"{value}"
    if least is not None and size < least:
        yield f"{path} must have at least {least}{unit}, got {actual}"
    if most is not None and size > most:
        yield f"{path} must have at most {most}{unit}, got {actual}"


def _hint(name: str, allowed: list[str]) -> str:
    close = nearest(name, allowed)
    return "" if close is None else f"; did you mean {close!r}?"


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@cache
def _pattern(java: str) -> re.Pattern[str] | None:
    if r"\p{L}" in java:
        return None  # Python has no nested character classes.
    python = java
    for name, members in _UNICODE.items():
        python = python.replace(name, members)
    try:
        return re.compile(python)
    except re.error:
        return None
