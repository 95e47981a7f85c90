"""What a policy wants when its alarm changes."""

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
class Wish:
    """A capacity before limits; ``reason`` says why, if nothing is to change."""

    capacity: int
    reason: NotScaled | None = None


Judge = Callable[[int], Wish | None]


def judge(store: Store, alarms: Alarms, policy: Attached, alarm: str) -> Judge | None:
    """A function from the present capacity to what the policy wants; ``None``: nothing."""
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
    """Seconds that a change by this policy holds back the next one."""
    if policy.tracking is None:
        return float(policy.content[STEP].get("Cooldown", DEFAULT_COOLDOWN))
    member = "ScaleOutCooldown" if direction == "out" else "ScaleInCooldown"
    return float(policy.tracking.get(member, DEFAULT_COOLDOWN))


def _step(config: Mapping[str, Any], reading: Reading, current: int) -> Wish | None:
    # An alarm that was set by hand, or breaches for want of data, has no metric: its least breach.
    values = reading.values or (reading.threshold,)
    metric = decisions.aggregated(values, config.get("MetricAggregationType"))
    wanted = decisions.stepped(config, current, metric - reading.threshold, rising=reading.rising)
    return None if wanted is None else Wish(wanted)


def _track_out(target: float, metric: float, current: int) -> Wish | None:
    wanted = decisions.tracked(current, metric, target)
    return Wish(max(wanted, current))


def _track_in(store: Store, alarms: Alarms, policy: Attached) -> Judge | None:
    """Scale in only if every tracking policy of the target is ready to; the largest wins."""
    wants: list[tuple[float, float]] = []
    for other in store.policies_of(policy.key):
        config = other.tracking
        if config is None or len(other.alarms) < 2:
            continue
        reading = alarms.read(other.key, other.alarms[1])
        if reading is None or reading.state != "ALARM" or not reading.values:
            return None
        # The largest of the datapoints: in is gone into slowly.
        wants.append((max(reading.values), float(config["TargetValue"])))
    return partial(_smallest_safe, wants) if wants else None


def _smallest_safe(wants: list[tuple[float, float]], current: int) -> Wish | None:
    wanted = max(decisions.tracked(current, metric, target) for metric, target in wants)
    if wanted >= current > 0:
        flapping = NotScaled("AutoScalingAnticipatedFlapping", {"CurrentCapacity": current})
        return Wish(current, flapping)
    return Wish(min(wanted, current))
