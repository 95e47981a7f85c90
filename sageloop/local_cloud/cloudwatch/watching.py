"""What a metric alarm watches: one metric or expression, against a number or a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.cloudwatch.evaluation import BAND_OPERATORS, breaches, outside
from sageloop.local_cloud.cloudwatch.expressions.evaluate import BAND, Computation
from sageloop.local_cloud.cloudwatch.expressions.syntax import FunctionCall
from sageloop.local_cloud.cloudwatch.expressions.values import Span, TimeSeries
from sageloop.local_cloud.cloudwatch.metrics import check_statistic
from sageloop.local_cloud.cloudwatch.queries import Query, check_period, dimensions_of, queries_of
from sageloop.local_cloud.cloudwatch.readings import Readings
from sageloop.local_cloud.cloudwatch.statistics import extended
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.samples import Series

# A sum says nothing before its period is over, unless it is above a ceiling already.
_GROWING = ("Sum", "SampleCount")
_OF_ONE_METRIC = (
    "Namespace", "MetricName", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watch:
    """The queries of an alarm, the one that is watched, and the band it is held against."""

    queries: Mapping[str, Query]
    watched: str
    band: str | None = None

    @property
    def metric(self) -> Query | None:
        """The metric, if it is one by itself that is watched."""
        query = self.queries[self.watched]
        return query if query.series is not None else None

    @property
    def period(self) -> int:
        """Seconds between the datapoints that are judged."""
        return self.queries[self.watched].period

    @property
    def grows(self) -> bool:
        """Whether a datapoint may still change while its period runs."""
        return any(query.stat in _GROWING for query in self.queries.values())

    def of(self, series: Series) -> bool:
        """Whether it watches one metric, and this one."""
        return self.metric is not None and self.metric.series == series


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One period of what is watched: its value, the band's bounds there, and its verdict."""

    start: float
    value: float | None = None
    bounds: tuple[float, float] | None = None
    breaching: bool | None = None
    count: float = 0
    significant: bool = True


def watch_of(given: Mapping[str, Any]) -> Watch:
    """What PutMetricAlarm's members say is watched.

    Raises ``ValidationError`` for anything that could not be evaluated later.
    """
    name = given["AlarmName"]
    if not given.get("Metrics"):
        return _of_one_metric(given)
    doubled = [member for member in _OF_ONE_METRIC if member in given]
    if doubled:
        raise _invalid(f"alarm {name}: Metrics cannot be given with {', '.join(doubled)}")
    queries = queries_of(given["Metrics"])
    band = given.get("ThresholdMetricId")
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
    """The last ``count`` periods of what is watched, oldest first, each with its verdict."""
    # Periods end with the minute that has begun, so a sample stamped "now" is inside.
    period, step = watch.period, min(watch.period, 60)
    end = (now // step + 1) * step
    span = Span(end - count * period, end, anchor=end)
    computed = readings.computation(watch.queries, span)
    series = computed.of(watch.watched)
    band = computed.of(watch.band) if watch.band else None
    metric = watch.metric
    samples = readings.windows(metric, span) if metric is not None else {}
    found = []
    for start in span.starts(period):
        value = series.points.get(start) if isinstance(series, TimeSeries) else None
        running = watch.grows and start + period > now
        if running and not _above_already(value, watch, definition):
            value = None
        seen = sum(sample.count for sample in samples.get(start, ()))
        bounds = _bounds(band, start)
        found.append(
            Datapoint(
                start, value, bounds, _verdict(value, bounds, watch, definition), seen,
                metric is None or _is_significant(metric.stat, seen),
            )
        )  # fmt: skip
    return found


def _above_already(value: float | None, watch: Watch, definition: Mapping[str, Any]) -> bool:
    operator = definition["ComparisonOperator"]
    if value is None or watch.metric is None or watch.band or not operator.startswith("Greater"):
        return False
    return breaches(value, operator, float(definition["Threshold"]))


def _of_one_metric(given: Mapping[str, Any]) -> Watch:
    stat = given.get("Statistic", given.get("ExtendedStatistic"))
    if stat is None or "MetricName" not in given:
        raise _invalid(f"alarm {given['AlarmName']} needs MetricName and a statistic")
    check_statistic(stat)
    series = Series.of(given["Namespace"], given["MetricName"], dimensions_of(given))
    period = check_period(int(given.get("Period", 60)), f"alarm {given['AlarmName']}")
    return Watch({"m1": Query("m1", series.name, period, True, series, stat)}, "m1")


def _check_kinds(name: str, watch: Watch) -> None:
    """Compute everything over no time at all: what is wrong with an expression shows there."""
    computed = Computation(watch.queries, Span(0, 0))
    for id_ in watch.queries:
        computed.of(id_)
    if not isinstance(computed.of(watch.watched), TimeSeries):
        raise _invalid(f"alarm {name}: {watch.watched} must give exactly one time series")
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


def _verdict(
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
    """Whether a percentile of so few values means anything, by CloudWatch's own rule.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
    """
    asked = extended(stat)
    if asked is None or asked.percentile is None:
        return True
    share = asked.percentile / 100
    rare = 1 - share if share >= 0.5 else share
    return rare > 0 and count * rare >= 10 - 1e-9


def check_operator(given: Mapping[str, Any], watch: Watch, operators: Sequence[str]) -> None:
    """Refuse a comparison that does not fit what the alarm is held against."""
    name, operator = given["AlarmName"], given["ComparisonOperator"]
    allowed = sorted(BAND_OPERATORS) if watch.band else sorted(operators)
    if operator not in allowed:
        held = "an anomaly band" if watch.band else "a threshold"
        raise _invalid(
            f"alarm {name}: against {held} ComparisonOperator is {', '.join(allowed)}, "
            f"got {operator}"
        )
    if (watch.band is None) != ("Threshold" in given):
        raise _invalid(f"alarm {name} needs either a Threshold or a ThresholdMetricId")


def _invalid(what: str) -> AwsError:
    return AwsError("ValidationError", what)
