"""Functions that change the datapoints of a series or fill missing ones."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, floor, log, log10
from typing import cast

from sageloop.local_cloud.cloudwatch.expressions.syntax import invalid
from sageloop.local_cloud.cloudwatch.expressions.values import (
    Span,
    TimeSeries,
    Value,
    kind_of,
)

CHANGE: dict[str, Callable[[float], float | None]] = {
    "ABS": abs,
    "CEIL": lambda value: float(ceil(value)),
    "FLOOR": lambda value: float(floor(value)),
    "LOG": lambda value: log(value) if value > 0 else None,
    "LOG10": lambda value: log10(value) if value > 0 else None,
}

# (seconds since the previous datapoint, its value, the value) -> the new value.
COMPARE: dict[str, Callable[[float, float, float], float]] = {
    "DIFF": lambda _, before, value: value - before,
    "DIFF_TIME": lambda seconds, _, __: seconds,
    "RATE": lambda seconds, before, value: (value - before) / seconds,
    "RUNNING_SUM": lambda _, __, value: value,
}

PART_OF_TIME: dict[str, Callable[[datetime], float]] = {
    "MINUTE": lambda t: float(t.minute),
    "HOUR": lambda t: float(t.hour),
    "DAY": lambda t: float(t.isoweekday()),
    "DATE": lambda t: float(t.day),
    "MONTH": lambda t: float(t.month),
    "YEAR": lambda t: float(t.year),
    "EPOCH": lambda t: t.timestamp(),
}


def changed(name: str, value: Value) -> Value:
    """ABS, CEIL, FLOOR, LOG and LOG10 of a number, a series or each series of an array."""
    change = CHANGE[name]
    if isinstance(value, float):
        result = change(value)
        return float("nan") if result is None else result
    return _each(name, value, lambda one: one.each(change))


def compared(name: str, value: Value) -> Value:
    """DIFF, DIFF_TIME, RATE and RUNNING_SUM: each datapoint with those before it."""
    return _each(name, value, _running if name == "RUNNING_SUM" else lambda one: _diff(name, one))


def time_part(name: str, value: Value) -> Value:
    """MINUTE, HOUR, DAY, DATE, MONTH, YEAR and EPOCH of each datapoint, in UTC."""
    part = PART_OF_TIME[name]
    return _each(
        name, value,
        lambda one: one.with_points({t: part(datetime.fromtimestamp(t, UTC)) for t in one.points}),
    )  # fmt: skip


def filled(span: Span, value: Value, filler: Value) -> Value:
    """FILL: missing datapoints filled by a number, another series, or a method."""
    if isinstance(filler, str) and filler not in _FILL:
        raise invalid(f"FILL takes a number, a time series, REPEAT or LINEAR, got {filler}")
    if isinstance(filler, tuple):
        raise invalid("FILL fills with a number, a time series, REPEAT or LINEAR, not an array")
    return _each("FILL", value, lambda one: _filled(span, one, filler))


def _each(name: str, value: Value, change: Callable[[TimeSeries], TimeSeries]) -> Value:
    if isinstance(value, TimeSeries):
        return change(value)
    if isinstance(value, tuple):
        return tuple(change(one) for one in value)
    raise invalid(f"{name} takes a time series or an array of them, not {kind_of(value)}")


def _diff(name: str, series: TimeSeries) -> TimeSeries:
    compare = COMPARE[name]
    known = list(series.points.items())
    return series.with_points(
        {
            t: compare(t - t_before, before, value)
            for (t_before, before), (t, value) in pairwise(known)
        }
    )


def _running(series: TimeSeries) -> TimeSeries:
    total, points = 0.0, {}
    for t, value in series.points.items():
        total += value
        points[t] = total
    return series.with_points(points)


def _filled(span: Span, series: TimeSeries, filler: Value) -> TimeSeries:
    moments = sorted({*span.starts(series.period), *series.points})
    if isinstance(filler, str):
        return series.with_points(_FILL[filler](series, moments))
    if isinstance(filler, TimeSeries):
        return series.with_points({**filler.points, **series.points})
    number = cast("float", filler)
    return series.with_points({t: series.points.get(t, number) for t in moments})


def _repeated(series: TimeSeries, moments: list[float]) -> dict[float, float | None]:
    points: dict[float, float | None] = {}
    last: float | None = None
    for t in moments:
        last = series.points.get(t, last)
        points[t] = last
    return points


def _interpolated(series: TimeSeries, moments: list[float]) -> dict[float, float | None]:
    points: dict[float, float | None] = dict(series.points)
    known = list(series.points)
    for t in moments:
        after = bisect_left(known, t)
        if t not in points and 0 < after < len(known):
            t0, t1 = known[after - 1], known[after]
            v0, v1 = series.points[t0], series.points[t1]
            points[t] = v0 + (v1 - v0) * (t - t0) / (t1 - t0)
    return points


_FILL: dict[str, Callable[[TimeSeries, list[float]], dict[float, float | None]]] = {
    "REPEAT": _repeated,
    "LINEAR": _interpolated,
}
