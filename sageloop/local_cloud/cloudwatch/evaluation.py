"""Alarm evaluation: M out of N datapoints, with CloudWatch's treatment of missing data.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Missing = Literal["missing", "ignore", "breaching", "notBreaching"]

# CloudWatch retrieves more datapoints than N; its documentation shows five for three evaluated.
EXTRA_PERIODS = 2

_COMPARE = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}

_OUTSIDE: dict[str, Callable[[float, float, float], bool]] = {
    "GreaterThanUpperThreshold": lambda value, low, high: value > high,
    "LessThanLowerThreshold": lambda value, low, high: value < low,
    "LessThanLowerOrGreaterThanUpperThreshold": lambda value, low, high: not low <= value <= high,
}

OPERATORS = frozenset(_COMPARE)
BAND_OPERATORS = frozenset(_OUTSIDE)


def breaches(value: float, operator: str, threshold: float) -> bool:
    """Whether a datapoint breaches the threshold."""
    return bool(_COMPARE[operator](value, threshold))


def outside(value: float, operator: str, bounds: tuple[float, float]) -> bool:
    """Whether a datapoint breaches a band's lower or upper bound."""
    return bool(_OUTSIDE[operator](value, *bounds))


def state_of_datapoints(
    breaching: Sequence[bool | None],
    *,
    periods: int,
    to_alarm: int,
    missing: Missing,
    current: State,
) -> State:
    """The alarm state for datapoints, oldest first (``None``: no data).

    ``breaching`` has ``periods + EXTRA_PERIODS`` entries; ``to_alarm`` is M of M-out-of-N.
    """
    real = [b for b in breaching if b is not None]
    if len(real) >= periods:
        return "ALARM" if sum(real[-periods:]) >= to_alarm else "OK"
    if missing in ("breaching", "notBreaching"):
        bad = sum(real) + (periods - len(real) if missing == "breaching" else 0)
        return "ALARM" if bad >= to_alarm else "OK"
    if sum(real) >= to_alarm:
        return "ALARM"
    if not all(real):
        return "OK"
    if missing == "ignore":
        return current
    if not real:
        return "INSUFFICIENT_DATA"
    # Fewer than M, all breaching: ALARM only if the oldest is old enough, whatever is missing
    # since. Until then the next datapoint may change the result.
    age = len(breaching) - list(breaching).index(True)
    return "ALARM" if age >= to_alarm else current
