"""The API operations of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.cloudwatch.expressions.values import Span, TimeSeries
from sageloop.local_cloud.cloudwatch.metric_data import data_of, samples_of
from sageloop.local_cloud.cloudwatch.metrics import STATISTICS, statistic
from sageloop.local_cloud.cloudwatch.queries import check_unit, dimensions_of, queries_of
from sageloop.local_cloud.cloudwatch.query_limits import (
    check_range,
    check_statistics,
    earliest,
    page_of_metrics,
    page_of_values,
)
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.samples import Sample, Series
from sageloop.local_cloud.core.service import Call, operation

if TYPE_CHECKING:
    from sageloop.local_cloud.cloudwatch.metrics import MetricStore
    from sageloop.local_cloud.cloudwatch.readings import Readings
    from sageloop.local_cloud.core.clock import VirtualClock

_RECENTLY, _RECENT_SECONDS = "PT3H", 3 * 3_600


class MetricApi:
    """Operations on metrics."""

    def __init__(self, metrics: MetricStore, readings: Readings, clock: VirtualClock) -> None:
        self._metrics = metrics
        self._readings = readings
        self._clock = clock

    @operation("PutMetricData")
    def put_metric_data(self, call: Call) -> None:
        """Store samples; ``AWS/`` namespaces are reserved for services."""
        namespace = call.params["Namespace"]
        if namespace.startswith("AWS/") and not call.principal.endswith(".amazonaws.com"):
            raise AwsError(
                "InvalidParameterValue",
                f"The value AWS/ for parameter Namespace is invalid: got {namespace}.",
            )
        now = self._clock.time()
        for datum in data_of(call.params, now):
            series = Series.of(namespace, datum["MetricName"], dimensions_of(datum))
            for sample in samples_of(datum, now):
                self._metrics.put(series, sample, datum.get("Unit", "None"))

    @operation("GetMetricStatistics")
    def get_metric_statistics(self, call: Call) -> dict[str, Any]:
        """Return datapoints of one metric, by unit."""
        p = call.params
        _check_statistics(p)
        series = Series.of(p["Namespace"], p["MetricName"], dimensions_of(p))
        start, end, period = p["StartTime"].timestamp(), p["EndTime"].timestamp(), int(p["Period"])
        first = max(start, earliest(self._clock.time(), period)) // period * period
        points = [
            _datapoint(at, samples, unit, p)
            for unit, of_unit in self._metrics.by_unit(series, first, end, p.get("Unit")).items()
            for at, samples in sorted(_windows(of_unit, period).items())
        ]
        return {"Label": p["MetricName"], "Datapoints": points}

    @operation("GetMetricData")
    def get_metric_data(self, call: Call) -> dict[str, Any]:
        """Return values of metrics and of expressions over them."""
        params = call.params
        queries = queries_of(params.get("MetricDataQueries", []))
        span = Span(params["StartTime"].timestamp(), params["EndTime"].timestamp())
        check_range(params["StartTime"], params["EndTime"], code="ValidationError")
        computed = self._readings.computation(queries, span, now=self._clock.time())
        newest_first = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        results = [
            _result(query.id, line, newest_first=newest_first)
            for query in queries.values()
            if query.returned
            for line in computed.lines(query.id)
        ]
        return page_of_values(results, params)

    @operation("ListMetrics")
    def list_metrics(self, call: Call) -> dict[str, Any]:
        """Return the metrics that match a namespace, a name, dimensions and recent activity."""
        params = call.params
        active = params.get("RecentlyActive")
        if active not in (None, _RECENTLY):
            raise _invalid(f"The value {active} for parameter RecentlyActive is invalid.")
        since = self._clock.time() - _RECENT_SECONDS if active else 0.0
        matching = [
            series
            for series in self._metrics.all()
            if _matches(series, params) and self._metrics.latest(series) >= since
        ]
        return page_of_metrics([_described(series) for series in matching], params)


def _matches(series: Series, params: Mapping[str, Any]) -> bool:
    held = dict(series.dimensions)
    return (
        params.get("Namespace") in (None, series.namespace)
        and params.get("MetricName") in (None, series.name)
        and all(
            one["Name"] in held and one.get("Value") in (None, held[one["Name"]])
            for one in params.get("Dimensions", [])
        )
    )


def _check_statistics(params: Mapping[str, Any]) -> None:
    start, end, period = params["StartTime"], params["EndTime"], int(params["Period"])
    if not params.get("Statistics") and not params.get("ExtendedStatistics"):
        raise AwsError(
            "InvalidParameterCombination",
            "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
        )
    check_statistics(start, end, period)
    check_unit(params.get("Unit"))
    for name in params.get("Statistics", []):
        if name not in STATISTICS:
            raise _invalid(
                f"The parameter Statistics.member.1 must be a value in the set [ "
                f"{', '.join(STATISTICS)} ]."
            )


def _windows(samples: Sequence[Sample], period: int) -> dict[float, list[Sample]]:
    windows: dict[float, list[Sample]] = {}
    for sample in samples:
        windows.setdefault(sample.time // period * period, []).append(sample)
    return windows


def _datapoint(
    start: float, samples: Sequence[Sample], unit: str, params: Mapping[str, Any]
) -> dict[str, Any]:
    point: dict[str, Any] = {"Timestamp": datetime.fromtimestamp(start, UTC), "Unit": unit}
    for name in params.get("Statistics", []):
        point[name] = statistic(samples, name)
    extended = {name: statistic(samples, name) for name in params.get("ExtendedStatistics", [])}
    known = {name: value for name, value in extended.items() if value is not None}
    return point | ({"ExtendedStatistics": known} if known else {})


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def _result(id_: str, line: TimeSeries, *, newest_first: bool) -> dict[str, Any]:
    points = sorted(line.points.items(), reverse=newest_first)
    return {
        "Id": id_,
        "Label": line.label or line.id or id_,
        "Timestamps": [datetime.fromtimestamp(t, UTC) for t, _ in points],
        "Values": [v for _, v in points],
        "StatusCode": "Complete",
    }


def _described(series: Series) -> dict[str, Any]:
    return {
        "Namespace": series.namespace,
        "MetricName": series.name,
        "Dimensions": [{"Name": n, "Value": v} for n, v in series.dimensions],
    }
