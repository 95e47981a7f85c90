"""Runs scheduled actions on the virtual clock, which set the limits of a target.

https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scheduled-scaling.html
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.events.schedules import Rate, Schedule, parse
from sageloop.local_cloud.events.timetable import Recurrence
from sageloop.local_cloud.scaling import checks
from sageloop.local_cloud.scaling.model import Attached, Store, TargetKey

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.scaling.activities import ActivityLog
    from sageloop.local_cloud.scaling.scaler import Scaler


class Timetable:
    """Runs the scheduled actions of all targets."""

    def __init__(self, cloud: Cloud, store: Store, log: ActivityLog, scaler: Scaler) -> None:
        self._cloud = cloud
        self._store = store
        self._log = log
        self._scaler = scaler
        self._lock = threading.Lock()
        self._running: dict[str, Recurrence] = {}

    def arm(self, action: Attached) -> None:
        """Start the schedule of an action, or restart it after a change."""
        self.disarm(action.arn)
        content = action.content
        begin, end = content.get("StartTime"), content.get("EndTime")
        one_time = content["Schedule"].startswith("at(")
        recurrence = Recurrence(
            clock=self._cloud.clock,
            schedule=schedule_of(content, self._cloud.clock.time()),
            fire=lambda when: self._fire(action.key, action.name),
            label=f"scheduled scaling {action.name}",
            until=None if end is None or one_time else end.timestamp(),
        )
        with self._lock:
            self._running[action.arn] = recurrence
        recurrence.begin(None if begin is None or one_time else begin.timestamp())

    def disarm(self, arn: str) -> None:
        """Stop the schedule of an action."""
        with self._lock:
            known = self._running.pop(arn, None)
        if known is not None:
            known.cancel()

    def stop(self) -> None:
        """Stop all schedules."""
        for arn in list(self._running):
            self.disarm(arn)

    def _fire(self, key: TargetKey, name: str) -> None:
        cause = f"scheduled action name {name} was triggered"
        with self._store.lock:
            target = self._store.targets.get(key)
            action = self._store.actions.get((key, name))
            if target is None or action is None or target.suspended["ScheduledScalingSuspended"]:
                return
            desired = action.content.get("ScalableTargetAction", {})
            limits = (
                desired.get("MinCapacity", target.minimum),
                desired.get("MaxCapacity", target.maximum),
            )
            text = _limits(desired)
            try:
                checks.check_capacity(*limits)
            except AwsError as error:
                self._log.failed(key, f"Setting {text}", cause, f"Failed to set {text}: {error}")
                return
            self._store.targets[key] = replace(target, minimum=limits[0], maximum=limits[1])
        activity = self._log.begin(key, f"Setting {text}", cause)
        activity.status, activity.message = "Successful", f"Successfully set {text}"
        if key.sagemaker:
            self._scaler.adjust(key, wait=True)


def schedule_of(content: Mapping[str, Any], now: float) -> Schedule:
    """The schedule of an action. Raises ``ValidationException`` for an invalid one.

    A rate counts from its StartTime, which is its first time, or else from now.
    """
    try:
        zone = zone_of(content.get("Timezone"))
        schedule = parse(content["Schedule"], start=now, zone=zone, one_time=True)
    except ValueError as error:
        raise checks.invalid(f"Invalid schedule {content['Schedule']}: {error}") from error
    start: datetime | None = content.get("StartTime")
    if isinstance(schedule, Rate) and start is not None:
        return Rate(schedule.period, start.timestamp())
    return schedule


def zone_of(name: str | None) -> tzinfo:
    """A time zone by its IANA name; UTC by default."""
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise checks.invalid(f"Timezone must be a name like Europe/Berlin, got {name}") from error


def _limits(limits: Mapping[str, Any]) -> str:
    parts = []
    if "MinCapacity" in limits:
        parts.append(f"min capacity to {limits['MinCapacity']}")
    if "MaxCapacity" in limits:
        parts.append(f"max capacity to {limits['MaxCapacity']}")
    return " and ".join(parts)
