"""Alarms in DescribeAlarms' words, and which of them are meant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sageloop.local_cloud.cloudwatch.alarm_state import AnyAlarm
from sageloop.local_cloud.cloudwatch.composite import CompositeAlarm

_LISTS = ("AlarmActions", "OKActions", "InsufficientDataActions")


def described(alarm: AnyAlarm) -> dict[str, Any]:
    """Everything about an alarm."""
    changed = datetime.fromtimestamp(alarm.changed, UTC) if alarm.changed else None
    configured = datetime.fromtimestamp(alarm.configured, UTC)
    lists: dict[str, list[Any]] = {m: [] for m in _LISTS}
    if not isinstance(alarm, CompositeAlarm):
        lists["Dimensions"] = []
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
        **_withheld(alarm),
    }


def as_child(alarm: AnyAlarm) -> dict[str, Any]:
    """What ChildrenOfAlarmName tells of an alarm."""
    known = described(alarm)
    return {m: known[m] for m in ("AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp")}


def as_parent(alarm: AnyAlarm) -> dict[str, Any]:
    """What ParentsOfAlarmName tells of an alarm."""
    return {"AlarmName": alarm.name, "AlarmArn": alarm.arn}


def is_meant(alarm: AnyAlarm, asked: Mapping[str, Any]) -> bool:
    """Whether the names, prefix, state, action and types asked for mean this alarm.

    Without ``AlarmTypes`` only metric alarms are meant, whatever else is asked.
    """
    names, action = asked.get("AlarmNames"), asked.get("ActionPrefix")
    return (
        alarm.kind in (asked.get("AlarmTypes") or ["MetricAlarm"])
        and (not names or alarm.name in names)
        and alarm.name.startswith(asked.get("AlarmNamePrefix", ""))
        and asked.get("StateValue") in (None, alarm.state)
        and (not action or any(a.startswith(action) for a in _actions(alarm)))
    )


def _actions(alarm: AnyAlarm) -> list[str]:
    return [arn for member in _LISTS for arn in alarm.definition.get(member, [])]


def _withheld(alarm: AnyAlarm) -> dict[str, Any]:
    if not isinstance(alarm, CompositeAlarm) or alarm.withheld is None:
        return {}
    return {
        "ActionsSuppressedBy": alarm.withheld,
        "ActionsSuppressedReason": alarm.withheld_because,
    }
