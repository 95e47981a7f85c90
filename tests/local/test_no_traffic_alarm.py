"""The expression of NoTrafficAlarm, evaluated by CloudWatch's metric math."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cloudwatch_stage import Stage, expression, query, stage

from constructs_lib import NoTrafficAlarm

__all__ = ["stage"]

TODAY = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
EIGHT = TODAY - timedelta(days=7 + TODAY.weekday())  # a Monday; metrics of two weeks are accepted
WORK = NoTrafficAlarm(from_hour=8, to_hour=20, weekdays_only=True)


def counted(
    stage: Stage, alarm: NoTrafficAlarm, start: datetime, *, running: bool = True
) -> list[float]:
    """The values of the alarm's expression for three minutes; below 1 breaches."""
    metrics = [query("invocations", "Invocations", ReturnData=False)]
    if running:
        metrics.append(query("running", "CPUUtilization", ReturnData=False))
    (result,) = stage.client.get_metric_data(
        StartTime=start, EndTime=start + timedelta(minutes=3), ScanBy="TimestampAscending",
        MetricDataQueries=[*metrics, expression("e", alarm.expression(running=running))],
    )["MetricDataResults"]  # fmt: skip
    return list(result["Values"])


def run(stage: Stage, start: datetime) -> None:
    """Publish instance metrics for three minutes."""
    for minute in range(3):
        stage.put("CPUUtilization", 40.0, at=start + timedelta(minutes=minute))


@pytest.mark.feature("alarms: no traffic while some is expected")
def test_endpoint_without_invocations_counts_zero(stage: Stage) -> None:
    run(stage, EIGHT)

    assert counted(stage, WORK, EIGHT) == [0, 0, 0]
    assert counted(stage, NoTrafficAlarm(), EIGHT) == [0, 0, 0]


def test_requests_are_counted_in_their_minute(stage: Stage) -> None:
    run(stage, EIGHT)
    stage.put("Invocations", 1.0, 1.0, at=EIGHT + timedelta(minutes=1))

    assert counted(stage, WORK, EIGHT) == [0, 2, 0]


@pytest.mark.parametrize(
    "start", [EIGHT - timedelta(minutes=3), EIGHT + timedelta(hours=12), EIGHT + timedelta(days=5)]
)
def test_value_is_one_outside_expected_hours(stage: Stage, start: datetime) -> None:
    run(stage, start)

    assert counted(stage, WORK, start) == [1, 1, 1]


@pytest.mark.feature("alarms: no traffic on an endpoint that its schedule stopped")
@pytest.mark.parametrize("alarm", [WORK, NoTrafficAlarm()])
def test_stopped_endpoint_has_no_datapoints(stage: Stage, alarm: NoTrafficAlarm) -> None:
    run(stage, EIGHT)

    assert counted(stage, alarm, EIGHT + timedelta(hours=1)) == []


def test_alarm_evaluates_endpoints_that_scale_from_zero(stage: Stage) -> None:
    assert counted(stage, WORK, EIGHT, running=False) == [0, 0, 0]
    assert counted(stage, NoTrafficAlarm(), EIGHT, running=False) == [0, 0, 0]
