"""The API operations of metric alarms, and those shared by all alarms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.cloudwatch.actions import refuse_unsupported
from sageloop.local_cloud.cloudwatch.alarm_state import AnyAlarm
from sageloop.local_cloud.cloudwatch.alarms import Alarm
from sageloop.local_cloud.cloudwatch.anomaly_api import detectors_of
from sageloop.local_cloud.cloudwatch.composite import CompositeAlarm
from sageloop.local_cloud.cloudwatch.describing import as_child, as_parent, described, is_meant
from sageloop.local_cloud.cloudwatch.evaluation import OPERATORS
from sageloop.local_cloud.cloudwatch.paging import page
from sageloop.local_cloud.cloudwatch.queries import dimensions_of
from sageloop.local_cloud.cloudwatch.watching import Watch, check_operator, watch_of
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.core.samples import Series
from sageloop.local_cloud.core.service import Call, operation

if TYPE_CHECKING:
    from sageloop.local_cloud.cloudwatch.alarms import AlarmRepository
    from sageloop.local_cloud.cloudwatch.anomaly import AnomalyBands
    from sageloop.local_cloud.cloudwatch.composite import CompositeAlarmRepository
    from sageloop.local_cloud.core.clock import VirtualClock

_UNSUPPORTED = (
    "EvaluationWindow", "WarmUpConfiguration", "EvaluationCriteria", "EvaluationInterval",
    "ActionConfiguration",
)  # fmt: skip
_OPTIONS = {
    "TreatMissingData": ("breaching", "notBreaching", "ignore", "missing"),
    "EvaluateLowSampleCountPercentile": ("evaluate", "ignore"),
}
_STATES = ("INSUFFICIENT_DATA", "ALARM", "OK")
_MAX_RANGE_SHORT, _MAX_RANGE_LONG = 86_400, 604_800


class AlarmApi:
    """Operations on alarms."""

    def __init__(
        self, alarms: AlarmRepository, composites: CompositeAlarmRepository, bands: AnomalyBands,
        tags: dict[str, dict[str, str]], clock: VirtualClock,
    ) -> None:  # fmt: skip
        self._alarms = alarms
        self._composites = composites
        self._bands = bands
        self._tags = tags
        self._clock = clock

    @operation("PutMetricAlarm")
    def put_metric_alarm(self, call: Call) -> None:
        """Define an alarm on one metric, or on an expression over several."""
        params = {k: v for k, v in call.params.items() if k != "Tags"}
        name = params["AlarmName"]
        watch = watch_of(params)
        _check(params, watch)
        if self._composites.get(name) is not None:
            raise _invalid(f"{name} is a composite alarm; an alarm cannot change its type")
        for member in ("AlarmActions", "OKActions", "InsufficientDataActions"):
            refuse_unsupported(params.get(member, []))
        detector = detectors_of(watch)
        if detector is not None:
            self._bands.put(detector, replace=False)
        arn = regional_arn("cloudwatch", call.region, call.account_id, f"alarm:{name}")
        now = self._clock.time()
        self._alarms.put(Alarm(name=name, arn=arn, definition=params, watch=watch, configured=now))
        if call.params.get("Tags"):
            self._tags[arn] = {t["Key"]: t["Value"] for t in call.params["Tags"]}

    @operation("DescribeAlarms")
    def describe_alarms(self, call: Call) -> dict[str, Any]:
        """Return alarms by name, prefix, state, action and type, or the relatives of one."""
        for member in ("ChildrenOfAlarmName", "ParentsOfAlarmName"):
            if call.params.get(member):
                return self._relatives(call, member)
        matching = [a for a in self._every() if is_meant(a, call.params)]
        return _by_kind([(a, described(a)) for a in matching], call)

    def _relatives(self, call: Call, member: str) -> dict[str, Any]:
        others = sorted(set(call.params) - {member, "MaxRecords", "NextToken"})
        if others:
            raise _invalid(f"{member} cannot be combined with {', '.join(others)}")
        name = call.params[member]
        if member == "ParentsOfAlarmName":
            return _by_kind([(a, as_parent(a)) for a in self._composites.parents(name)], call)
        alarm = self._composites.get(name)
        if alarm is None:
            raise AwsError("ResourceNotFound", f"no composite alarm named {name}", 404)
        matching = [a for a in self._every() if a.name in alarm.children]
        return _by_kind([(a, as_child(a)) for a in matching], call)

    def _every(self) -> list[AnyAlarm]:
        return sorted([*self._alarms.all(), *self._composites.all()], key=lambda a: a.name)

    def _find(self, name: str) -> AnyAlarm | None:
        return self._composites.get(name) or self._alarms.get(name)

    @operation("DescribeAlarmsForMetric")
    def describe_alarms_for_metric(self, call: Call) -> dict[str, Any]:
        """Return the alarms on a metric."""
        p = call.params
        series = Series.of(p["Namespace"], p["MetricName"], dimensions_of(p))
        filters = {m: p[m] for m in ("Statistic", "ExtendedStatistic", "Period", "Unit") if m in p}
        return {
            "MetricAlarms": [
                described(a)
                for a in self._alarms.all()
                if a.watch.of(series) and filters.items() <= a.definition.items()
            ]
        }

    @operation("DescribeAlarmHistory")
    def describe_alarm_history(self, call: Call) -> dict[str, Any]:
        """Return history items, newest first by default."""
        p = call.params
        items = [
            item
            for alarm in self._every()
            if p.get("AlarmName") in (None, alarm.name)
            and (not p.get("AlarmTypes") or alarm.kind in p["AlarmTypes"])
            for item in list(alarm.history)
            if p.get("HistoryItemType") in (None, item["HistoryItemType"])
            and ("StartDate" not in p or item["Timestamp"] >= p["StartDate"])
            and ("EndDate" not in p or item["Timestamp"] <= p["EndDate"])
        ]
        newest_first = p.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        items.sort(key=lambda item: item["Timestamp"], reverse=newest_first)
        return page("AlarmHistoryItems", items, call, size="MaxRecords")

    @operation("DeleteAlarms")
    def delete_alarms(self, call: Call) -> None:
        """Delete alarms by name; the children of a composite alarm cannot be deleted."""
        names = call.params["AlarmNames"]
        missing = [n for n in names if self._find(n) is None]
        if missing and len(names) > 1:
            raise AwsError("ResourceNotFound", f"no alarm named {', '.join(missing)}", 404)
        if sum(self._composites.get(n) is not None for n in names) > 1:
            raise _invalid("one call deletes at most one composite alarm")
        for name in names:
            parents = [a.name for a in self._composites.parents(name) if a.name not in names]
            if parents:
                raise _invalid(
                    f"Cannot delete {name} as there are composite alarm(s) depending on it: "
                    f"{', '.join(parents)}"
                )
        for name in names:
            alarm = self._find(name)
            if alarm is not None:
                self._tags.pop(alarm.arn, None)
            self._composites.delete(name)
            self._alarms.delete(name)

    @operation("SetAlarmState")
    def set_alarm_state(self, call: Call) -> None:
        """Set the state of an alarm; its actions run, as on AWS."""
        p = call.params
        alarm, data = self._find(p["AlarmName"]), p.get("StateReasonData", "")
        if p["StateValue"] not in _STATES:
            raise _invalid(
                f"1 validation error detected: Value '{p['StateValue']}' at 'stateValue' failed to "
                "satisfy constraint: Member must satisfy enum value set: "
                f"[{', '.join(_STATES)}]"
            )
        if data and not _is_json(data):
            raise AwsError("InvalidFormat", "StateReasonData is not JSON")
        if isinstance(alarm, CompositeAlarm):
            self._composites.change(alarm, p["StateValue"], p["StateReason"], data)
        elif isinstance(alarm, Alarm):
            self._alarms.change(alarm, p["StateValue"], p["StateReason"], data)
        else:
            raise AwsError("ResourceNotFound", f"no alarm named {p['AlarmName']}", 404)

    @operation("EnableAlarmActions")
    def enable_alarm_actions(self, call: Call) -> None:
        """Enable the actions of alarms."""
        self._set_enabled(call.params["AlarmNames"], enabled=True)

    @operation("DisableAlarmActions")
    def disable_alarm_actions(self, call: Call) -> None:
        """Disable the actions of alarms."""
        self._set_enabled(call.params["AlarmNames"], enabled=False)

    @operation("TagResource")
    def tag_resource(self, call: Call) -> None:
        """Tag an alarm or a dashboard."""
        self._require(call.params["ResourceARN"])
        tags = self._tags.setdefault(call.params["ResourceARN"], {})
        tags.update({t["Key"]: t["Value"] for t in call.params["Tags"]})

    @operation("UntagResource")
    def untag_resource(self, call: Call) -> None:
        """Remove tags."""
        self._require(call.params["ResourceARN"])
        tags = self._tags.get(call.params["ResourceARN"], {})
        for key in call.params["TagKeys"]:
            tags.pop(key, None)

    @operation("ListTagsForResource")
    def list_tags(self, call: Call) -> dict[str, Any]:
        """Return the tags of an alarm or a dashboard."""
        self._require(call.params["ResourceARN"])
        tags = self._tags.get(call.params["ResourceARN"], {})
        return {"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}

    def _require(self, arn: str) -> None:
        """Refuse the ARN of an alarm that does not exist."""
        _, is_alarm, name = arn.partition(":alarm:")
        if is_alarm and self._find(name) is None:
            raise AwsError("ResourceNotFoundException", f"There is no alarm {arn}.", 404)

    def _set_enabled(self, names: list[str], *, enabled: bool) -> None:
        for name in names:
            alarm = self._find(name)
            if alarm:
                alarm.definition["ActionsEnabled"] = enabled


def _by_kind(matching: Iterable[tuple[AnyAlarm, Mapping[str, Any]]], call: Call) -> dict[str, Any]:
    answer = page("Alarms", list(matching), call, size="MaxRecords")
    shown = answer.pop("Alarms")
    return {
        "MetricAlarms": [d for a, d in shown if not isinstance(a, CompositeAlarm)],
        "CompositeAlarms": [d for a, d in shown if isinstance(a, CompositeAlarm)],
        **answer,
    }


def _check(definition: Mapping[str, Any], watch: Watch) -> None:
    name = definition["AlarmName"]
    for member in _UNSUPPORTED:
        if definition.get(member):
            raise _invalid(f"alarm {name}: {member} is not supported here")
    for member, allowed in _OPTIONS.items():
        if definition.get(member, allowed[0]) not in allowed:
            raise _invalid(
                f"Option {definition[member]} is not supported. Supported options for parameter "
                f"{member} are {', '.join(allowed[:-1])} and {allowed[-1]}."
            )
    check_operator(definition, watch, sorted(OPERATORS))
    period, periods = watch.period, int(definition["EvaluationPeriods"])
    if period < 10:
        raise _invalid(f"alarm {name}: Period must be 10, 20, 30 or a multiple of 60 seconds")
    longest = _MAX_RANGE_LONG if period >= 3600 else _MAX_RANGE_SHORT
    if period * periods > longest:
        raise _invalid(
            f"alarm {name}: EvaluationPeriods x Period must be at most {longest} seconds, "
            f"got {periods} x {period}"
        )
    if not 1 <= int(definition.get("DatapointsToAlarm", periods)) <= periods:
        raise _invalid(
            f"alarm {name}: DatapointsToAlarm must be 1 to EvaluationPeriods, which is {periods}, "
            f"got {definition['DatapointsToAlarm']}"
        )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _invalid(what: str) -> AwsError:
    return AwsError("ValidationError", what)
