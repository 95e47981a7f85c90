"""PutMetricAlarm and the operations around it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.cloudwatch.actions import refuse_unsupported
from sageloop.local_cloud.cloudwatch.alarms import Alarm
from sageloop.local_cloud.cloudwatch.evaluation import OPERATORS
from sageloop.local_cloud.cloudwatch.metric_api import dimensions_of
from sageloop.local_cloud.cloudwatch.metrics import Series, statistic
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation

if TYPE_CHECKING:
    from sageloop.local_cloud.cloudwatch.service import CloudWatchService

_NO_TAGS = ("Tags",)
_MAX_RANGE_SHORT, _MAX_RANGE_LONG = 86_400, 604_800


class AlarmApi:
    """The alarm operations."""

    def __init__(self, service: CloudWatchService) -> None:
        self._service = service
        self._alarms = service.alarms

    @operation("PutMetricAlarm")
    def put_metric_alarm(self, call: Call) -> None:
        """Define an alarm on one metric; composite alarms and metric math are refused."""
        given = {k: v for k, v in call.params.items() if k not in _NO_TAGS}
        series, stat, period = _metric_of(given)
        _check(given, period)
        statistic([], stat)
        for member in ("AlarmActions", "OKActions", "InsufficientDataActions"):
            refuse_unsupported(given.get(member, []))
        name = given["AlarmName"]
        arn = f"arn:aws:cloudwatch:{call.region}:{call.account_id}:alarm:{name}"
        now = self._service.cloud.clock.time()
        self._alarms.put(Alarm(name, arn, given, series, stat, period, now))
        if call.params.get("Tags"):
            self._service.tags[arn] = {t["Key"]: t["Value"] for t in call.params["Tags"]}

    @operation("DescribeAlarms")
    def describe_alarms(self, call: Call) -> dict[str, Any]:
        """Alarms by name, prefix or state."""
        names, prefix = call.params.get("AlarmNames"), call.params.get("AlarmNamePrefix", "")
        state = call.params.get("StateValue")
        found = [
            described(a)
            for a in self._alarms.all()
            if (not names or a.name in names)
            and a.name.startswith(prefix)
            and state in (None, a.state)
        ]
        return {"MetricAlarms": found, "CompositeAlarms": []}

    @operation("DescribeAlarmsForMetric")
    def describe_alarms_for_metric(self, call: Call) -> dict[str, Any]:
        """Alarms that watch a metric."""
        p = call.params
        series = Series.of(p["Namespace"], p["MetricName"], dimensions_of(p))
        return {"MetricAlarms": [described(a) for a in self._alarms.all() if a.series == series]}

    @operation("DescribeAlarmHistory")
    def describe_alarm_history(self, call: Call) -> dict[str, Any]:
        """History items, newest first unless asked otherwise."""
        p = call.params
        items = [
            item
            for alarm in self._alarms.all()
            if p.get("AlarmName") in (None, alarm.name)
            for item in list(alarm.history)
            if p.get("HistoryItemType") in (None, item["HistoryItemType"])
        ]
        newest_first = p.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        items.sort(key=lambda item: item["Timestamp"], reverse=newest_first)
        return {"AlarmHistoryItems": items[: p.get("MaxRecords", 100)]}

    @operation("DeleteAlarms")
    def delete_alarms(self, call: Call) -> None:
        """Delete alarms by name."""
        missing = [n for n in call.params["AlarmNames"] if self._alarms.get(n) is None]
        if missing and len(call.params["AlarmNames"]) > 1:
            raise AwsError("ResourceNotFound", f"no alarm named {', '.join(missing)}", 404)
        for name in call.params["AlarmNames"]:
            self._alarms.delete(name)

    @operation("SetAlarmState")
    def set_alarm_state(self, call: Call) -> None:
        """Put an alarm into a state by hand; its actions follow, as on AWS."""
        p = call.params
        alarm = self._alarms.get(p["AlarmName"])
        if alarm is None:
            raise AwsError("ResourceNotFound", f"no alarm named {p['AlarmName']}", 404)
        data = p.get("StateReasonData", "")
        self._alarms.change(alarm, p["StateValue"], p["StateReason"], data)

    @operation("EnableAlarmActions")
    def enable_alarm_actions(self, call: Call) -> None:
        """Let the actions of alarms run."""
        self._set_enabled(call.params["AlarmNames"], enabled=True)

    @operation("DisableAlarmActions")
    def disable_alarm_actions(self, call: Call) -> None:
        """Keep the actions of alarms from running."""
        self._set_enabled(call.params["AlarmNames"], enabled=False)

    @operation("TagResource")
    def tag_resource(self, call: Call) -> None:
        """Tag an alarm or a dashboard."""
        tags = self._service.tags.setdefault(call.params["ResourceARN"], {})
        tags.update({t["Key"]: t["Value"] for t in call.params["Tags"]})

    @operation("UntagResource")
    def untag_resource(self, call: Call) -> None:
        """Take tags away."""
        tags = self._service.tags.get(call.params["ResourceARN"], {})
        for key in call.params["TagKeys"]:
            tags.pop(key, None)

    @operation("ListTagsForResource")
    def list_tags(self, call: Call) -> dict[str, Any]:
        """Tags of an alarm or a dashboard."""
        tags = self._service.tags.get(call.params["ResourceARN"], {})
        return {"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}

    def _set_enabled(self, names: list[str], *, enabled: bool) -> None:
        for name in names:
            alarm = self._alarms.get(name)
            if alarm:
                alarm.definition["ActionsEnabled"] = enabled


def described(alarm: Alarm) -> dict[str, Any]:
    """An alarm in DescribeAlarms' words."""
    changed = datetime.fromtimestamp(alarm.changed, UTC) if alarm.changed else None
    configured = datetime.fromtimestamp(alarm.configured, UTC)
    members = ("AlarmActions", "OKActions", "InsufficientDataActions", "Dimensions")
    lists: dict[str, list[Any]] = {m: [] for m in members}
    return {
        **lists,
        "ActionsEnabled": True,
        **alarm.definition,
        "AlarmArn": alarm.arn,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateReasonData": alarm.reason_data or None,
        "StateUpdatedTimestamp": changed or configured,
        "StateTransitionedTimestamp": changed or configured,
        "AlarmConfigurationUpdatedTimestamp": configured,
    }


