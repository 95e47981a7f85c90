"""Aggregation functions: of one series to a number, of an array to one series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import fsum, nan, sqrt

from sageloop.local_cloud.cloudwatch.expressions.syntax import invalid
from sageloop.local_cloud.cloudwatch.expressions.values import TimeSeries, Value, kind_of


def _average(values: Sequence[float]) -> float:
    return fsum(values) / len(values) if values else nan


def _deviation(values: Sequence[float]) -> float:
    mean = _average(values)
    return sqrt(fsum((v - mean) ** 2 for v in values) / len(values)) if values else nan


REDUCE: dict[str, Callable[[Sequence[float]], float]] = {
    "SUM": fsum,
    "AVG": _average,
    "MIN": lambda values: min(values, default=nan),
    "MAX": lambda values: max(values, default=nan),
    "STDDEV": _deviation,
    "DATAPOINT_COUNT": lambda values: float(len(values)),
}


def reduced(name: str, value: Value) -> Value:
    """Aggregate a series over time to a number, or an array over its members to a series.

    A member without a datapoint at a time does not count at that time.
    """
    compute = REDUCE[name]
    if isinstance(value, TimeSeries):
        return compute(list(value.points.values()))
    if not isinstance(value, tuple):
        raise invalid(f"{name} takes a time series or an array of them, not {kind_of(value)}")
    moments = sorted({t for one in value for t in one.points})
    shape = TimeSeries(period=max((one.period for one in value), default=60))
    return shape.with_points(
        {t: compute([one.points[t] for one in value if t in one.points]) for t in moments}
    )


def metric_count(name: str, value: Value) -> Value:
    """METRIC_COUNT: the number of series of an array."""
    if not isinstance(value, tuple):
        raise invalid(f"{name} takes an array of time series, not {kind_of(value)}")
    return float(len(value))


def period_of(name: str, value: Value) -> Value:
    """PERIOD: the period of a series in seconds."""
    if not isinstance(value, TimeSeries):
        raise invalid(f"{name} takes a time series, not {kind_of(value)}")
    return float(value.period)
