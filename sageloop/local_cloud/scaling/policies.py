"""Computes the capacity that a policy requests when its alarm changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.scaling import decisions
from sageloop.local_cloud.scaling.decisions import DEFAULT_COOLDOWN, Direction, NotScaled
from sageloop.local_cloud.scaling.model import STEP, Attached, Store
from sageloop.local_cloud.scaling.readings import Reading

if TYPE_CHECKING:
    from sageloop.local_cloud.scaling.readings import Alarms


@dataclass(frozen=True, slots=True)
class RequestedCapacity:
    """A capacity before limits; ``reason`` explains an unchanged capacity."""

    capacity: int
    reason: NotScaled | None = None


Policy = Callable[[int], RequestedCapacity | None]


def policy_of_alarm(store: Store, alarms: Alarms, policy: Attached, alarm: str) -> Policy | None:
    """The function from the current capacity to the requested one; ``None``: no request."""
    if policy.tracking is None:
        reading = alarms.read(policy.key, alarm)
        return None if reading is None else partial(_step, policy.content[STEP], reading)
    if alarm == policy.alarms[0]:
        reading = alarms.read(policy.key, alarm)
        if reading is None or not reading.values or reading.state != "ALARM":
            return None
        return partial(_track_out, float(policy.tracking["TargetValue"]), reading.values[-1])
    return _track_in(store, alarms, policy)


def cooldown(policy: Attached, direction: Direction) -> float:
    """The cooldown in seconds of a change by this policy."""
    if policy.tracking is None:
        return float(policy.content[STEP].get("Cooldown", DEFAULT_COOLDOWN))
    member = "ScaleOutCooldown" if direction == "out" else "ScaleInCooldown"
    return float(policy.tracking.get(member, DEFAULT_COOLDOWN))


def _step(config: Mapping[str, Any], reading: Reading, current: int) -> RequestedCapacity | None:
    # An alarm that was set manually, or breaches by missing data, has no metric: use the threshold.
    values = reading.values or (reading.threshold,)
    metric = decisions.aggregated(values, config.get("MetricAggregationType"))
    desired = decisions.stepped(config, current, metric - reading.threshold, rising=reading.rising)
    return None if desired is None else RequestedCapacity(desired)


def _track_out(target: float, metric: float, current: int) -> RequestedCapacity | None:
    desired = decisions.tracked(current, metric, target)
    return RequestedCapacity(max(desired, current))


def _track_in(store: Store, alarms: Alarms, policy: Attached) -> Policy | None:
    """Scale in only if all target tracking policies agree; the largest capacity is used."""
    readings: list[tuple[float, float]] = []
    for other in store.policies_of(policy.key):
        config = other.tracking
        if config is None or len(other.alarms) < 2:
            continue
        reading = alarms.read(other.key, other.alarms[1])
        if reading is None or reading.state != "ALARM" or not reading.values:
            return None
        # The largest datapoint: scale in conservatively.
        readings.append((max(reading.values), float(config["TargetValue"])))
    return partial(_smallest_safe, readings) if readings else None


def _smallest_safe(readings: list[tuple[float, float]], current: int) -> RequestedCapacity | None:
    desired = max(decisions.tracked(current, metric, target) for metric, target in readings)
    if desired >= current > 0:
        flapping = NotScaled("AutoScalingAnticipatedFlapping", {"CurrentCapacity": current})
        return RequestedCapacity(current, flapping)
    return RequestedCapacity(min(desired, current))
