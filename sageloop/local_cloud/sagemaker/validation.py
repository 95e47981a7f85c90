"""Validation of requests against botocore's service model, as strict as AWS.

botocore's own validator checks neither enumerations, patterns nor upper bounds. This module checks
each constraint of the model and reports all violations at once in AWS's wording.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from sageloop.local_cloud.core import wire
from sageloop.local_cloud.core.errors import AwsError

Check = Callable[[Any, str], Iterator[str]]

# Python's closest equivalents of Java's Unicode classes.
_UNICODE = {
    r"\p{L}": r"a-zA-Z\u00aa-\u02af\u0370-\u1fff\u2c00-\ud7ff\uf900-\ufdff",
    r"\p{Alnum}": "a-zA-Z0-9", r"\p{N}": r"\d", r"\p{Z}": r"\s", r"\p{M}": r"\u0300-\u036f",
    r"\p{S}": r"$+<=>^`|~\u00a2-\u00bf", r"\p{P}": r"!-#%-*,-/:;?@\[\\\]_{}\u2010-\u2027",
}  # fmt: skip


def check(
    operation_name: str, params: Mapping[str, Any], *, service: str = "sagemaker",
    code: str = "ValidationException",
) -> None:  # fmt: skip
    """Validate a request against the model of its operation.

    Raises ``AwsError`` with the code ``code`` and a message that lists each violated constraint.
    """
    violations = list(_operation(service, operation_name)(params, ""))
    if not violations:
        return
    count = f"{len(violations)} validation error{'s' if len(violations) > 1 else ''} detected: "
    raise AwsError(code, count + "; ".join(violations))


@cache
def _operation(service: str, operation_name: str) -> Check:
    shape = wire.service_model(service).operation_model(operation_name).input_shape
    return _Compiler().check_of(shape) if shape is not None else _nothing


def _nothing(_: Any, __: str) -> Iterator[str]:
    return iter(())


class _Compiler:
    """Compiles a shape into a validation function once; recursive shapes are resolved by name."""

    def __init__(self) -> None:
        self._made: dict[str, Check] = {}

    def check_of(self, shape: Any) -> Check:
        if shape.name in self._made:
            return self._made[shape.name]

        def later(value: Any, path: str) -> Iterator[str]:
            return self._made[shape.name](value, path)

        self._made[shape.name] = later
        makers = {
            "structure": self._structure, "list": self._list, "map": self._map,
            "string": _string, "integer": _number, "long": _number, "float": _number,
            "double": _number, "boolean": _boolean,
        }  # fmt: skip
        maker = makers.get(shape.type_name)
        made = maker(shape) if maker else _nothing
        self._made[shape.name] = made
        return made

    def _structure(self, shape: Any) -> Check:
        members = {name: self.check_of(member) for name, member in shape.members.items()}
        required = shape.required_members

        def body(value: Any, path: str) -> Iterator[str]:
            if not isinstance(value, Mapping):
                yield _violation(value, path, "Member must be a structure")
                return
            for name in required:
                if value.get(name) is None:
                    yield _violation(None, _under(path, name), "Member must not be null")
            for name, item in value.items():
                member = members.get(name)
                if member is None:
                    yield _violation(
                        item, _under(path, name),
                        f"Member must be one of: [{', '.join(sorted(members))}]",
                    )  # fmt: skip
                elif item is not None:
                    yield from member(item, _under(path, name))

        return body

    def _list(self, shape: Any) -> Check:
        member, bounds = self.check_of(shape.member), _bounds(shape, "length")

        def body(value: Any, path: str) -> Iterator[str]:
            if not isinstance(value, list | tuple):
                yield _violation(value, path, "Member must be a list")
                return
            yield from bounds(len(value), value, path)
            for number, item in enumerate(value, 1):
                yield from member(item, f"{path}.{number}.member")

        return body

    def _map(self, shape: Any) -> Check:
        keys, values = self.check_of(shape.key), self.check_of(shape.value)
        bounds = _bounds(shape, "length")

        def body(value: Any, path: str) -> Iterator[str]:
            if not isinstance(value, Mapping):
                yield _violation(value, path, "Member must be a map")
                return
            yield from bounds(len(value), value, path)
            for key, item in value.items():
                for violated in keys(key, path):
                    yield _of_map("keys", value, path, violated)
                if isinstance(item, str):
                    for violated in values(item, path):
                        yield _of_map("value", value, path, violated)
                else:
                    yield from values(item, f"{path}.{key}.member")

        return body


def _string(shape: Any) -> Check:
    bounds = _bounds(shape, "length")
    pattern = shape.metadata.get("pattern")
    # An enumeration is checked by its values only: AWS adds values that a pattern would refuse.
    allowed = shape.metadata.get("enum")
    compiled = _pattern(pattern) if pattern else None

    def body(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield _violation(value, path, "Member must be a string")
            return
        yield from bounds(len(value), value, path)
        if compiled is not None and compiled.fullmatch(value) is None:
            yield _violation(
                value, path, f"Member must satisfy regular expression pattern: {pattern}"
            )  # fmt: skip
        if allowed and value not in allowed:
            yield _violation(
                value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]"
            )  # fmt: skip

    return body


def _number(shape: Any) -> Check:
    bounds = _bounds(shape, "value")
    whole = shape.type_name in ("integer", "long")

    def body(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            yield _violation(value, path, f"Member must be a number of type {shape.type_name}")
            return
        yield from bounds(value, value, path)

    return body


def _boolean(_: Any) -> Check:
    def body(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, bool):
            yield _violation(value, path, "Member must be a boolean")

    return body


def _bounds(shape: Any, measure: str) -> Callable[[float, Any, str], Iterator[str]]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")

    def body(size: float, value: Any, path: str) -> Iterator[str]:
        if minimum is not None and size < minimum:
            yield _violation(
                value, path, f"Member must have {measure} greater than or equal to {minimum}"
            )  # fmt: skip
        if maximum is not None and size > maximum:
            yield _violation(
                value, path, f"Member must have {measure} less than or equal to {maximum}"
            )

    return body


def _pattern(java: str) -> re.Pattern[str] | None:
    python = java
    for name, members in _UNICODE.items():
        python = python.replace(name, members)
    try:
        return re.compile(python)
    except re.error:
        return None  # patterns such as surrogate ranges, which Python's re does not support


def _under(path: str, name: str) -> str:
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member


def _violation(value: Any, path: str, constraint: str) -> str:
    received = "null" if value is None else f"'{_formatted(value)}'"
    return f"Value {received} at '{path}' failed to satisfy constraint: {constraint}"


def _of_map(part: str, value: Any, path: str, violated: str) -> str:
    constraint = violated.split("constraint: ", 1)[1]
    return _violation(value, path, f"Map {part} must satisfy constraint: [{constraint}]")


def _formatted(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}={_formatted(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_formatted(v) for v in value) + "]"
    return str(value)
