"""Schedule expressions."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from sageloop.local_cloud.events.schedules import parse

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday


def following(expression: str, moment: datetime = NOON, zone: str = "UTC") -> str | None:
    schedule = parse(expression, start=0.0, zone=ZoneInfo(zone), one_time=True)
    occurrences = schedule.next_after(moment.timestamp())
    return (
        None
        if occurrences is None
        else datetime.fromtimestamp(occurrences, UTC).strftime("%Y-%m-%d %H:%M")
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 12 * * ? *)", "2026-03-05 12:00"),
        ("cron(0/15 * * * ? *)", "2026-03-04 12:15"),
        ("cron(5,35 14 * * ? *)", "2026-03-04 14:05"),
        ("cron(0 8 1 * ? *)", "2026-04-01 08:00"),
        ("cron(0 8 L * ? *)", "2026-03-31 08:00"),
        ("cron(0 8 LW 2 ? 2027)", "2027-02-26 08:00"),
        ("cron(0 8 15W * ? *)", "2026-03-16 08:00"),
        ("cron(0 8 ? * MON-FRI *)", "2026-03-05 08:00"),
        ("cron(0 8 ? * FRI-SUN *)", "2026-03-06 08:00"),
        ("cron(0 8 ? * 2#1 *)", "2026-04-06 08:00"),
        ("cron(0 8 ? * 6L *)", "2026-03-27 08:00"),
        ("cron(0 8 ? * L *)", "2026-03-07 08:00"),
        ("cron(0 0 29 2 ? *)", "2028-02-29 00:00"),
        ("cron(0 0 1 JAN ? 2030)", "2030-01-01 00:00"),
        ("cron(0 0 1 1 ? 2020)", None),
        ("at(2026-03-04T12:00:01)", "2026-03-04 12:00"),
        ("at(2026-03-04T12:00:00)", None),
    ],
)
def test_next_occurrence(expression: str, expected: str | None) -> None:
    assert following(expression) == expected


def test_rate_counts_from_its_start() -> None:
    schedule = parse("rate(5 minutes)", start=1000.0)

    assert schedule.next_after(1000.0) == 1300.0
    assert schedule.next_after(1300.0) == 1600.0
    assert schedule.next_after(1599.9) == 1600.0


def test_skipped_hour_has_no_occurrence() -> None:
    before = datetime(2026, 3, 8, 5, 0, tzinfo=UTC)  # New York skips from 2 to 3 at 07:00 UTC

    assert following("cron(30 2 * * ? *)", before, "America/New_York") == "2026-03-09 06:30"


def test_repeated_hour_has_one_occurrence() -> None:
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)

    assert following("cron(30 1 * * ? *)", first, "America/New_York") == "2026-11-02 06:30"


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minutes)", "rate(2 minute)", "rate(0 minutes)", "rate(5 weeks)", "every day",
        "cron(* * * * * *)", "cron(* * ? * ? *)", "cron(60 * * * ? *)", "cron(* 24 * * ? *)",
        "cron(* * 0 * ? *)", "cron(* * * 13 ? *)", "cron(* * ? * 8 *)", "cron(* * * * ?)",
        "cron(a * * * ? *)", "cron(*/0 * * * ? *)",
    ],
)  # fmt: skip
def test_wrong_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(expression, start=0.0)


def test_one_time_expression_is_refused_by_default() -> None:
    with pytest.raises(ValueError, match="a schedule is rate"):
        parse("at(2026-03-04T12:00:00)", start=0.0)
