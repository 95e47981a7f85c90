"""What the alarm on silence counts, in CloudWatch's own arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cloudwatch_stage import Stage, expression, query, stage

from constructs_lib import NoTrafficAlarm

__all__ = ["stage"]

EIGHT = datetime(2026, 1, 5, 8, tzinfo=UTC)  # a Monday
WORK = NoTrafficAlarm(from_hour=8, to_hour=20, weekdays_only=True)


def counted(
    stage: Stage, silence: NoTrafficAlarm, start: datetime, *, running: bool = True
) -> list[float]:
    """What the alarm sees of three minutes; below one is silence."""
    metrics = [query("invocations", "Invocations", ReturnData=False)]
    if running:
        metrics.append(query("running", "CPUUtilization", ReturnData=False))
    (found,) = stage.client.get_metric_data(
        StartTime=start, EndTime=start + timedelta(minutes=3), ScanBy="TimestampAscending",
        MetricDataQueries=[*metrics, expression("e", silence.expression(running=running))],
    )["MetricDataResults"]  # fmt: skip
    return list(found["Values"])


def run(stage: Stage, start: datetime) -> None:
    """Instances for three minutes."""
    for minute in range(3):
        stage.put("CPUUtilization", 40.0, at=start + timedelta(minutes=minute))


@pytest.mark.feature("alarms: no traffic while some is expected")
def test_an_endpoint_that_was_never_asked_is_silent(stage: Stage) -> None:
    run(stage, EIGHT)

    assert counted(stage, WORK, EIGHT) == [0, 0, 0]
    assert counted(stage, NoTrafficAlarm(), EIGHT) == [0, 0, 0]


def test_requests_are_counted_where_they_came(stage: Stage) -> None:
    run(stage, EIGHT)
    stage.put("Invocations", 1.0, 1.0, at=EIGHT + timedelta(minutes=1))

    assert counted(stage, WORK, EIGHT) == [0, 2, 0]


@pytest.mark.parametrize(
    "start", [EIGHT - timedelta(minutes=3), EIGHT + timedelta(hours=12), EIGHT + timedelta(days=5)]
)
def test_nobody_is_expected_at_other_times(stage: Stage, start: datetime) -> None:
    run(stage, start)

    assert counted(stage, WORK, start) == [1, 1, 1]


@pytest.mark.feature("alarms: silence of an endpoint that its cost switch took down")
@pytest.mark.parametrize("silence", [WORK, NoTrafficAlarm()])
def test_without_instances_there_is_nothing_to_count(stage: Stage, silence: NoTrafficAlarm) -> None:
    run(stage, EIGHT)

    assert counted(stage, silence, EIGHT + timedelta(hours=1)) == []


def test_where_instances_come_with_requests_silence_is_counted_without_them(stage: Stage) -> None:
    assert counted(stage, WORK, EIGHT, running=False) == [0, 0, 0]
    assert counted(stage, NoTrafficAlarm(), EIGHT, running=False) == [0, 0, 0]
