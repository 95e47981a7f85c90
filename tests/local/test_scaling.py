"""Application Auto Scaling through boto3: what is declared is kept as AWS keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, Service, operation
from sageloop.local_cloud.scaling.service import ApplicationAutoScalingService

VARIANT = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/air-time/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING = {
    "TargetValue": 70.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    },
    "ScaleInCooldown": 300,
}


class Endpoints(Service):
    """One endpoint with one variant."""

    model = "sagemaker"

    @operation("DescribeEndpoint")
    def describe(self, call: Call) -> dict[str, Any]:
        if call.params["EndpointName"] != "air-time":
            raise AwsError("ValidationException", "Could not find endpoint")
        return {
            "EndpointName": "air-time", "EndpointStatus": "InService",
            "ProductionVariants": [{"VariantName": "AllTraffic"}],
        }  # fmt: skip


@pytest.fixture
def client() -> Iterator[Any]:
    cloud = Cloud(CloudConfig())
    cloud.add([ApplicationAutoScalingService(cloud), Endpoints(cloud)])
    cloud.start()
    yield cloud.client("application-autoscaling", principal="tester")
    cloud.stop()


@pytest.fixture
def registered(client: Any) -> Any:
    client.register_scalable_target(**VARIANT, MinCapacity=2, MaxCapacity=5)
    return client


def refusal(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_target_is_kept(registered: Any) -> None:
    (found,) = registered.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (2, 5)
    assert found["RoleARN"].endswith("AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")
    assert found["ScalableTargetARN"].startswith("arn:aws:application-autoscaling:us-east-1:")


def test_registering_again_changes_what_is_given(registered: Any) -> None:
    again = registered.register_scalable_target(
        **VARIANT, MaxCapacity=9, SuspendedState={"DynamicScalingInSuspended": True}
    )
    (found,) = registered.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[VARIANT["ResourceId"]]
    )["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (2, 9)
    assert found["SuspendedState"]["DynamicScalingInSuspended"] is True
    assert found["ScalableTargetARN"] == again["ScalableTargetARN"]


@pytest.mark.parametrize(
    "resource", ["endpoint/none/variant/AllTraffic", "endpoint/air-time/variant/B", "air-time"]
)
def test_target_without_its_variant_is_refused(client: Any, resource: str) -> None:
    with pytest.raises(ClientError, match=resource) as error:
        client.register_scalable_target(
            **{**VARIANT, "ResourceId": resource}, MinCapacity=1, MaxCapacity=2
        )
    assert refusal(error) == "ValidationException"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"MinCapacity": 1}, "must both be specified"),
        ({"MinCapacity": 3, "MaxCapacity": 2}, "Maximum capacity cannot be less"),
    ],
)
def test_wrong_capacity_is_refused(client: Any, members: dict[str, int], said: str) -> None:
    with pytest.raises(ClientError, match=said):
        client.register_scalable_target(**VARIANT, **members)


def test_policy_needs_its_target(client: Any) -> None:
    with pytest.raises(ClientError, match="No scalable target registered") as error:
        client.put_scaling_policy(
            **VARIANT, PolicyName="p", PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=TRACKING,
        )  # fmt: skip
    assert refusal(error) == "ObjectNotFoundException"


def test_policy_is_kept_and_deleted(registered: Any) -> None:
    made = registered.put_scaling_policy(
        **VARIANT, PolicyName="p", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=TRACKING,
    )  # fmt: skip
    assert made["Alarms"] == []
    (found,) = registered.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert found["PolicyARN"] == made["PolicyARN"]
    assert found["TargetTrackingScalingPolicyConfiguration"] == TRACKING
    registered.delete_scaling_policy(**VARIANT, PolicyName="p")
    with pytest.raises(ClientError, match="No scaling policy found") as error:
        registered.delete_scaling_policy(**VARIANT, PolicyName="p")
    assert refusal(error) == "ObjectNotFoundException"


def test_predictive_policy_is_refused_by_name(registered: Any) -> None:
    with pytest.raises(ClientError, match="PredictiveScaling") as error:
        registered.put_scaling_policy(**VARIANT, PolicyName="p", PolicyType="PredictiveScaling")
    assert refusal(error) == "NotImplemented"


def test_scheduled_action_is_kept_and_deleted(registered: Any) -> None:
    registered.put_scheduled_action(
        **VARIANT, ScheduledActionName="night", Schedule="cron(0 22 * * ? *)",
        ScalableTargetAction={"MinCapacity": 1},
    )  # fmt: skip
    (found,) = registered.describe_scheduled_actions(ServiceNamespace="sagemaker")[
        "ScheduledActions"
    ]
    assert (found["Schedule"], found["ScalableTargetAction"]) == (
        "cron(0 22 * * ? *)", {"MinCapacity": 1},
    )  # fmt: skip
    registered.delete_scheduled_action(**VARIANT, ScheduledActionName="night")
    assert not registered.describe_scheduled_actions(ServiceNamespace="sagemaker")[
        "ScheduledActions"
    ]


def test_deregistering_takes_the_policies_along(registered: Any) -> None:
    registered.put_scaling_policy(
        **VARIANT, PolicyName="p", PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )  # fmt: skip
    registered.deregister_scalable_target(**VARIANT)
    assert not registered.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    with pytest.raises(ClientError, match="No scalable target found"):
        registered.deregister_scalable_target(**VARIANT)


def test_tags_of_a_target(registered: Any) -> None:
    found = registered.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    arn = found[0]["ScalableTargetARN"]
    registered.tag_resource(ResourceARN=arn, Tags={"a": "1", "b": "2"})
    registered.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert registered.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"b": "2"}


def test_nothing_is_scaled_yet(registered: Any) -> None:
    found = registered.describe_scaling_activities(ServiceNamespace="sagemaker")
    assert found["ScalingActivities"] == []
