"""The table of CloudWatch's page on missing data, row by row, and M out of N."""

from __future__ import annotations

from typing import get_args

import pytest

from sageloop.local_cloud.cloudwatch.evaluation import Missing, State, breaches, judge


def run(text: str) -> list[bool | None]:
    return [{"X": True, "0": False, "-": None}[c] for c in text]


@pytest.mark.parametrize(
    ("datapoints", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0-X-X", "OK", "OK", "OK", "OK"),
        ("----0", "OK", "OK", "OK", "OK"),
        ("-----", "INSUFFICIENT_DATA", "retained", "ALARM", "OK"),
        ("0XX-X", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("--X--", "ALARM", "retained", "ALARM", "OK"),
    ],
)
def test_three_of_three_follows_the_documented_table(
    datapoints: str, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    for current in get_args(State):
        expected = dict(
            zip(get_args(Missing), (missing, ignore, breaching, not_breaching), strict=True)
        )
        for treatment in get_args(Missing):
            state = judge(
                run(datapoints), periods=3, to_alarm=3, missing=treatment, current=current
            )
            wanted = expected[treatment]
            assert state == (current if wanted == "retained" else wanted), treatment


def test_two_of_three_needs_two_breaching_points() -> None:
    assert judge(run("000X0"), periods=3, to_alarm=2, missing="missing", current="OK") == "OK"
    assert judge(run("00X0X"), periods=3, to_alarm=2, missing="missing", current="OK") == "ALARM"


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
