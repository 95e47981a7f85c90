"""Policies and schedules change the number of processes behind an endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hosting_stage import Stage, fresh, refusal
from scaling_stage import Scaled, open_scaling_stage


@pytest.fixture(scope="module")
def cloud_stage() -> Iterator[Stage]:
    with open_scaling_stage() as stage:
        yield stage


@pytest.fixture
def stage(cloud_stage: Stage) -> Iterator[Stage]:
    with fresh(cloud_stage) as stage:
        yield stage


@pytest.fixture
def scaled(stage: Stage) -> Iterator[Scaled]:
    stage.endpoint()
    scaled = Scaled(stage)
    yield scaled
    scaled.end()


def processes(scaled: Scaled) -> int:
    return len(scaled.stage.hosting.outstanding(scaled.stage.name, "AllTraffic"))


@pytest.mark.feature("scaling: target tracking")
def test_tracking_scales_out_under_load_and_in_without(scaled: Scaled) -> None:
    scaled.register(1, 4)
    scaled.track(ScaleInCooldown=60, ScaleOutCooldown=60)

    scaled.minutes(3, invocations=25)
    assert (scaled.count, processes(scaled)) == (3, 3)

    scaled.minutes(18)
    assert (scaled.count, processes(scaled)) == (1, 1)


def test_invocations_themselves_make_it_scale(scaled: Scaled) -> None:
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


def test_tracking_has_its_two_alarms(scaled: Scaled) -> None:
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


def test_tracking_goes_on_while_the_alarm_stays_red(scaled: Scaled) -> None:
    scaled.register(1, 4)
    scaled.track(ScaleOutCooldown=100)

    scaled.minutes(3, invocations=15)
    assert scaled.count == 2
    scaled.minutes(1, invocations=15)
    assert scaled.count == 2  # the cooldown
    scaled.minutes(1, invocations=15)
    assert scaled.count == 3


def test_larger_scale_out_is_not_held_back_by_the_cooldown(scaled: Scaled) -> None:
    scaled.register(1, 4)
    scaled.track()

    scaled.minutes(3, invocations=15)
    scaled.minutes(1, invocations=35)

    assert scaled.count == 4


def test_missing_data_scales_nothing(scaled: Scaled) -> None:
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


def test_tracking_goes_by_metric_math(scaled: Scaled) -> None:
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


def test_scale_in_that_would_flap_is_not_done(scaled: Scaled) -> None:
    scaled.register(1, 3)
    scaled.resize(2)
    scaled.track(before=8)

    scaled.minutes(15, invocations=8)

    assert scaled.count == 2
    assert scaled.reasons() == ["AutoScalingAnticipatedFlapping"]


def test_suspended_scaling_does_nothing(scaled: Scaled) -> None:
    scaled.register(1, 3, SuspendedState={"DynamicScalingOutSuspended": True})
    scaled.track()
    scaled.minutes(3, invocations=25)
    assert scaled.count == 1

    scaled.register(None, None, SuspendedState={"DynamicScalingOutSuspended": False})
    scaled.minutes(1, invocations=25)

    assert scaled.count == 3


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


def test_alarm_set_by_hand_runs_the_step_policy(scaled: Scaled) -> None:
    scaled.register(1, 4)
    scaled.alarm(scaled.step())

    scaled.stage.cloudwatch.set_alarm_state(
        AlarmName=f"{scaled.stage.name}-load", StateValue="ALARM", StateReason="by hand"
    )
    scaled.settle()

    assert scaled.count == 2


def test_deleting_a_step_policy_takes_the_action_not_the_alarm(scaled: Scaled) -> None:
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


def test_scheduled_action_keeps_to_its_start_and_end(scaled: Scaled) -> None:
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


def test_suspended_schedule_does_nothing(scaled: Scaled) -> None:
    scaled.register(1, 4, SuspendedState={"ScheduledScalingSuspended": True})
    scaled.schedule("more", "rate(1 minute)", MinCapacity=3)

    scaled.minutes(3)

    assert scaled.count == 1


def test_registering_brings_the_capacity_within_its_limits(scaled: Scaled) -> None:
    scaled.register(2, 4)
    assert scaled.count == 2

    scaled.register(1, 1)

    assert scaled.count == 1
    causes = [activity["Cause"] for activity in scaled.activities()]
    assert causes == ["maximum capacity was set to 1", "minimum capacity was set to 2"]


@pytest.mark.feature("scaling: activities are listed")
def test_activities_read_as_on_aws(scaled: Scaled) -> None:
    scaled.register(1, 2)
    high, _ = scaled.track(ScaleOutCooldown=0)

    scaled.minutes(6, invocations=25)

    (activity,) = scaled.activities()
    assert activity["Description"] == "Setting desired instance count to 2."
    assert activity["Cause"] == (f"monitor alarm {high} in state ALARM triggered policy tracking")
    assert activity["StatusCode"] == "Successful"
    assert activity["StatusMessage"] == (
        "Successfully set desired instance count to 2. Change successfully fulfilled by sagemaker."
    )
    assert activity["EndTime"] >= activity["StartTime"]
    refused = scaled.activities(IncludeNotScaledActivities=True)[0]
    assert refused["StatusCode"] == "Failed"
    assert refused["Description"] == "Attempting to scale due to alarm triggered"
    assert refused["NotScaledReasons"] == [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 2}]


def test_capacity_is_set_by_the_service_linked_role(scaled: Scaled) -> None:
    scaled.register(2, 2)

    calls = [
        call
        for call in scaled.cloud.recorder.calls()
        if call.action == "sagemaker:UpdateEndpointWeightsAndCapacities"
    ]

    assert "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint" in calls[-1].principal


def test_refusal_of_sagemaker_is_listed_as_failed(scaled: Scaled) -> None:
    scaled.cloud.faults.order(
        kind="call", match="sagemaker:UpdateEndpointWeightsAndCapacities",
        code="ResourceLimitExceeded", message="The account-level service limit is reached",
        status=400,
    )  # fmt: skip

    scaled.register(2, 2)

    (activity,) = scaled.activities()
    assert (activity["StatusCode"], scaled.count) == ("Failed", 1)
    assert activity["StatusMessage"] == (
        "Failed to set desired instance count to 2. "
        "Reason: The account-level service limit is reached"
    )


def test_capacity_that_is_not_there_leaves_the_change_unfulfilled(stage: Stage) -> None:
    stage.sagemaker.create_endpoint_config(
        EndpointConfigName="pools",
        ProductionVariants=[
            {"VariantName": "AllTraffic", "ModelName": "winter", "InitialInstanceCount": 1,
             "InstancePools": [{"InstanceType": "ml.m5.large", "Priority": 1}]}
        ],
    )  # fmt: skip
    stage.endpoint("pools")
    scaled = Scaled(stage)
    stage.cloud.faults.refuse_capacity("ml.m5.large", times=None)

    scaled.register(2, 2)

    (activity,) = scaled.activities()
    assert (activity["StatusCode"], scaled.count) == ("Unfulfilled", 1)
    scaled.end()


def test_requests_in_progress_scale_out_within_a_minute(scaled: Scaled) -> None:
    scaled.register(1, 3)
    high, low = scaled.track(
        TargetValue=1.0,
        PredefinedMetricSpecification={
            "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
        },
    )
    rules = {a["AlarmName"]: (a["Period"], a["EvaluationPeriods"]) for a in scaled.alarms()}
    assert rules == {high: (10, 3), low: (10, 90)}

    with ThreadPoolExecutor(3) as callers:
        waiting = [callers.submit(scaled.stage.invoke, "sleep 2") for _ in range(3)]
        scaled.until_in_progress(3)
        for _ in range(5):
            scaled.cloud.clock.advance(10)
            scaled.cloud.settle(0.2)
        for answer in waiting:
            answer.result()
    scaled.settle()

    assert scaled.count == 3


def test_changed_instance_type_of_a_scaled_variant_is_refused(scaled: Scaled) -> None:
    scaled.register(1, 2)
    scaled.stage.sagemaker.create_endpoint_config(
        EndpointConfigName="bigger",
        ProductionVariants=[
            {"VariantName": "AllTraffic", "ModelName": "winter", "InitialInstanceCount": 1,
             "InstanceType": "ml.m5.xlarge"}
        ],
    )  # fmt: skip
    update: dict[str, Any] = {
        "EndpointName": scaled.stage.name, "EndpointConfigName": "bigger",
    }  # fmt: skip

    code, said = refusal(scaled.stage.sagemaker.update_endpoint, **update)

    assert code == "ValidationException"
    assert said.startswith('Variant(s) "[AllTraffic]" must be deregistered as scalable targets')
    scaled.client.deregister_scalable_target(**scaled.key)
    scaled.stage.sagemaker.update_endpoint(**update)
    scaled.settle()


def test_update_keeps_target_and_policies(scaled: Scaled) -> None:
    scaled.register(2, 3)
    scaled.track()
    scaled.stage.config("two", "winter")

    scaled.stage.sagemaker.update_endpoint(
        EndpointName=scaled.stage.name, EndpointConfigName="two", RetainAllVariantProperties=True
    )
    scaled.settle()

    assert scaled.count == 2
    scaled.minutes(3, invocations=15)
    assert scaled.count == 3


def test_nothing_is_scaled_while_the_endpoint_is_updated(scaled: Scaled) -> None:
    scaled.register(1, 3)
    scaled.alarm(scaled.step())
    scaled.stage.config("two", "winter")
    scaled.stage.sagemaker.update_endpoint(
        EndpointName=scaled.stage.name, EndpointConfigName="two",
        DeploymentConfig={"BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
            "TerminationWaitInSeconds": 600}},
    )  # fmt: skip
    scaled.stage.until(lambda d: "Baking for 600" in str(d))

    scaled.load(80)
    scaled.cloud.clock.advance(60)
    scaled.cloud.settle(0.5)
    scaled.cloud.clock.advance(600)
    scaled.settle()

    assert "TargetServicePutResourceAsUnscalable" in scaled.reasons()


def test_deleting_the_endpoint_deregisters_its_targets(scaled: Scaled) -> None:
    scaled.register(1, 2)
    scaled.track()

    scaled.stage.sagemaker.delete_endpoint(EndpointName=scaled.stage.name)
    scaled.stage.rest()

    assert not scaled.client.describe_scalable_targets(ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]
    assert scaled.alarms() == []


def test_deregistering_takes_alarms_and_schedules_along(scaled: Scaled) -> None:
    scaled.register(1, 3)
    scaled.track()
    scaled.schedule("more", "rate(1 minute)", MinCapacity=3)

    scaled.client.deregister_scalable_target(**scaled.key)
    scaled.minutes(3)

    assert scaled.alarms() == []
    assert scaled.count == 1


def test_provisioned_concurrency_is_scaled(stage: Stage) -> None:
    stage.sagemaker.create_endpoint_config(
        EndpointConfigName="serverless",
        ProductionVariants=[
            {"VariantName": "AllTraffic", "ModelName": "winter", "ServerlessConfig": {
                "MemorySizeInMB": 1024, "MaxConcurrency": 5, "ProvisionedConcurrency": 1}}
        ],
    )  # fmt: skip
    assert stage.endpoint("serverless")["EndpointStatus"] == "InService"
    scaled = Scaled(stage)
    scaled.key["ScalableDimension"] = "sagemaker:variant:DesiredProvisionedConcurrency"

    scaled.register(2, 3)

    (activity,) = scaled.activities()
    assert activity["Description"] == "Setting desired provisioned concurrency to 2."
    assert activity["StatusCode"] == "Successful"
    (variant,) = stage.rest()["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 2

    rules = {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"}
    scaled.track(TargetValue=0.7, PredefinedMetricSpecification=rules)
    dimensions = {"EndpointName": stage.name, "VariantName": "AllTraffic"}
    cloudwatch = stage.cloud.service("cloudwatch")
    cloudwatch.before_evaluation(
        lambda: cloudwatch.put(
            "AWS/SageMaker", "ServerlessProvisionedConcurrencyUtilization", 1.0,
            dimensions=dimensions,
        )
    )  # fmt: skip
    scaled.minutes(3)
    (variant,) = stage.rest()["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 3
    scaled.end()
