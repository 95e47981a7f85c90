"""Reads alarms and their metrics through CloudWatch's API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.caller import INTERNAL
from sageloop.local_cloud.scaling.model import TargetKey

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_EXTRA_PERIODS = 2
_GROWING = ("Sum", "SampleCount")
_METRIC = ("Namespace", "MetricName", "Dimensions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An alarm's state and the latest datapoints of its metric, oldest first."""

    state: str
    threshold: float
    rising: bool
    values: tuple[float, ...]


class Alarms:
    """Operations on CloudWatch alarms that Application Auto Scaling needs."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def put(self, key: TargetKey, request: Mapping[str, Any]) -> None:
        """Create or update an alarm."""
        self._client(key).put_metric_alarm(**request)

    def delete(self, key: TargetKey, names: tuple[str, ...]) -> None:
        """Delete alarms; no error for deleted ones."""
        for name in names:
            self._client(key).delete_alarms(AlarmNames=[name])

    def find(self, key: TargetKey, name: str) -> Mapping[str, Any] | None:
        """A metric alarm as CloudWatch describes it, or ``None``."""
        alarms = self._client(key).describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return alarms[0] if alarms else None

    def with_action(self, key: TargetKey, arn: str) -> list[Mapping[str, Any]]:
        """The metric alarms that have an action."""
        pages = self._client(key).get_paginator("describe_alarms").paginate()
        every = [alarm for one in pages for alarm in one["MetricAlarms"]]
        return [alarm for alarm in every if any(arn in alarm.get(m, ()) for m in ACTIONS)]

    def read(self, key: TargetKey, name: str) -> Reading | None:
        """An alarm and its metric at the virtual time."""
        alarm = self.find(key, name)
        if alarm is None:
            return None
        return Reading(
            state=alarm["StateValue"],
            threshold=float(alarm.get("Threshold", 0.0)),
            rising=str(alarm["ComparisonOperator"]).startswith("Greater"),
            values=self._values(key, alarm),
        )

    def _values(self, key: TargetKey, alarm: Mapping[str, Any]) -> tuple[float, ...]:
        queries, shown, period = queries_of(alarm)
        now = self._cloud.clock.time()
        count = int(alarm["EvaluationPeriods"])
        end = (now // period + 1) * period
        answer = self._client(key).get_metric_data(
            MetricDataQueries=queries, ScanBy="TimestampAscending",
            StartTime=_moment(end - (count + _EXTRA_PERIODS) * period), EndTime=_moment(end),
        )  # fmt: skip
        result = next(r for r in answer["MetricDataResults"] if r["Id"] == shown)
        points = list(zip(result["Timestamps"], result["Values"], strict=True))
        if _grows(queries, shown):
            # A sum is not known before the end of its period.
            points = [p for p in points if p[0].timestamp() + period <= now]
        return tuple(float(value) for _, value in points[-count:])

    def _client(self, key: TargetKey) -> Any:
        return self._cloud.client("cloudwatch", principal=INTERNAL, region=key.region)


ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")


def queries_of(alarm: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str, int]:
    """The queries of an alarm, the id of the watched one, and its period in seconds."""
    metrics = alarm.get("Metrics")
    if metrics:
        queries = [dict(query) for query in metrics]
        watched = next((q for q in queries if q.get("ReturnData", True)), queries[-1])
        periods = [int(q["MetricStat"]["Period"]) for q in queries if q.get("MetricStat")]
        return queries, str(watched["Id"]), max(periods, default=60)
    stat = alarm.get("Statistic") or alarm.get("ExtendedStatistic")
    period = int(alarm.get("Period", 60))
    metric = {m: alarm[m] for m in _METRIC if alarm.get(m)}
    query = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}
    return [query], "m1", period


def _grows(queries: list[dict[str, Any]], shown: str) -> bool:
    stats = [q["MetricStat"]["Stat"] for q in queries if q.get("MetricStat")]
    watched = next(q for q in queries if q["Id"] == shown)
    return "MetricStat" not in watched or any(stat in _GROWING for stat in stats)


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
