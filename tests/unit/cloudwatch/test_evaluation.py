"""CloudWatch's documented tables of missing data, row by row, and M out of N."""

from __future__ import annotations

from typing import get_args

import pytest

from sageloop.local_cloud.cloudwatch.evaluation import Missing, State, breaches, state_of_datapoints


def run(text: str) -> list[bool | None]:
    return [{"X": True, "0": False, "-": None}[c] for c in text]


# Datapoints, then the state where missing ones are missing, ignored, breaching, not breaching.
THREE_OF_THREE = [
    ("0-X-X", "OK", "OK", "OK", "OK"),
    ("0----", "OK", "OK", "OK", "OK"),
    ("-----", "INSUFFICIENT_DATA", "retained", "ALARM", "OK"),
    ("0XX-X", "ALARM", "ALARM", "ALARM", "ALARM"),
    ("--X--", "ALARM", "retained", "ALARM", "OK"),
]
TWO_OF_THREE = [
    ("0-X-X", "ALARM", "ALARM", "ALARM", "ALARM"),
    ("00X0X", "ALARM", "ALARM", "ALARM", "ALARM"),
    ("0-X--", "OK", "OK", "ALARM", "OK"),
    ("----0", "OK", "OK", "ALARM", "OK"),
    ("---X-", "ALARM", "retained", "ALARM", "OK"),
]


@pytest.mark.parametrize(
    ("to_alarm", "datapoints", "states"),
    [
        *((3, datapoints, states) for datapoints, *states in THREE_OF_THREE),
        *((2, datapoints, states) for datapoints, *states in TWO_OF_THREE),
    ],
)
def test_missing_data_follows_the_documented_tables(
    to_alarm: int, datapoints: str, states: list[str]
) -> None:
    for current in get_args(State):
        for treatment, expected in zip(get_args(Missing), states, strict=True):
            state = state_of_datapoints(
                run(datapoints), periods=3, to_alarm=to_alarm, missing=treatment, current=current
            )
            assert state == (current if expected == "retained" else expected), treatment


@pytest.mark.parametrize("datapoints", ["----X", "---X-", "---XX"])
@pytest.mark.parametrize("current", ["OK", "INSUFFICIENT_DATA"])
def test_too_few_breaching_datapoints_cause_no_early_alarm(datapoints: str, current: State) -> None:
    state = state_of_datapoints(
        run(datapoints), periods=3, to_alarm=3, missing="missing", current=current
    )

    assert state == current


def test_two_of_three_needs_two_breaching_points() -> None:
    assert (
        state_of_datapoints(run("000X0"), periods=3, to_alarm=2, missing="missing", current="OK")
        == "OK"
    )


@pytest.mark.parametrize(
    ("operator", "at_threshold"),
    [
        ("GreaterThanThreshold", False),
        ("GreaterThanOrEqualToThreshold", True),
        ("LessThanThreshold", False),
        ("LessThanOrEqualToThreshold", True),
    ],
)
def test_operators_differ_at_the_threshold(operator: str, at_threshold: bool) -> None:
    assert breaches(12.0, operator, 12.0) is at_threshold
