"""Operators on numbers, time series and arrays, applied to each datapoint."""

from __future__ import annotations

from collections.abc import Callable
from math import nan

from sageloop.local_cloud.cloudwatch.expressions.syntax import invalid
from sageloop.local_cloud.cloudwatch.expressions.values import TimeSeries, Value, kind_of

Combine = Callable[[float, float], float]


def _divided(left: float, right: float) -> float:
    # Not an error in CloudWatch: the result has no datapoint at that time.
    return left / right if right else nan


def _power(left: float, right: float) -> float:
    try:
        power = left**right
    except (OverflowError, ZeroDivisionError):
        return nan
    return power if isinstance(power, float) else nan


_COMBINE: dict[str, Combine] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "^": _power,
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
    "&&": lambda a, b: float(bool(a) and bool(b)),
    "||": lambda a, b: float(bool(a) or bool(b)),
}


def operate(sign: str, left: Value, right: Value) -> Value:
    """The value of ``left sign right``.

    Two time series are combined at the times that both have. Raises ``ValidationError`` for
    operands without such an operator: texts, and two arrays.
    """
    combine = _COMBINE[sign]
    if isinstance(left, str) or isinstance(right, str):
        raise _no_operator(sign, left, right)
    if isinstance(left, tuple):
        if isinstance(right, tuple):
            raise _no_operator(sign, left, right)
        return tuple(_pair(combine, one, right) for one in left)
    if isinstance(right, tuple):
        return tuple(_reversed(combine, left, one) for one in right)
    if isinstance(left, float) and isinstance(right, float):
        return combine(left, right)
    if isinstance(left, TimeSeries):
        return _pair(combine, left, right)
    return _reversed(combine, left, right)


def negated(value: Value) -> Value:
    """``-value``."""
    return operate("*", value, -1.0)


def _pair(combine: Combine, left: TimeSeries, right: Value) -> TimeSeries:
    if isinstance(right, float):
        return left.each(lambda value: combine(value, right))
    if not isinstance(right, TimeSeries):
        raise TypeError(right)
    # Only the longer of two periods has values of both series.
    shape = left if left.period >= right.period else right
    points = {
        t: combine(value, right.points[t]) for t, value in left.points.items() if t in right.points
    }
    return shape.with_points(points).named(left.id, left.label)


def _reversed(combine: Combine, left: Value, right: Value) -> TimeSeries:
    if isinstance(right, TimeSeries):
        return _pair(lambda a, b: combine(b, a), right, left)
    raise TypeError(right)


def _no_operator(sign: str, left: Value, right: Value) -> Exception:
    return invalid(f"'{sign}' cannot be applied to {kind_of(left)} and {kind_of(right)}")
