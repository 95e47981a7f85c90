"""The API operations of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.cloudwatch.expressions.values import Span, TimeSeries
from sageloop.local_cloud.cloudwatch.metrics import statistic
from sageloop.local_cloud.cloudwatch.queries import dimensions_of, queries_of
from sageloop.local_cloud.cloudwatch.query_limits import (
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
        for datum in call.params.get("MetricData", []):
            series = Series.of(namespace, datum["MetricName"], dimensions_of(datum))
            time = datum.get("Timestamp")
            at = time.timestamp() if time else self._clock.time()
            for sample in _samples(datum, at):
                self._metrics.put(series, sample, datum.get("Unit", "None"))

    @operation("GetMetricStatistics")
    def get_metric_statistics(self, call: Call) -> dict[str, Any]:
        """Return datapoints of one metric."""
        p = call.params
        check_statistics(p["StartTime"], p["EndTime"], int(p["Period"]))
        series = Series.of(p["Namespace"], p["MetricName"], dimensions_of(p))
        names = [*p.get("Statistics", []), *p.get("ExtendedStatistics", [])]
        points = []
        for start, samples in self._windows(series, p["StartTime"], p["EndTime"], p["Period"]):
            point: dict[str, Any] = {
                "Timestamp": datetime.fromtimestamp(start, UTC),
                "Unit": self._metrics.unit(series),
            }
            for name in names:
                value = statistic(samples, name)
                if name in p.get("ExtendedStatistics", []):
                    point.setdefault("ExtendedStatistics", {})[name] = value
                else:
                    point[name] = value
            points.append(point)
        return {"Label": p["MetricName"], "Datapoints": points}

    @operation("GetMetricData")
    def get_metric_data(self, call: Call) -> dict[str, Any]:
        """Return values of metrics and of expressions over them."""
        params = call.params
        queries = queries_of(params.get("MetricDataQueries", []))
        span = Span(params["StartTime"].timestamp(), params["EndTime"].timestamp())
        if span.start >= span.end:
            raise AwsError("ValidationError", "StartTime must be before EndTime")
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
        """Return the metrics that match a namespace, a name and dimensions."""
        params = call.params
        metrics = []
        for series in self._metrics.all():
            held = dict(series.dimensions)
            if (
                params.get("Namespace") in (None, series.namespace)
                and params.get("MetricName")
                in (
                    None,
                    series.name,
                )
                and all(
                    d["Name"] in held and d.get("Value") in (None, held[d["Name"]])
                    for d in params.get("Dimensions", [])
                )
            ):
                metrics.append(_described(series))
        return page_of_metrics(metrics, params)

    def _windows(
        self, series: Series, start: datetime, end: datetime, period: int
    ) -> list[tuple[float, Sequence[Sample]]]:
        period = int(period)
        windows: dict[float, list[Sample]] = {}
        oldest = max(start.timestamp(), earliest(self._clock.time(), period))
        first = oldest // period * period
        for sample in self._metrics.between(series, first, end.timestamp()):
            windows.setdefault(sample.time // period * period, []).append(sample)
        return sorted(windows.items())


def _result(id_: str, line: TimeSeries, *, newest_first: bool) -> dict[str, Any]:
    points = sorted(line.points.items(), reverse=newest_first)
    return {
        "Id": id_,
        "Label": line.label or line.id or id_,
        "Timestamps": [datetime.fromtimestamp(t, UTC) for t, _ in points],
        "Values": [v for _, v in points],
        "StatusCode": "Complete",
    }


def _samples(datum: Mapping[str, Any], at: float) -> list[Sample]:
    if "StatisticValues" in datum:
        s = datum["StatisticValues"]
        return [
            Sample(at, float(s["Sum"]), float(s["SampleCount"]), float(s["Minimum"]),
                   float(s["Maximum"]))
        ]  # fmt: skip
    if "Values" in datum:
        counts = datum.get("Counts", [1.0] * len(datum["Values"]))
        return [
            Sample(at, float(v) * float(n), float(n), float(v), float(v))
            for v, n in zip(datum["Values"], counts, strict=True)
        ]
    value = float(datum["Value"])
    return [Sample(at, value, 1, value, value)]


def _described(series: Series) -> dict[str, Any]:
    return {
        "Namespace": series.namespace,
        "MetricName": series.name,
        "Dimensions": [{"Name": n, "Value": v} for n, v in series.dimensions],
    }
