"""The response of DescribeAlarms and the filters of its request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sageloop.local_cloud.cloudwatch.alarm_state import AnyAlarm
from sageloop.local_cloud.cloudwatch.composite import CompositeAlarm

_LISTS = ("AlarmActions", "OKActions", "InsufficientDataActions")


def described(alarm: AnyAlarm) -> dict[str, Any]:
    """All members of an alarm."""
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
    """The members of a child in the response for ChildrenOfAlarmName."""
    known = described(alarm)
    return {m: known[m] for m in ("AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp")}


def as_parent(alarm: AnyAlarm) -> dict[str, Any]:
    """The members of a parent in the response for ParentsOfAlarmName."""
    return {"AlarmName": alarm.name, "AlarmArn": alarm.arn}


def is_meant(alarm: AnyAlarm, params: Mapping[str, Any]) -> bool:
    """Whether an alarm matches the names, prefix, state, action and types of a request.

    Without ``AlarmTypes`` only metric alarms match.
    """
    names, action = params.get("AlarmNames"), params.get("ActionPrefix")
    return (
        alarm.kind in (params.get("AlarmTypes") or ["MetricAlarm"])
        and (not names or alarm.name in names)
        and alarm.name.startswith(params.get("AlarmNamePrefix", ""))
        and params.get("StateValue") in (None, alarm.state)
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
