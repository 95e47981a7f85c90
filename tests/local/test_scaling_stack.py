"""CloudFormation's scalable targets and policies, on a running endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hosting_stage import Stage, fresh
from provider_bench import Bench
from scaling_stage import ADD_ONE, INSTANCES, TRACKING, Scaled, open_scaling_stage

TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"


@pytest.fixture(scope="module")
def cloud_stage() -> Iterator[Stage]:
    with open_scaling_stage() as stage:
        yield stage


@pytest.fixture
def scaled(cloud_stage: Stage) -> Iterator[Scaled]:
    with fresh(cloud_stage) as stage:
        stage.endpoint()
        scaled = Scaled(stage)
        yield scaled
        scaled.end()


def target(scaled: Scaled, **more: Any) -> dict[str, Any]:
    return {
        "ServiceNamespace": "sagemaker", "ScalableDimension": INSTANCES,
        "ResourceId": scaled.key["ResourceId"], "MinCapacity": 1, "MaxCapacity": 3, **more,
    }  # fmt: skip


def actions(scaled: Scaled) -> list[str]:
    listed = scaled.client.describe_scheduled_actions(ServiceNamespace="sagemaker")
    return [action["ScheduledActionName"] for action in listed["ScheduledActions"]]


@pytest.mark.feature("scaling: in a stack")
def test_stack_target_scales_and_its_schedules_follow_updates(scaled: Scaled) -> None:
    bench = Bench(scaled.cloud)
    night = {
        "ScheduledActionName": "night", "Schedule": "cron(0 22 * * ? *)",
        "ScalableTargetAction": {"MinCapacity": 1},
    }  # fmt: skip
    made = bench.create(TARGET, target(scaled, MinCapacity=2, ScheduledActions=[night]))
    scaled.settle()
    assert (scaled.count, actions(scaled)) == (2, ["night"])

    day = night | {"ScheduledActionName": "day", "Schedule": "cron(0 6 * * ? *)"}
    made = bench.update(made, ScheduledActions=[day], MinCapacity=3)
    scaled.settle()
    assert (scaled.count, actions(scaled)) == (3, ["day"])

    bench.delete_twice(made)
    assert actions(scaled) == []


def test_alarms_of_stack_policies_are_deleted_with_them(scaled: Scaled) -> None:
    bench = Bench(scaled.cloud)
    resource = bench.create(TARGET, target(scaled))
    tracking = bench.create(
        POLICY,
        {"PolicyName": "t", "PolicyType": "TargetTrackingScaling", "ScalingTargetId": resource.id,
         "TargetTrackingScalingPolicyConfiguration": TRACKING},
    )  # fmt: skip
    assert len(scaled.alarms()) == 2
    more = {**TRACKING, "TargetValue": 20.0, "DisableScaleIn": True}
    tracking = bench.update(tracking, TargetTrackingScalingPolicyConfiguration=more)
    assert [alarm["Threshold"] for alarm in scaled.alarms()] == [20.0]
    bench.delete_twice(tracking)
    assert scaled.alarms() == []


def test_stack_step_policy_is_run_by_a_stack_alarm(scaled: Scaled) -> None:
    bench = Bench(scaled.cloud)
    resource = bench.create(TARGET, target(scaled))
    step = bench.create(
        POLICY,
        {"PolicyName": "s", "PolicyType": "StepScaling", "ScalingTargetId": resource.id,
         "StepScalingPolicyConfiguration": ADD_ONE},
    )  # fmt: skip
    alarm = bench.create(
        "AWS::CloudWatch::Alarm",
        {"AlarmName": f"{scaled.stage.name}-load", "Namespace": "n", "MetricName": "load",
         "Dimensions": [{"Name": "Endpoint", "Value": scaled.stage.name}], "Statistic": "Maximum",
         "Period": 60, "EvaluationPeriods": 1, "Threshold": 50, "AlarmActions": [step.id],
         "ComparisonOperator": "GreaterThanThreshold"},
    )  # fmt: skip

    scaled.load(60)
    scaled.minutes(1)

    assert scaled.count == 2
    for made in (alarm, step, resource):
        bench.delete(made)
