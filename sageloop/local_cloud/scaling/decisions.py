"""Computes the capacity of scaling policies, without side effects.

https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["out", "in"]
DEFAULT_COOLDOWN = 300.0
_AGGREGATE: dict[str, Callable[[Sequence[float]], float]] = {
    "Average": lambda v: sum(v) / len(v),
    "Minimum": min,
    "Maximum": max,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The latest change of a target: its end, the capacity before it, and its cooldown."""

    direction: Direction
    ended: float
    cooldown: float
    base: int


@dataclass(frozen=True, slots=True)
class NotScaled:
    """A reason for no change: AWS's code, and the capacities that explain it."""

    code: str
    details: Mapping[str, int]


def tracked(current: int, metric: float, target: float) -> int:
    """The capacity at which the metric per unit of capacity equals its target."""
    # Rounded first: 3 * 1.1 / 1.1 must not become 4.
    return math.ceil(round(current * metric / target, 9))


def aggregated(values: Sequence[float], kind: str | None) -> float:
    """Aggregate datapoints by the policy's MetricAggregationType (default: Average)."""
    return float(_AGGREGATE["Average" if kind is None else kind](values))


def stepped(
    config: Mapping[str, Any], current: int, difference: float, *, rising: bool
) -> int | None:
    """The capacity of a step policy, or ``None`` if no step covers the difference.

    Args:
        config: the StepScalingPolicyConfiguration.
        current: capacity to start from.
        difference: metric minus the alarm's threshold.
        rising: whether the alarm breaches above its threshold; decides which bound is inclusive.

    """
    for step in config["StepAdjustments"]:
        if _covers(step, difference, rising=rising):
            return _adjusted(config, current, int(step["ScalingAdjustment"]))
    return None


def within(desired: int, minimum: int, maximum: int) -> int:
    """The capacity nearest to ``desired`` within the target's limits."""
    return max(minimum, min(maximum, desired))


def blocked(desired: int, current: int, minimum: int, maximum: int) -> NotScaled:
    """The reason why a capacity within its limits stays at ``current``."""
    if desired > current:
        return NotScaled("AlreadyAtMaxCapacity", {"MaxCapacity": maximum})
    if desired < current:
        return NotScaled("AlreadyAtMinCapacity", {"MinCapacity": minimum})
    return NotScaled("AlreadyAtDesiredCapacity", {"CurrentCapacity": current})


def cools(last: Last | None, direction: Direction, now: float) -> bool:
    """Whether a change in a direction falls into the cooldown of the last change.

    Capacity that was removed may be added again immediately; added capacity has a cooldown.
    """
    if last is None or (last.direction, direction) == ("in", "out"):
        return False
    return now < last.ended + last.cooldown


def _covers(step: Mapping[str, Any], difference: float, *, rising: bool) -> bool:
    low = step.get("MetricIntervalLowerBound", -math.inf)
    high = step.get("MetricIntervalUpperBound", math.inf)
    if rising:
        return bool(low <= difference < high)
    return bool(low < difference <= high)


def _adjusted(config: Mapping[str, Any], current: int, adjustment: int) -> int:
    kind = config.get("AdjustmentType", "ChangeInCapacity")
    if kind == "ExactCapacity":
        return adjustment
    if kind == "PercentChangeInCapacity":
        return current + _percent(current, adjustment, config.get("MinAdjustmentMagnitude", 1))
    return current + adjustment


def _percent(current: int, adjustment: int, least: int) -> int:
    # Rounded towards zero, with a magnitude of at least 1 and the policy's minimum.
    change = max(abs(int(current * adjustment / 100)), least, 1) if adjustment else 0
    return change if adjustment > 0 else -change
