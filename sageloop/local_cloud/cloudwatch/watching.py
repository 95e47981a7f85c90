"""The watched expression of a metric alarm: one metric or metric math, with threshold or band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.cloudwatch.evaluation import BAND_OPERATORS, breaches, outside
from sageloop.local_cloud.cloudwatch.expressions.evaluate import BAND, Computation
from sageloop.local_cloud.cloudwatch.expressions.syntax import FunctionCall
from sageloop.local_cloud.cloudwatch.expressions.values import Span, TimeSeries
from sageloop.local_cloud.cloudwatch.metrics import check_statistic
from sageloop.local_cloud.cloudwatch.queries import (
    Query,
    check_period,
    check_unit,
    dimensions_of,
    queries_of,
)
from sageloop.local_cloud.cloudwatch.readings import Readings
from sageloop.local_cloud.cloudwatch.statistics import extended
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.samples import Series

# A sum is final only at the end of its period, unless it exceeds a threshold before.
_GROWING = ("Sum", "SampleCount")
_OF_ONE_METRIC = (
    "Namespace", "MetricName", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watch:
    """The queries of an alarm, its watched query, and the band of its threshold."""

    queries: Mapping[str, Query]
    watched: str
    band: str | None = None

    @property
    def metric(self) -> Query | None:
        """The metric, if the alarm watches a single one."""
        query = self.queries[self.watched]
        return query if query.series is not None else None

    @property
    def period(self) -> int:
        """The period of a datapoint in seconds."""
        return self.queries[self.watched].period

    @property
    def grows(self) -> bool:
        """Whether a datapoint may change until its period ends."""
        return any(query.stat in _GROWING for query in self.queries.values())

    def of(self, series: Series) -> bool:
        """Whether the alarm watches this single metric."""
        return self.metric is not None and self.metric.series == series


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One period of the watched query: its value, the band's bounds, and whether it breaches."""

    start: float
    value: float | None = None
    bounds: tuple[float, float] | None = None
    breaching: bool | None = None
    count: float = 0
    significant: bool = True


def watch_of(definition: Mapping[str, Any]) -> Watch:
    """Parse the watched query of a PutMetricAlarm request.

    Raises ``ValidationError`` for anything that could not be evaluated.
    """
    name = definition["AlarmName"]
    if not definition.get("Metrics"):
        return _of_one_metric(definition)
    doubled = [member for member in _OF_ONE_METRIC if member in definition]
    if doubled:
        raise _invalid(f"alarm {name}: Metrics cannot be combined with {', '.join(doubled)}")
    queries = queries_of(definition["Metrics"])
    band = definition.get("ThresholdMetricId")
    returned = [q.id for q in queries.values() if q.returned and q.id != band]
    if len(returned) != 1:
        raise _invalid(
            f"alarm {name}: exactly one of Metrics must have ReturnData true, got "
            f"{', '.join(returned) or 'none'}"
        )
    watch = Watch(queries, returned[0], band)
    _check_kinds(name, watch)
    return watch


def datapoints(
    readings: Readings, watch: Watch, definition: Mapping[str, Any], *, count: int, now: float
) -> list[Datapoint]:
    """The last ``count`` periods of the watched query, oldest first."""
    # The last period includes the current minute, and samples at the current time with it.
    period, step = watch.period, min(watch.period, 60)
    end = (now // step + 1) * step
    span = Span(end - count * period, end, anchor=end)
    computed = readings.computation(watch.queries, span)
    series = computed.of(watch.watched)
    band = computed.of(watch.band) if watch.band else None
    metric = watch.metric
    samples = readings.windows(metric, span) if metric is not None else {}
    points = []
    for start in span.starts(period):
        value = series.points.get(start) if isinstance(series, TimeSeries) else None
        running = watch.grows and start + period > now
        if running and not _above_already(value, watch, definition):
            value = None
        sample_count = sum(sample.count for sample in samples.get(start, ()))
        bounds = _bounds(band, start)
        points.append(
            Datapoint(
                start, value, bounds, _breaching(value, bounds, watch, definition), sample_count,
                metric is None or _is_significant(metric.stat, sample_count),
            )
        )  # fmt: skip
    return points


def _above_already(value: float | None, watch: Watch, definition: Mapping[str, Any]) -> bool:
    operator = definition["ComparisonOperator"]
    if value is None or watch.metric is None or watch.band or not operator.startswith("Greater"):
        return False
    return breaches(value, operator, float(definition["Threshold"]))


def _of_one_metric(definition: Mapping[str, Any]) -> Watch:
    stat = definition.get("Statistic", definition.get("ExtendedStatistic"))
    if stat is None or "MetricName" not in definition:
        raise _invalid(f"alarm {definition['AlarmName']} needs MetricName and a statistic")
    check_statistic(stat)
    series = Series.of(definition["Namespace"], definition["MetricName"], dimensions_of(definition))
    period = check_period(int(definition.get("Period", 60)), f"alarm {definition['AlarmName']}")
    unit = definition.get("Unit")
    check_unit(unit)
    query = Query("m1", series.name, period, True, series, stat, unit=unit)
    return Watch({"m1": query}, "m1")


def _check_kinds(name: str, watch: Watch) -> None:
    """Evaluate everything over an empty span, which reveals invalid expressions."""
    computed = Computation(watch.queries, Span(0, 0))
    for id_ in watch.queries:
        computed.of(id_)
    if not isinstance(computed.of(watch.watched), TimeSeries):
        raise _invalid(f"alarm {name}: {watch.watched} must return exactly one time series")
    if watch.band is None:
        return
    node = watch.queries[watch.band].node if watch.band in watch.queries else None
    if not isinstance(node, FunctionCall) or node.name != BAND:
        raise _invalid(
            f"alarm {name}: ThresholdMetricId must name an expression {BAND}(...), got {watch.band}"
        )


def _bounds(band: object, start: float) -> tuple[float, float] | None:
    if not isinstance(band, tuple):
        return None
    low, high = (one.points.get(start) for one in band)
    return None if low is None or high is None else (low, high)


def _breaching(
    value: float | None, bounds: tuple[float, float] | None, watch: Watch,
    definition: Mapping[str, Any],
) -> bool | None:  # fmt: skip
    operator = definition["ComparisonOperator"]
    if value is None or (watch.band and bounds is None):
        return None
    if bounds is not None:
        return outside(value, operator, bounds)
    return breaches(value, operator, float(definition["Threshold"]))


def _is_significant(stat: str, count: float) -> bool:
    """Whether a percentile has enough samples, by CloudWatch's rule.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
    """
    parsed = extended(stat)
    if parsed is None or parsed.percentile is None:
        return True
    share = parsed.percentile / 100
    rare = 1 - share if share >= 0.5 else share
    return rare > 0 and count * rare >= 10 - 1e-9


def check_operator(definition: Mapping[str, Any], watch: Watch, operators: Sequence[str]) -> None:
    """Refuse a comparison operator that does not fit the threshold or band."""
    name, operator = definition["AlarmName"], definition["ComparisonOperator"]
    allowed = sorted(BAND_OPERATORS) if watch.band else sorted(operators)
    if operator not in allowed:
        held = "an anomaly band" if watch.band else "a threshold"
        raise _invalid(
            f"alarm {name}: against {held} ComparisonOperator is {', '.join(allowed)}, "
            f"got {operator}"
        )
    if (watch.band is None) != ("Threshold" in definition):
        raise _invalid(f"alarm {name} needs either a Threshold or a ThresholdMetricId")


def _invalid(what: str) -> AwsError:
    return AwsError("ValidationError", what)
