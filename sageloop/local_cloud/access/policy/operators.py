"""Condition operators: how one value of a request is compared with one value of a policy.

Each operator compiles the policy's value to a test. A value that is not of the operator's type,
on either side, matches nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Any

from sageloop.local_cloud.access.policy import patterns
from sageloop.local_cloud.access.policy.patterns import Test
from sageloop.local_cloud.access.policy.variables import Lookup, Template

Compile = Callable[[str], Test]
_Compare = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Operator:
    """One comparison.

    ``variables``: whether the values of a policy can have policy variables. ``wildcards``: whether
    ``*`` and ``?`` are wildcards in them. ``negated``: whether the result is negated.
    """

    test: Callable[[Template, Lookup], Test]
    variables: bool
    wildcards: bool = False
    negated: bool = False


def _nothing(_value: str) -> bool:
    return False


def _of_text(compile_value: Compile, *, variables: bool = True) -> Operator:
    def test(value: Template, lookup: Lookup) -> Test:
        text = value.text(lookup)
        return _nothing if text is None else compile_value(text)

    return Operator(test, variables)


def _of_pattern(compile_tokens: Callable[[list[patterns.Token]], Test]) -> Operator:
    def test(value: Template, lookup: Lookup) -> Test:
        tokens = value.tokens(lookup)
        return _nothing if tokens is None else compile_tokens(tokens)

    return Operator(test, variables=True, wildcards=True)


def _equals(expected: str) -> Test:
    return lambda value: value == expected


def _equals_ignoring_case(expected: str) -> Test:
    folded = expected.lower()
    return lambda value: value.lower() == folded


def _boolean(expected: str) -> Test:
    flag = expected.lower()
    return _equals_ignoring_case(flag) if flag in ("true", "false") else _nothing


def number(text: str) -> Decimal | None:
    """A number of a policy or request, or ``None`` if the text is none."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:?\d\d))?)?)?"
)
_EPOCH = re.compile(r"-?\d{5,}(?:\.\d+)?")


def moment(text: str) -> datetime | None:
    """A time in one of W3C's forms of ISO 8601, or in seconds since 1970; else ``None``."""
    text = text.strip()
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), tz=UTC)
        match = _DATE.fullmatch(text)
        return _date(match) if match else None
    except (ValueError, OverflowError, OSError):
        return None


def _date(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    offset = "+00:00" if zone in (None, "Z") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    micro = (fraction or "0")[:6].ljust(6, "0")
    return datetime.fromisoformat(
        f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}"
        f".{micro}{offset}"
    )


def _binary(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _typed(read: Callable[[str], Any], compare: _Compare) -> Operator:
    def compile_value(text: str) -> Test:
        expected = read(text)
        if expected is None:
            return _nothing

        def test(value: str) -> bool:
            actual = read(value)
            return actual is not None and compare(actual, expected)

        return test

    return _of_text(compile_value, variables=False)


def _in_network(text: str) -> Test:
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        return _nothing

    def test(value: str) -> bool:
        try:
            return ip_address(value.strip()) in network
        except ValueError:
            return False

    return test


def _not(operator: Operator) -> Operator:
    return Operator(operator.test, operator.variables, operator.wildcards, negated=True)


def _ordered(name: str, read: Callable[[str], Any]) -> dict[str, Operator]:
    equal = _typed(read, eq)
    return {
        f"{name}Equals": equal,
        f"{name}NotEquals": _not(equal),
        f"{name}LessThan": _typed(read, lt),
        f"{name}LessThanEquals": _typed(read, le),
        f"{name}GreaterThan": _typed(read, gt),
        f"{name}GreaterThanEquals": _typed(read, ge),
    }


def _both(name: str, opposite: str, operator: Operator) -> dict[str, Operator]:
    return {name: operator, opposite: _not(operator)}


_ARN = _of_pattern(patterns.arn_from_tokens)

OPERATORS: Mapping[str, Operator] = {
    **_both("StringEquals", "StringNotEquals", _of_text(_equals)),
    **_both("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", _of_text(_equals_ignoring_case)),
    **_both("StringLike", "StringNotLike", _of_pattern(patterns.from_tokens)),
    **_ordered("Numeric", number),
    **_ordered("Date", moment),
    "Bool": _of_text(_boolean),
    "BinaryEquals": _typed(_binary, eq),
    **_both("IpAddress", "NotIpAddress", _of_text(_in_network, variables=False)),
    **_both("ArnEquals", "ArnNotEquals", _ARN),
    **_both("ArnLike", "ArnNotLike", _ARN),
}
"""Every operator except ``Null``, which checks only whether the key exists."""
