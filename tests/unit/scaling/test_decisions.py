"""Capacities of scaling policies, with the examples of AWS's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from sageloop.local_cloud.scaling.decisions import (
    Direction,
    Last,
    aggregated,
    blocked,
    cools,
    stepped,
    tracked,
    within,
)

# Two steps on either side of a threshold, as in AWS's documentation.
STEPS: list[dict[str, Any]] = [
    {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 0},
    {"MetricIntervalLowerBound": 10, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 10},
    {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 30},
]


def steps(kind: str, *, magnitude: int | None = None) -> dict[str, Any]:
    config: dict[str, Any] = {"AdjustmentType": kind, "StepAdjustments": STEPS}
    return config if magnitude is None else config | {"MinAdjustmentMagnitude": magnitude}


@pytest.mark.parametrize(
    ("current", "metric", "target", "expected"),
    [(2, 150, 100, 3), (2, 100, 100, 2), (4, 10, 100, 1), (3, 0, 70, 0), (3, 1.1, 1.1, 3),
     (0, 500, 100, 0)],
)  # fmt: skip
def test_tracking_keeps_the_metric_at_its_target(
    current: int, metric: float, target: float, expected: int
) -> None:
    assert tracked(current, metric, target) == expected


@pytest.mark.parametrize(
    ("difference", "expected"), [(0, 10), (9.9, 10), (10, 20), (19.9, 20), (20, 40), (500, 40)]
)
def test_step_of_a_rising_alarm_includes_its_lower_bound(difference: float, expected: int) -> None:
    assert stepped(steps("ChangeInCapacity"), 10, difference, rising=True) == expected


def test_step_of_a_falling_alarm_includes_its_upper_bound() -> None:
    down = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [
            {"MetricIntervalLowerBound": -10, "MetricIntervalUpperBound": 0,
             "ScalingAdjustment": -1},
            {"MetricIntervalUpperBound": -10, "ScalingAdjustment": -2},
        ],
    }  # fmt: skip
    capacity = [stepped(down, 5, difference, rising=False) for difference in (0, -9.9, -10, -30)]
    assert capacity == [4, 4, 3, 3]


def test_no_step_covers_the_difference() -> None:
    assert stepped(steps("ChangeInCapacity"), 10, -1, rising=True) is None


@pytest.mark.parametrize(
    ("current", "magnitude", "expected"),
    [(10, None, 11), (15, None, 16), (4, 2, 6), (3, None, 4), (100, 2, 110)],
)
def test_percentages_are_truncated_to_the_minimum_change(
    current: int, magnitude: int | None, expected: int
) -> None:
    config = steps("PercentChangeInCapacity", magnitude=magnitude)
    assert stepped(config, current, 15, rising=True) == expected


def test_negative_percentages_are_truncated_towards_zero() -> None:
    config = {
        "AdjustmentType": "PercentChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -30}],
    }
    capacity = [stepped(config, current, -1, rising=False) for current in (10, 9, 2)]
    assert capacity == [7, 7, 1]


def test_exact_capacity_ignores_the_current_one() -> None:
    assert stepped(steps("ExactCapacity"), 3, 25, rising=True) == 30


@pytest.mark.parametrize(("kind", "value"), [(None, 2.0), ("Minimum", 1.0), ("Maximum", 3.0)])
def test_datapoints_are_aggregated_by_the_policy_type(kind: str | None, value: float) -> None:
    assert aggregated([1, 2, 3], kind) == value


def test_blocked_change_has_a_reason() -> None:
    assert [within(expected, 1, 4) for expected in (0, 2, 9)] == [1, 2, 4]
    assert blocked(9, 4, 1, 4).code == "AlreadyAtMaxCapacity"
    assert blocked(0, 1, 1, 4).code == "AlreadyAtMinCapacity"
    assert blocked(2, 2, 1, 4).code == "AlreadyAtDesiredCapacity"


@pytest.mark.parametrize(
    ("last", "direction", "held"),
    [("in", "in", True), ("in", "out", False), ("out", "out", True), ("out", "in", True)],
)
def test_cooldown_allows_scale_out_after_scale_in(
    last: Direction, direction: Direction, held: bool
) -> None:
    change = Last(direction=last, ended=100, cooldown=300, base=4)
    assert cools(change, direction, 399) is held
    assert not cools(change, direction, 400)


def test_first_change_has_no_cooldown() -> None:
    assert not cools(None, "in", 0)
