"""The functions of metric math, by name: what each takes, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sageloop.local_cloud.cloudwatch.expressions import choosing, points, reductions
from sageloop.local_cloud.cloudwatch.expressions.syntax import invalid
from sageloop.local_cloud.cloudwatch.expressions.values import Many, Span, TimeSeries, Value


@dataclass(frozen=True, slots=True)
class Scope:
    """What a function may know beside its arguments."""

    span: Span
    period: int
    retrieved: Many


@dataclass(frozen=True, slots=True)
class Function:
    """A function: its least and most arguments, and the work."""

    least: int
    most: int
    run: Callable[[Scope, list[Value]], Value]


REFUSED = {
    "SEARCH": "it cannot be used in alarms, and name the metrics in GetMetricData instead",
    "INSIGHT_RULE_METRIC": "Contributor Insights is no part of the local cloud",
    "LAMBDA": "data sources by functions are no part of the local cloud",
    "SERVICE_QUOTA": "quotas are no part of the local cloud",
    "DB_PERF_INSIGHTS": "Performance Insights is no part of the local cloud",
}


def call(scope: Scope, name: str, arguments: list[Value]) -> Value:
    """The value of a function.

    Raises ``ValidationError`` for a function that there is not, or not here, and for arguments
    it does not take.
    """
    if name in REFUSED:
        raise invalid(f"the function {name} is not supported here: {REFUSED[name]}")
    function = FUNCTIONS.get(name)
    if function is None:
        raise invalid(f"there is no function {name}; there are {', '.join(sorted(FUNCTIONS))}")
    if not function.least <= len(arguments) <= function.most:
        wanted = (
            str(function.least)
            if function.least == function.most
            else f"{function.least} to {function.most}"
        )
        raise invalid(f"{name} takes {wanted} arguments, got {len(arguments)}")
    return function.run(scope, arguments)


def _one(name: str, change: Callable[[str, Value], Value]) -> Function:
    return Function(1, 1, lambda _, given: change(name, given[0]))


def _metrics(scope: Scope, given: list[Value]) -> Value:
    part = given[0] if given else ""
    if not isinstance(part, str):
        raise invalid("METRICS takes a quoted part of the ids to select")
    return tuple(one for one in scope.retrieved if part in one.id)


def _time_series(scope: Scope, given: list[Value]) -> Value:
    value = given[0]
    if not isinstance(value, float):
        raise invalid("TIME_SERIES takes a number")
    return TimeSeries(period=scope.period).with_points(
        dict.fromkeys(scope.span.starts(scope.period), value)
    )


FUNCTIONS: dict[str, Function] = {
    **{name: _one(name, reductions.reduced) for name in reductions.REDUCE},
    **{name: _one(name, points.changed) for name in points.CHANGE},
    **{name: _one(name, points.compared) for name in points.COMPARE},
    **{name: _one(name, points.told_time) for name in points.PART_OF_TIME},
    "METRIC_COUNT": _one("METRIC_COUNT", reductions.metric_count),
    "PERIOD": _one("PERIOD", reductions.period_of),
    "FILL": Function(2, 2, lambda scope, given: points.filled(scope.span, given[0], given[1])),
    "IF": Function(2, 3, lambda _, given: choosing.chosen(*given)),
    "FIRST": _one("FIRST", choosing.first),
    "LAST": _one("LAST", choosing.last),
    "REMOVE_EMPTY": _one("REMOVE_EMPTY", choosing.without_empty),
    "SLICE": Function(2, 3, lambda _, given: choosing.sliced(given)),
    "SORT": Function(2, 4, lambda _, given: choosing.ordered(given)),
    "METRICS": Function(0, 1, _metrics),
    "TIME_SERIES": Function(1, 1, _time_series),
}
