"""Rollouts: what is rendered, and the limits that are checked when a stack is built."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk.assertions import Template

from constructs_lib import (
    AllAtOnce,
    Canary,
    ConfigurationError,
    EnhancedMetrics,
    Linear,
    ModelBase,
    RetrainingLoop,
    Rolling,
    Rollout,
    Scaling,
    ScheduledScaling,
    Variant,
)

from .conftest import Ground, ground_of
from .serving import checked, endpoint, model, properties


def _deployment(rollout: Rollout | None, **changes: Any) -> dict[str, Any]:
    ground = ground_of(Stack(App(), "Test"))
    made = endpoint(ground, rollout=rollout, **changes)
    result = properties(ground.template(), "AWS::SageMaker::Endpoint")["DeploymentConfig"]
    request = {"EndpointName": "demo", "EndpointConfigName": "demo-1", "DeploymentConfig": result}
    deployment: dict[str, Any] = checked(made, "UpdateEndpoint", request)["DeploymentConfig"]
    return deployment


@pytest.mark.feature("rollout constructs: all at once")
def test_default_rollout_is_all_at_once() -> None:
    policy = _deployment(None)["BlueGreenUpdatePolicy"]

    assert policy["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"
    assert policy["TerminationWaitInSeconds"] == 120


@pytest.mark.feature("rollout constructs: variants come and go without a guard")
def test_deployment_without_blue_green_has_no_policy() -> None:
    ground = ground_of(Stack(App(), "Test"))
    endpoint(ground, blue_green=False, rollout=Canary(percent=10))

    result = properties(ground.template(), "AWS::SageMaker::Endpoint")
    assert "DeploymentConfig" not in result
    assert "RetainDeploymentConfig" not in result


@pytest.mark.feature("rollout constructs: canary")
def test_canary_has_size_and_wait() -> None:
    policy = _deployment(Canary(percent=10, wait_seconds=600))["BlueGreenUpdatePolicy"]

    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "CANARY", "WaitIntervalInSeconds": 600,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
    }  # fmt: skip


@pytest.mark.feature("rollout constructs: linear")
def test_linear_has_step_size() -> None:
    rollout = Linear(percent=25, wait_seconds=60, termination_wait_seconds=30)

    policy = _deployment(rollout)["BlueGreenUpdatePolicy"]

    assert policy["TrafficRoutingConfiguration"]["LinearStepSize"] == {
        "Type": "CAPACITY_PERCENT", "Value": 25,
    }  # fmt: skip
    assert rollout.bake_seconds([2]) == 4 * 60 + 30


@pytest.mark.feature("rollout constructs: rolling")
def test_rolling_has_batch_size() -> None:
    rollout = Rolling(instances=1, wait_seconds=60, rollback_percent=100)

    policy = _deployment(rollout)["RollingUpdatePolicy"]

    assert policy["MaximumBatchSize"] == {"Type": "INSTANCE_COUNT", "Value": 1}
    assert policy["RollbackMaximumBatchSize"] == {"Type": "CAPACITY_PERCENT", "Value": 100}
    assert rollout.bake_seconds([4]) == 240


@pytest.mark.feature("rollout constructs: custom rollback alarms")
def test_additional_alarms_roll_back() -> None:
    ground = ground_of(Stack(App(), "Test"))
    made = endpoint(ground, rollback_alarms=[ground.alarm()])

    result = properties(ground.template(), "AWS::SageMaker::Endpoint")["DeploymentConfig"]

    assert len(result["AutoRollbackConfiguration"]["Alarms"]) == 3
    (own,) = made.roles
    assert own.policy is not None
    text = json.dumps(ground.stack.resolve(own.policy.document))
    assert text.count("cloudwatch:DescribeAlarms") == 1


@pytest.mark.feature("bad input: canary on one instance")
@pytest.mark.parametrize("rollout", [Canary(), Canary(percent=50), Linear(), Rolling()])
def test_canary_of_one_instance_is_refused(anew: Ground, rollout: Rollout) -> None:
    with pytest.raises(ConfigurationError, match="needs at least 2 instances in each variant"):
        endpoint(anew, variants=[Variant(instance_count=1)], rollout=rollout)


def test_canary_of_variant_with_minimum_one_is_refused(anew: Ground) -> None:
    scaling = Scaling(minimum=1, maximum=4, invocations_per_instance=9)

    with pytest.raises(ConfigurationError, match="at least 2 instances in each variant, got 1"):
        endpoint(anew, variants=[Variant(instance_count=4, scaling=scaling)], rollout=Canary())


@pytest.mark.feature("bad input: rollout outside SageMaker's limits")
@pytest.mark.parametrize(
    ("rollout", "count", "message"),
    [
        (Canary(percent=51), 4, "rollout.percent must be between 1 and 50, got 51"),
        (Canary(instances=3), 4, "rollout.instances must be between 1 and 2, got 3"),
        (Canary(instances=1, percent=10), 4, "rollout.instances and rollout.percent are mutually"),
        (Canary(wait_seconds=3601), 4, "rollout.wait_seconds must be between 0 and 3600"),
        (Canary(maximum_seconds=599), 4, "rollout.maximum_seconds must be between 600 and 28800"),
        (AllAtOnce(termination_wait_seconds=3601), 4, "termination_wait_seconds must be between 0"),
        (
            AllAtOnce(termination_wait_seconds=600, maximum_seconds=600), 1,
            r"must exceed the waits \(600\), got 600",
        ),
        (Linear(percent=9), 4, "rollout.percent must be between 10 and 50, got 9"),
        (Linear(instances=1), 40, "rollout.instances must be between 4 and 20, got 1"),
        (
            Linear(percent=10, wait_seconds=360, maximum_seconds=3600), 10,
            r"must exceed the waits \(3720\), got 3600",
        ),
        (Rolling(percent=4), 40, "rollout.percent must be between 5 and 50, got 4"),
        (Rolling(instances=3), 4, "rollout.instances must be between 1 and 2, got 3"),
        (Rolling(rollback_percent=101), 4, "rollback_percent must be between 5 and 100"),
        (Rolling(rollback_instances=5), 4, "rollback_instances must be between 1 and 4"),
        (
            Rolling(rollback_instances=1, rollback_percent=50), 4,
            "rollback_instances and rollback_percent are mutually exclusive",
        ),
        (
            Rolling(instances=1, wait_seconds=900, maximum_seconds=3600), 4,
            r"must exceed the waits \(3600\), got 3600",
        ),
    ],
)  # fmt: skip
def test_rollout_refuses(anew: Ground, rollout: Rollout, count: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        endpoint(anew, variants=[Variant(instance_count=count)], rollout=rollout)


@pytest.mark.feature("bad input: rolling update of several variants")
def test_rolling_needs_one_variant(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="a rolling rollout needs one variant, got 2"):
        endpoint(anew, variants=[Variant(name="A"), Variant(name="B")], rollout=Rolling())


def test_inferentia_1_rollout_is_refused(anew: Ground) -> None:
    with pytest.raises(
        ConfigurationError, match=r"ml\.inf1 do not support this rollout, got canary"
    ):
        endpoint(anew, variants=[Variant(instance_type="ml.inf1.xlarge")], rollout=Canary())


@pytest.mark.parametrize("count", [5, 6])
def test_more_alarms_than_a_rollout_has_are_refused(anew: Ground, count: int) -> None:
    variants = [Variant(name=f"V{number}") for number in range(count)]
    alarms = [anew.alarm()]

    with pytest.raises(ConfigurationError, match="a rollout has 10 alarms at most"):
        endpoint(anew, variants=variants, rollback_alarms=alarms)


@pytest.mark.feature("rollout constructs: the alarm of retraining never rolls back")
def test_model_quality_alarm_as_rollback_alarm_is_refused(
    anew: Ground, loop: Callable[..., RetrainingLoop]
) -> None:
    alarm = anew.alarm()
    loop(model_quality_alarm=alarm)

    with pytest.raises(ConfigurationError, match="AlarmHasOtherDuty"):
        endpoint(anew, model=model(anew, "Other"), rollback_alarms=[alarm])


@pytest.mark.feature("rollout constructs: the alarm of retraining never rolls back")
def test_rollback_alarm_as_model_quality_alarm_is_refused(
    anew: Ground, loop: Callable[..., RetrainingLoop]
) -> None:
    alarm = anew.alarm()
    endpoint(anew, rollback_alarms=[alarm])

    with pytest.raises(ConfigurationError, match="it is in ALARM when the rollout"):
        loop(model_quality_alarm=alarm)


def _within(ground: Ground, alarm: cloudwatch.IAlarm, construct_id: str) -> cloudwatch.IAlarm:
    """A composite alarm that contains an alarm."""
    rule = cloudwatch.AlarmRule.any_of(
        cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM),
        cloudwatch.AlarmRule.from_string("ALARM(another)"),
    )
    return cloudwatch.CompositeAlarm(ground.stack, construct_id, alarm_rule=rule)


@pytest.mark.feature("rollout constructs: the alarm of retraining never rolls back")
def test_composite_of_model_quality_alarm_as_rollback_alarm_is_refused(
    anew: Ground, loop: Callable[..., RetrainingLoop]
) -> None:
    alarm = anew.alarm()
    loop(model_quality_alarm=alarm)
    outer = _within(anew, _within(anew, alarm, "Inner"), "Outer")

    with pytest.raises(ConfigurationError, match=r"Outer \(with .*\) starts retraining"):
        endpoint(anew, model=model(anew, "Other"), rollback_alarms=[outer])


@pytest.mark.feature("rollout constructs: the alarm of retraining never rolls back")
def test_member_of_rollback_composite_as_model_quality_alarm_is_refused(
    anew: Ground, loop: Callable[..., RetrainingLoop]
) -> None:
    alarm = anew.alarm()
    endpoint(anew, rollback_alarms=[_within(anew, alarm, "Either")])

    with pytest.raises(ConfigurationError, match="AlarmHasOtherDuty"):
        loop(model_quality_alarm=alarm)


@pytest.mark.feature("rollout constructs: champion endpoint, linear with shadow and own alarms")
def test_champions_roll_out_with_a_shadow(document: Callable[[Template, str], str]) -> None:
    ground = ground_of(Stack(App(), "Test"))
    ground.champion(
        rollout=Linear(percent=50), shadow=Variant(name="Shadow", weight=0.5),
        rollback_alarms=[ground.alarm()], metrics=EnhancedMetrics(frequency_seconds=30),
    )  # fmt: skip

    result = document(ground.template(), "Custom::ChampionEndpoint").replace('"<token>"', '"x"')
    config = json.loads(result.replace("<token>", "x"))["config"]

    assert config["ShadowProductionVariants"][0]["VariantName"] == "Shadow"
    assert config["MetricsConfig"]["MetricPublishFrequencyInSeconds"] == 30
    assert '"Type":"LINEAR"' in result
    assert len(json.loads(result.replace("<token>", "x"))["rollback_alarms"]) == 3


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (
            Variant(scaling=Scaling(minimum=2, maximum=4, schedules=[
                ScheduledScaling(schedule="rate(1 day)", minimum=2),
            ])),
            "a champion endpoint scales by a target only",
        ),
        (Variant(instance_count=0), "instance_count must be between 1 and 1000"),
    ],
)  # fmt: skip
def test_champion_refuses(anew: Ground, variant: Variant, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        anew.champion(variants=[variant])


def test_champion_endpoint_refuses_variant_model(anew: Ground) -> None:
    own = ModelBase.from_model_name(anew.stack, "Own", model_name="own")

    with pytest.raises(ConfigurationError, match="serves the champion: leave model out"):
        anew.champion(variants=[Variant(model=own)])
