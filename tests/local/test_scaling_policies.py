"""Steps and schedules change the number of processes behind an endpoint."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from scaling_stage import (  # noqa: F401 - fixtures are found by name
    Scaled,
    cloud_stage,
    processes,
    scaled,
    stage,
)


@pytest.mark.feature("scaling: step")
def test_alarm_runs_the_step_policy(scaled: Scaled) -> None:
    steps = [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 2},
    ]
    scaled.register(1, 4)
    scaled.alarm(scaled.step(StepAdjustments=steps))

    scaled.load(80)
    scaled.minutes(1)

    assert scaled.count == 3


def test_step_policy_scales_in_by_an_alarm_below(scaled: Scaled) -> None:
    down = [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1}]
    scaled.register(1, 4)
    scaled.resize(3)
    scaled.alarm(
        scaled.step(StepAdjustments=down), ComparisonOperator="LessThanThreshold", Threshold=10
    )

    scaled.load(2)
    scaled.minutes(1)
    assert scaled.count == 2
    scaled.load(2)
    scaled.minutes(1)
    scaled.load(2)
    scaled.minutes(1)
    scaled.load(2)
    scaled.minutes(1)

    assert scaled.count == 1


def test_manually_set_alarm_runs_the_step_policy(scaled: Scaled) -> None:
    scaled.register(1, 4)
    scaled.alarm(scaled.step())

    scaled.stage.cloudwatch.set_alarm_state(
        AlarmName=f"{scaled.stage.name}-load", StateValue="ALARM", StateReason="set manually"
    )
    scaled.settle()

    assert scaled.count == 2


def test_deleted_step_policy_removes_the_action_not_the_alarm(scaled: Scaled) -> None:
    scaled.register(1, 4)
    scaled.alarm(scaled.step())
    (policy,) = scaled.client.describe_scaling_policies(ServiceNamespace="sagemaker")[
        "ScalingPolicies"
    ]
    assert [a["AlarmName"] for a in policy["Alarms"]] == [f"{scaled.stage.name}-load"]

    scaled.client.delete_scaling_policy(**scaled.key, PolicyName="step")

    (alarm,) = scaled.stage.cloudwatch.describe_alarms(AlarmNames=[f"{scaled.stage.name}-load"])[
        "MetricAlarms"
    ]
    assert alarm["AlarmActions"] == []


@pytest.mark.feature("scaling: scheduled")
def test_scheduled_action_sets_the_limits_and_the_capacity(scaled: Scaled) -> None:
    scaled.register(1, 4)
    scaled.schedule("more", "rate(2 minutes)", MinCapacity=3)

    scaled.minutes(3)

    (target,) = scaled.client.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[scaled.key["ResourceId"]]
    )["ScalableTargets"]
    assert (target["MinCapacity"], scaled.count) == (3, 3)
    newest, before = scaled.activities()
    assert newest["Cause"] == "minimum capacity was set to 3"
    assert (before["Description"], before["Cause"]) == (
        "Setting min capacity to 3", "scheduled action name more was triggered",
    )  # fmt: skip


def test_one_time_action_is_read_in_its_time_zone(scaled: Scaled) -> None:
    zone = ZoneInfo("America/New_York")
    soon = scaled.cloud.clock.now().astimezone(zone) + timedelta(minutes=5)
    scaled.register(1, 4)
    scaled.schedule(
        "once", f"at({soon:%Y-%m-%dT%H:%M:%S})", MinCapacity=2, Timezone="America/New_York"
    )

    scaled.minutes(4)
    assert scaled.count == 1
    scaled.minutes(2)

    assert scaled.count == 2


def test_scheduled_action_is_limited_by_its_start_and_end(scaled: Scaled) -> None:
    now = scaled.cloud.clock.now()
    scaled.register(1, 4)
    scaled.schedule(
        "window", "rate(1 minute)", MinCapacity=2, StartTime=now + timedelta(minutes=2.5),
        EndTime=now + timedelta(minutes=3),
    )  # fmt: skip

    scaled.minutes(2)
    assert scaled.count == 1
    scaled.minutes(1)
    assert scaled.count == 2
    scaled.register(1, None)
    scaled.minutes(3)

    targets = scaled.client.describe_scalable_targets(ServiceNamespace="sagemaker")
    assert [t["MinCapacity"] for t in targets["ScalableTargets"]] == [1]


def test_suspended_schedule_has_no_effect(scaled: Scaled) -> None:
    scaled.register(1, 4, SuspendedState={"ScheduledScalingSuspended": True})
    scaled.schedule("more", "rate(1 minute)", MinCapacity=3)

    scaled.minutes(3)

    assert scaled.count == 1


def test_registration_brings_the_capacity_within_its_limits(scaled: Scaled) -> None:
    scaled.register(2, 4)
    assert scaled.count == 2

    scaled.register(1, 1)

    assert scaled.count == 1
    causes = [activity["Cause"] for activity in scaled.activities()]
    assert causes == ["maximum capacity was set to 1", "minimum capacity was set to 2"]
