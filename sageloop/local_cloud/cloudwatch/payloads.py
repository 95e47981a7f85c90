"""Payloads of alarm transitions: the event and the notification of topics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.cloudwatch.alarm_state import AnyAlarm, iso_millis
from sageloop.local_cloud.cloudwatch.alarms import Alarm
from sageloop.local_cloud.cloudwatch.composite import CompositeAlarm
from sageloop.local_cloud.cloudwatch.evaluation import State
from sageloop.local_cloud.cloudwatch.queries import Query

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_OF_A_SUPPRESSOR = (
    "ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod",
)  # fmt: skip
_OF_A_TRIGGER = (
    "ComparisonOperator", "Threshold", "ThresholdMetricId", "TreatMissingData",
    "EvaluateLowSampleCountPercentile", "DatapointsToAlarm",
)  # fmt: skip


def event_detail(alarm: AnyAlarm, previous: State, previous_data: str) -> dict[str, Any]:
    """The detail of a state change event, which functions receive as ``alarmData``.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
    """
    stamp = iso_millis(alarm.changed)
    state = {
        "value": alarm.state,
        "reason": alarm.reason,
        "reasonData": alarm.reason_data,
        "timestamp": stamp,
    }
    if isinstance(alarm, CompositeAlarm) and alarm.withheld:
        state |= {
            "actionsSuppressedBy": alarm.withheld,
            "actionsSuppressedReason": str(alarm.withheld_because),
        }
    return {
        "alarmName": alarm.name,
        "state": state,
        "previousState": {"value": previous, "reasonData": previous_data, "timestamp": stamp},
        "configuration": {
            "description": alarm.definition.get("AlarmDescription", ""),
            **(_rule(alarm) if isinstance(alarm, CompositeAlarm) else _metrics(alarm)),
        },
    }


def notice(alarm: AnyAlarm, previous: State, cloud: Cloud) -> dict[str, Any]:
    """The message for the subscribers of a topic."""
    definition = alarm.definition
    message: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmDescription": definition.get("AlarmDescription"),
        "AWSAccountId": cloud.account_id,
        "NewStateValue": alarm.state,
        "NewStateReason": alarm.reason,
        "StateChangeTime": datetime.fromtimestamp(alarm.changed, UTC).isoformat(),
        "Region": cloud.region,
        "AlarmArn": alarm.arn,
        "OldStateValue": previous,
    }
    if isinstance(alarm, CompositeAlarm):
        return {**message, "AlarmRule": definition["AlarmRule"]}
    return {**message, "Trigger": _trigger(alarm)} if isinstance(alarm, Alarm) else message


def _trigger(alarm: Alarm) -> dict[str, Any]:
    definition = alarm.definition
    trigger: dict[str, Any] = {
        "Period": alarm.period,
        "EvaluationPeriods": alarm.periods,
        **{member: definition[member] for member in _OF_A_TRIGGER if member in definition},
    }
    metric = alarm.watch.metric
    if metric is None or metric.series is None or definition.get("Metrics"):
        return {**trigger, "Metrics": definition.get("Metrics", [])}
    return {
        "MetricName": metric.series.name,
        "Namespace": metric.series.namespace,
        "Statistic": metric.stat,
        "Dimensions": [{"name": n, "value": v} for n, v in metric.series.dimensions],
        **trigger,
    }


def _rule(alarm: CompositeAlarm) -> dict[str, Any]:
    definition: Mapping[str, Any] = alarm.definition
    named = {m[0].lower() + m[1:]: definition[m] for m in _OF_A_SUPPRESSOR if m in definition}
    return {"alarmRule": definition["AlarmRule"], **named}


def _metrics(alarm: AnyAlarm) -> dict[str, Any]:
    if not isinstance(alarm, Alarm):
        return {}
    return {"metrics": [_query(query) for query in alarm.watch.queries.values()]}


def _query(query: Query) -> dict[str, Any]:
    if query.series is None:
        return {
            "id": query.id, "expression": query.expression, "label": query.label,
            "returnData": query.returned,
        }  # fmt: skip
    return {
        "id": query.id,
        "metricStat": {
            "metric": {
                "namespace": query.series.namespace,
                "name": query.series.name,
                "dimensions": dict(query.series.dimensions),
            },
            "period": query.period,
            "stat": query.stat,
        },
        "returnData": query.returned,
    }
