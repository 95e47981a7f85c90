"""Target tracking changes the number of processes behind an endpoint."""

from __future__ import annotations

import pytest
from scaling_stage import (  # noqa: F401 - fixtures are found by name
    Scaled,
    cloud_stage,
    processes,
    scaled,
    stage,
)


@pytest.mark.feature("scaling: target tracking")
def test_tracking_scales_out_under_load_and_in_without(scaled: Scaled) -> None:
    scaled.register(1, 4)
    scaled.track(ScaleInCooldown=60, ScaleOutCooldown=60)

    scaled.minutes(3, invocations=25)
    assert (scaled.count, processes(scaled)) == (3, 3)

    scaled.minutes(18)
    assert (scaled.count, processes(scaled)) == (1, 1)


@pytest.mark.feature("scaling: processes follow the invocations")
def test_invocations_scale_out(scaled: Scaled) -> None:
    scaled.register(1, 2)
    scaled.track(TargetValue=2.0)

    for _ in range(3):
        for _ in range(3):
            scaled.stage.invoke()
        scaled.minutes(1)

    assert scaled.count == 2


def test_each_request_counts_for_its_share_of_an_instance(scaled: Scaled) -> None:
    scaled.register(2, 2)

    for _ in range(4):
        scaled.stage.invoke()
    scaled.settle()

    assert scaled.stage.total("InvocationsPerInstance") == pytest.approx(2.0)


def test_target_tracking_policy_has_two_alarms(scaled: Scaled) -> None:
    scaled.register(1, 4)
    high, low = scaled.track()

    prefix = f"TargetTracking-endpoint/{scaled.stage.name}/variant/AllTraffic"
    assert high.startswith(f"{prefix}-AlarmHigh-")
    assert low.startswith(f"{prefix}-AlarmLow-")
    rules = {
        a["AlarmName"]: (a["ComparisonOperator"], a["Threshold"], a["EvaluationPeriods"])
        for a in scaled.alarms()
    }
    assert rules == {
        high: ("GreaterThanThreshold", 10.0, 3),
        low: ("LessThanThreshold", 9.0, 15),
    }


def test_tracking_continues_while_the_alarm_is_in_alarm(scaled: Scaled) -> None:
    scaled.register(1, 4)
    scaled.track(ScaleOutCooldown=100)

    scaled.minutes(3, invocations=15)
    assert scaled.count == 2
    scaled.minutes(1, invocations=15)
    assert scaled.count == 2  # the cooldown
    scaled.minutes(1, invocations=15)
    assert scaled.count == 3


def test_larger_scale_out_is_not_delayed_by_the_cooldown(scaled: Scaled) -> None:
    scaled.register(1, 4)
    scaled.track()

    scaled.minutes(3, invocations=15)
    scaled.minutes(1, invocations=35)

    assert scaled.count == 4


def test_missing_data_does_not_scale(scaled: Scaled) -> None:
    custom = {
        "MetricName": "load", "Namespace": "n", "Statistic": "Average",
        "Dimensions": [{"Name": "Endpoint", "Value": scaled.stage.name}],
    }  # fmt: skip
    scaled.register(1, 3)
    scaled.client.put_scaling_policy(
        **scaled.key, PolicyName="custom", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50.0, "CustomizedMetricSpecification": custom,
            "ScaleOutCooldown": 3600,
        },
    )  # fmt: skip
    for _ in range(4):
        scaled.load(100)
        scaled.minutes(1)
    assert scaled.count == 2

    scaled.minutes(25)

    assert scaled.count == 2
    assert {a["StateValue"] for a in scaled.alarms()} == {"INSUFFICIENT_DATA"}


def test_tracking_supports_metric_math(scaled: Scaled) -> None:
    load = {
        "Namespace": "n", "MetricName": "load",
        "Dimensions": [{"Name": "Endpoint", "Value": scaled.stage.name}],
    }  # fmt: skip
    queries = [
        {"Id": "load", "MetricStat": {"Metric": load, "Stat": "Average"}, "ReturnData": False},
        {"Id": "half", "Expression": "load / 2", "ReturnData": True},
    ]
    scaled.register(1, 4)
    scaled.client.put_scaling_policy(
        **scaled.key, PolicyName="math", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50.0, "CustomizedMetricSpecification": {"Metrics": queries},
            "ScaleOutCooldown": 3600,
        },
    )  # fmt: skip

    for _ in range(4):
        scaled.load(300)
        scaled.minutes(1)

    assert scaled.count == 3


def test_disabled_scale_in_has_no_alarm_for_it(scaled: Scaled) -> None:
    scaled.register(1, 3)
    scaled.track(DisableScaleIn=True, ScaleOutCooldown=0)
    assert len(scaled.alarms()) == 1

    scaled.minutes(3, invocations=15)
    scaled.minutes(18)

    assert scaled.count == 2


def test_scale_in_waits_for_every_tracking_policy(scaled: Scaled) -> None:
    scaled.register(1, 3)
    custom = {
        "MetricName": "load", "Namespace": "n", "Statistic": "Average",
        "Dimensions": [{"Name": "Endpoint", "Value": scaled.stage.name}],
    }  # fmt: skip
    scaled.track(ScaleInCooldown=0)
    scaled.client.put_scaling_policy(
        **scaled.key, PolicyName="custom", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50.0, "CustomizedMetricSpecification": custom,
        },
    )  # fmt: skip
    scaled.resize(2)
    for _ in range(18):
        scaled.load(50)
        scaled.minutes(1)
    assert scaled.count == 2

    for _ in range(18):
        scaled.load(5)
        scaled.minutes(1)

    assert scaled.count == 1


def test_scale_in_that_would_flap_is_skipped(scaled: Scaled) -> None:
    scaled.register(1, 3)
    scaled.resize(2)
    scaled.track(before=8)

    scaled.minutes(15, invocations=8)

    assert scaled.count == 2
    assert scaled.reasons() == ["AutoScalingAnticipatedFlapping"]


def test_suspended_scaling_has_no_effect(scaled: Scaled) -> None:
    scaled.register(1, 3, SuspendedState={"DynamicScalingOutSuspended": True})
    scaled.track()
    scaled.minutes(3, invocations=25)
    assert scaled.count == 1

    scaled.register(None, None, SuspendedState={"DynamicScalingOutSuspended": False})
    scaled.minutes(1, invocations=25)

    assert scaled.count == 3
