"""Scaling activities, and scaling during updates and deletions of its resources."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hosting_stage import Stage, refusal
from scaling_stage import (  # noqa: F401 - fixtures are found by name
    Scaled,
    cloud_stage,
    processes,
    scaled,
    stage,
)


@pytest.mark.feature("scaling: activities are listed")
def test_activities_have_aws_texts(scaled: Scaled) -> None:
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
    scaled.cloud.faults.inject(
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


def test_change_without_available_capacity_is_unfulfilled(stage: Stage) -> None:
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


@pytest.mark.feature("scaling: target tracking of concurrency")
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

    code, message = refusal(scaled.stage.sagemaker.update_endpoint, **update)

    assert code == "ValidationException"
    assert message.startswith('Variant(s) "[AllTraffic]" must be deregistered as scalable targets')
    scaled.client.deregister_scalable_target(**scaled.key)
    scaled.stage.sagemaker.update_endpoint(**update)
    scaled.settle()


@pytest.mark.feature("scaling: target and policies outlive an update")
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


def test_endpoint_is_not_scaled_during_an_update(scaled: Scaled) -> None:
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


def test_deleted_endpoint_deregisters_its_targets(scaled: Scaled) -> None:
    scaled.register(1, 2)
    scaled.track()

    scaled.stage.sagemaker.delete_endpoint(EndpointName=scaled.stage.name)
    scaled.stage.wait_until_stable()

    assert not scaled.client.describe_scalable_targets(ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]
    assert scaled.alarms() == []


def test_deregistration_deletes_alarms_and_schedules(scaled: Scaled) -> None:
    scaled.register(1, 3)
    scaled.track()
    scaled.schedule("more", "rate(1 minute)", MinCapacity=3)

    scaled.client.deregister_scalable_target(**scaled.key)
    scaled.minutes(3)

    assert scaled.alarms() == []
    assert scaled.count == 1


@pytest.mark.feature("scaling: provisioned concurrency")
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
    (variant,) = stage.wait_until_stable()["ProductionVariants"]
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
    (variant,) = stage.wait_until_stable()["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 3
    scaled.end()
