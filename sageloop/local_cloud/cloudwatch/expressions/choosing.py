"""Selection functions of metric math: IF, FIRST, LAST, SLICE, SORT, REMOVE_EMPTY."""

from __future__ import annotations

from sageloop.local_cloud.cloudwatch.expressions.reductions import REDUCE
from sageloop.local_cloud.cloudwatch.expressions.syntax import invalid
from sageloop.local_cloud.cloudwatch.expressions.values import Many, TimeSeries, Value, kind_of

_NOTHING = TimeSeries()
_SORTED_BY = ("AVG", "MAX", "MIN", "SUM")


def chosen(condition: Value, then: Value, other: Value = _NOTHING) -> Value:
    """IF: at each time the second or the third value, by whether the first is not zero."""
    if isinstance(condition, float):
        return then if condition else other
    if not isinstance(condition, TimeSeries):
        raise invalid(f"IF takes a number or a time series first, not {kind_of(condition)}")
    if isinstance(then, tuple) or isinstance(other, tuple):
        return _chosen_of_arrays(condition, then, other)
    points = {t: _at(then if is_so else other, t) for t, is_so in condition.points.items()}
    return condition.with_points(points)


def first(name: str, value: Value) -> Value:
    """FIRST: the first series of an array."""
    return next(iter(_array(name, value)), _NOTHING)


def last(name: str, value: Value) -> Value:
    """LAST: the last series of an array."""
    return next(reversed(_array(name, value)), _NOTHING)


def without_empty(name: str, value: Value) -> Value:
    """REMOVE_EMPTY: the series of an array that have datapoints."""
    return tuple(one for one in _array(name, value) if one.points)


def sliced(arguments: list[Value]) -> Value:
    """SLICE(array, from[, to]): one series, or those from one index to another."""
    array = _array("SLICE", arguments[0])
    indices = [_whole("SLICE", index) for index in arguments[1:]]
    if len(indices) == 1:
        return array[indices[0]] if indices[0] < len(array) else _NOTHING
    return array[indices[0] : indices[1]]


def ordered(arguments: list[Value]) -> Value:
    """SORT(array, function, order[, limit])."""
    array = _array("SORT", arguments[0])
    by, order = arguments[1], arguments[2] if len(arguments) > 2 else "ASC"
    if by not in _SORTED_BY or order not in ("ASC", "DESC"):
        raise invalid(
            f"SORT takes {', '.join(_SORTED_BY)} and then ASC or DESC, got {by} and {order}"
        )
    compute = REDUCE[str(by)]
    filled = [one for one in array if one.points]
    filled.sort(key=lambda one: compute(list(one.points.values())), reverse=order == "DESC")
    series = (*filled, *(one for one in array if not one.points))
    return series[: _whole("SORT", arguments[3])] if len(arguments) > 3 else series


def _chosen_of_arrays(condition: TimeSeries, then: Value, other: Value) -> Many:
    if isinstance(then, tuple) and isinstance(other, tuple):
        raise invalid("IF takes an array as its second or third argument, not as both")
    if isinstance(then, tuple):
        members = [chosen(condition, one, other) for one in then]
    else:
        members = [chosen(condition, then, one) for one in _array("IF", other)]
    return tuple(one for one in members if isinstance(one, TimeSeries))


def _at(value: Value, moment: float) -> float | None:
    if isinstance(value, TimeSeries):
        return value.points.get(moment)
    if not isinstance(value, float):
        raise invalid(f"IF cannot select {kind_of(value)} at one moment")
    return value


def _array(name: str, value: Value) -> Many:
    if not isinstance(value, tuple):
        raise invalid(f"{name} takes an array of time series, not {kind_of(value)}")
    return value


def _whole(name: str, value: Value) -> int:
    if not isinstance(value, float) or value != int(value) or value < 0:
        raise invalid(f"{name} takes whole numbers from 0 on, got {value}")
    return int(value)
