"""The API operations of anomaly detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sageloop.local_cloud.cloudwatch.anomaly import Detector, key_of
from sageloop.local_cloud.cloudwatch.expressions import syntax
from sageloop.local_cloud.cloudwatch.expressions.evaluate import BAND
from sageloop.local_cloud.cloudwatch.expressions.values import Span
from sageloop.local_cloud.cloudwatch.metrics import check_statistic
from sageloop.local_cloud.cloudwatch.paging import page
from sageloop.local_cloud.cloudwatch.queries import Query, dimensions_of, queries_of
from sageloop.local_cloud.cloudwatch.watching import Watch
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.samples import Series
from sageloop.local_cloud.core.service import Call, operation

if TYPE_CHECKING:
    from sageloop.local_cloud.cloudwatch.anomaly import AnomalyBands
    from sageloop.local_cloud.cloudwatch.readings import Readings

_MOST_RANGES = 10
_PERIOD = 60
_UNKNOWN = ("AdaptationSpeed", "OutlierFilteringStrength")


class AnomalyApi:
    """Operations on anomaly detectors."""

    def __init__(self, bands: AnomalyBands, readings: Readings) -> None:
        self._bands = bands
        self._readings = readings

    @operation("PutAnomalyDetector")
    def put_anomaly_detector(self, call: Call) -> dict[str, Any]:
        """Create a detector of a metric with a statistic, or of an expression."""
        made = _detector(call.params)
        return {"AnomalyDetectorId": self._bands.put(made).id}

    @operation("DescribeAnomalyDetectors")
    def describe_anomaly_detectors(self, call: Call) -> dict[str, Any]:
        """Return detectors by id, metric or type; by default those of single metrics."""
        ids = call.params.get("AnomalyDetectorIds")
        detectors = [
            self._described(detector)
            for detector in self._bands.all()
            if (detector.id in ids if ids else _matches(detector, call.params))
        ]
        return page("AnomalyDetectors", detectors, call, size="MaxResults")

    @operation("DeleteAnomalyDetector")
    def delete_anomaly_detector(self, call: Call) -> None:
        """Delete a detector by its id or its metrics."""
        id_ = call.params.get("AnomalyDetectorId")
        keys = [d.key for d in self._bands.all() if d.id == id_] if id_ else []
        if not id_:
            keys = [_detector(call.params).key]
        if not any(self._bands.remove(key) for key in keys):
            raise AwsError("ResourceNotFoundException", "there is no such anomaly detector", 404)

    def _described(self, detector: Detector) -> dict[str, Any]:
        computed = self._readings.computation(detector.queries, Span(0, 0))
        return {
            "AnomalyDetectorId": detector.id,
            **detector.described,
            "StateValue": self._bands.state_of(detector, computed),
        }


def detectors_of(watch: Watch) -> Detector | None:
    """The detector of an alarm on a band, which CloudWatch creates with the alarm."""
    node = watch.queries[watch.band].node if watch.band else None
    if not isinstance(node, syntax.FunctionCall) or node.name != BAND:
        return None
    of = node.arguments[0]
    if not isinstance(of, syntax.Reference):
        raise invalid(f"{BAND} of an alarm takes the id of a metric or an expression")
    query = watch.queries[of.id]
    if query.series is not None:
        return _of_metric(query.series, query.stat, {}, {})
    queries = [q for q in watch.queries.values() if q.id != watch.band]
    listed = [_as_request(q, returned=q.id == of.id) for q in queries]
    return _of_queries(listed, {}, {})


def invalid(what: str) -> AwsError:
    """The error for an invalid detector."""
    return AwsError("InvalidParameterValue", what)


def _detector(params: Mapping[str, Any]) -> Detector:
    config, traits = params.get("Configuration") or {}, params.get("MetricCharacteristics") or {}
    single, math = (
        params.get("SingleMetricAnomalyDetector"),
        params.get("MetricMathAnomalyDetector"),
    )
    if math and (single or params.get("MetricName")):
        raise AwsError(
            "InvalidParameterCombination",
            "a detector is of one metric or of MetricMathAnomalyDetector, not of both",
        )
    if math:
        return _of_queries(math["MetricDataQueries"], config, traits)
    named = single or params
    lacking = [m for m in ("Namespace", "MetricName", "Stat") if not named.get(m)]
    if lacking:
        raise AwsError("MissingParameter", f"a detector needs {', '.join(lacking)}")
    series = Series.of(named["Namespace"], named["MetricName"], dimensions_of(named))
    return _of_metric(series, named["Stat"], config, traits)


def _of_metric(
    series: Series, stat: str, config: Mapping[str, Any], traits: Mapping[str, Any]
) -> Detector:
    check_statistic(stat)
    queries = {"m1": Query("m1", series.name, _PERIOD, True, series, stat)}
    named = {
        "Namespace": series.namespace,
        "MetricName": series.name,
        "Dimensions": [{"Name": n, "Value": v} for n, v in series.dimensions],
        "Stat": stat,
    }
    described = {**named, "SingleMetricAnomalyDetector": named}
    return _configured(queries, "m1", described, config, traits)


def _of_queries(
    members: Sequence[Mapping[str, Any]], config: Mapping[str, Any], traits: Mapping[str, Any]
) -> Detector:
    queries = queries_of(members)
    returned = [q.id for q in queries.values() if q.returned]
    if len(returned) != 1:
        raise invalid(
            "exactly one query of MetricMathAnomalyDetector must have ReturnData true, got "
            f"{', '.join(returned) or 'none'}"
        )
    described = {"MetricMathAnomalyDetector": {"MetricDataQueries": list(members)}}
    return _configured(queries, returned[0], described, config, traits)


def _configured(
    queries: Mapping[str, Query], watched: str, described: Mapping[str, Any],
    config: Mapping[str, Any], traits: Mapping[str, Any],
) -> Detector:  # fmt: skip
    for member in _UNKNOWN:
        if config.get(member):
            raise invalid(f"{member} of an anomaly detector is not supported here")
    ranges = config.get("ExcludedTimeRanges", [])
    if len(ranges) > _MOST_RANGES:
        raise invalid(f"at most {_MOST_RANGES} time ranges are excluded, got {len(ranges)}")
    excluded = tuple((r["StartTime"].timestamp(), r["EndTime"].timestamp()) for r in ranges)
    for start, end in excluded:
        if start >= end:
            raise invalid("the StartTime of an excluded range must lie before its EndTime")
    about = {
        **({"Configuration": dict(config)} if config else {}),
        **({"MetricCharacteristics": dict(traits)} if traits else {}),
    }
    key = key_of(queries, syntax.Reference(watched))
    zone = _zone(config.get("MetricTimezone", "UTC"))
    return Detector(key, queries, watched, {**described, **about}, excluded, zone)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise invalid(f"MetricTimezone {name} is not a time zone") from error


def _as_request(query: Query, *, returned: bool) -> dict[str, Any]:
    if query.series is None:
        return {
            "Id": query.id, "Expression": query.expression, "Label": query.label,
            "Period": query.period, "ReturnData": returned,
        }  # fmt: skip
    return {
        "Id": query.id, "ReturnData": returned,
        "MetricStat": {
            "Metric": {
                "Namespace": query.series.namespace, "MetricName": query.series.name,
                "Dimensions": [{"Name": n, "Value": v} for n, v in query.series.dimensions],
            },
            "Period": query.period, "Stat": query.stat,
        },
    }  # fmt: skip


def _matches(detector: Detector, params: Mapping[str, Any]) -> bool:
    single = detector.described.get("SingleMetricAnomalyDetector")
    types = params.get("AnomalyDetectorTypes") or ["SINGLE_METRIC"]
    if ("SINGLE_METRIC" if single else "METRIC_MATH") not in types:
        return False
    expected = {m: params[m] for m in ("Namespace", "MetricName") if params.get(m)}
    if params.get("Dimensions"):
        expected["Dimensions"] = sorted(params["Dimensions"], key=lambda d: str(d["Name"]))
    return all(single is not None and single[m] == value for m, value in expected.items())