def _metric_of(given: dict[str, Any]) -> tuple[Series, str, int]:
    queries = given.get("Metrics")
    if queries:
        if len(queries) > 1 or "MetricStat" not in queries[0]:
            raise AwsError(
                "ValidationError",
                f"alarm {given['AlarmName']}: metric math is not supported; one metric is",
            )
        stat = queries[0]["MetricStat"]
        metric = stat["Metric"]
        series = Series.of(metric["Namespace"], metric["MetricName"], dimensions_of(metric))
        return series, stat["Stat"], int(stat["Period"])
    stat_name = given.get("Statistic", given.get("ExtendedStatistic"))
    if stat_name is None or "MetricName" not in given:
        raise AwsError(
            "ValidationError", f"alarm {given['AlarmName']} needs MetricName and a statistic"
        )
    series = Series.of(given["Namespace"], given["MetricName"], dimensions_of(given))
    return series, stat_name, int(given.get("Period", 60))


def _check(given: dict[str, Any], period: int) -> None:
    name = given["AlarmName"]
    if given["ComparisonOperator"] not in OPERATORS:
        raise AwsError(
            "ValidationError",
            f"alarm {name}: the operator {given['ComparisonOperator']} is not supported here; "
            f"there are {', '.join(sorted(OPERATORS))}",
        )
    if period not in (10, 20, 30) and (period < 60 or period % 60):
        raise AwsError("ValidationError", f"alarm {name}: Period must be 10, 20, 30 or n x 60 s")
    if "Threshold" not in given:
        raise AwsError("ValidationError", f"alarm {name} needs a Threshold")
    periods = int(given["EvaluationPeriods"])
    longest = _MAX_RANGE_LONG if period >= 3600 else _MAX_RANGE_SHORT
    if period * periods > longest:
        raise AwsError(
            "ValidationError",
            f"alarm {name}: EvaluationPeriods x Period must be at most {longest} seconds, "
            f"got {periods} x {period}",
        )
    if int(given.get("DatapointsToAlarm", periods)) > periods:
        raise AwsError(
            "ValidationError", f"alarm {name}: DatapointsToAlarm must not exceed {periods}"
        )
