"""The functions of metric math by name, with their numbers of arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sageloop.local_cloud.cloudwatch.expressions import choosing, points, reductions
from sageloop.local_cloud.cloudwatch.expressions.syntax import invalid
from sageloop.local_cloud.cloudwatch.expressions.values import Many, Span, TimeSeries, Value


@dataclass(frozen=True, slots=True)
class Scope:
    """The context of a function call beside its arguments."""

    span: Span
    period: int
    retrieved: Many


@dataclass(frozen=True, slots=True)
class Function:
    """A function: its minimum and maximum number of arguments, and its implementation."""

    least: int
    most: int
    run: Callable[[Scope, list[Value]], Value]


REFUSED = {
    "SEARCH": "it cannot be used in alarms, and name the metrics in GetMetricData instead",
    "INSIGHT_RULE_METRIC": "Contributor Insights is not part of the local cloud",
    "LAMBDA": "data sources with functions are not part of the local cloud",
    "SERVICE_QUOTA": "quotas are not part of the local cloud",
    "DB_PERF_INSIGHTS": "Performance Insights is not part of the local cloud",
}


def call(scope: Scope, name: str, arguments: list[Value]) -> Value:
    """The value of a function call.

    Raises ``ValidationError`` for an unknown or unsupported function, and for invalid
    arguments.
    """
    if name in REFUSED:
        raise invalid(f"the function {name} is not supported here: {REFUSED[name]}")
    function = FUNCTIONS.get(name)
    if function is None:
        raise invalid(
            f"there is no function {name}; supported functions: {', '.join(sorted(FUNCTIONS))}"
        )
    if not function.least <= len(arguments) <= function.most:
        expected = (
            str(function.least)
            if function.least == function.most
            else f"{function.least} to {function.most}"
        )
        raise invalid(f"{name} takes {expected} arguments, got {len(arguments)}")
    return function.run(scope, arguments)


def _one(name: str, change: Callable[[str, Value], Value]) -> Function:
    return Function(1, 1, lambda _, arguments: change(name, arguments[0]))


def _metrics(scope: Scope, arguments: list[Value]) -> Value:
    part = arguments[0] if arguments else ""
    if not isinstance(part, str):
        raise invalid("METRICS takes a quoted part of the ids to select")
    return tuple(one for one in scope.retrieved if part in one.id)


def _time_series(scope: Scope, arguments: list[Value]) -> Value:
    value = arguments[0]
    if not isinstance(value, float):
        raise invalid("TIME_SERIES takes a number")
    return TimeSeries(period=scope.period).with_points(
        dict.fromkeys(scope.span.starts(scope.period), value)
    )


FUNCTIONS: dict[str, Function] = {
    **{name: _one(name, reductions.reduced) for name in reductions.REDUCE},
    **{name: _one(name, points.changed) for name in points.CHANGE},
    **{name: _one(name, points.compared) for name in points.COMPARE},
    **{name: _one(name, points.time_part) for name in points.PART_OF_TIME},
    "METRIC_COUNT": _one("METRIC_COUNT", reductions.metric_count),
    "PERIOD": _one("PERIOD", reductions.period_of),
    "FILL": Function(
        2, 2, lambda scope, arguments: points.filled(scope.span, arguments[0], arguments[1])
    ),
    "IF": Function(2, 3, lambda _, arguments: choosing.chosen(*arguments)),
    "FIRST": _one("FIRST", choosing.first),
    "LAST": _one("LAST", choosing.last),
    "REMOVE_EMPTY": _one("REMOVE_EMPTY", choosing.without_empty),
    "SLICE": Function(2, 3, lambda _, arguments: choosing.sliced(arguments)),
    "SORT": Function(2, 4, lambda _, arguments: choosing.ordered(arguments)),
    "METRICS": Function(0, 1, _metrics),
    "TIME_SERIES": Function(1, 1, _time_series),
}
