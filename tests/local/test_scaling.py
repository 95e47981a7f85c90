"""Application Auto Scaling through boto3: what may be declared, and how it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from roles import USER

from sageloop.local_cloud.cloudwatch.service import CloudWatchService
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
    """Two endpoints with one variant each, the second one on a burstable type."""

    model = "sagemaker"

    @operation("DescribeEndpoint")
    def describe(self, call: Call) -> dict[str, Any]:
        name = call.params["EndpointName"]
        if name not in ("air-time", "burst"):
            raise AwsError("ValidationException", "Could not find endpoint")
        return {
            "EndpointName": name, "EndpointStatus": "InService", "EndpointConfigName": name,
            "ProductionVariants": [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}],
        }  # fmt: skip

    @operation("DescribeEndpointConfig")
    def describe_config(self, call: Call) -> dict[str, Any]:
        name = call.params["EndpointConfigName"]
        kind = "ml.t2.medium" if name == "burst" else "ml.m5.large"
        return {
            "EndpointConfigName": name,
            "ProductionVariants": [{"VariantName": "AllTraffic", "InstanceType": kind}],
        }


@pytest.fixture
def client() -> Iterator[Any]:
    cloud = Cloud(CloudConfig())
    cloud.add([ApplicationAutoScalingService(cloud), Endpoints(cloud), CloudWatchService(cloud)])
    cloud.start()
    yield cloud.client("application-autoscaling", principal=USER)
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
        ({"MinCapacity": 0, "MaxCapacity": 2}, "Minimum capacity cannot be less than 1"),
    ],
)
def test_wrong_capacity_is_refused(client: Any, members: dict[str, int], said: str) -> None:
    with pytest.raises(ClientError, match=said):
        client.register_scalable_target(**VARIANT, **members)


@pytest.mark.feature("bad input: scaling of burstable instances")
def test_burstable_instances_are_not_scaled(client: Any) -> None:
    with pytest.raises(ClientError, match=r"burstable instances such as ml\.t2\.medium"):
        client.register_scalable_target(
            **{**VARIANT, "ResourceId": "endpoint/burst/variant/AllTraffic"},
            MinCapacity=1, MaxCapacity=2,
        )  # fmt: skip


def test_other_services_are_refused_by_name(client: Any) -> None:
    with pytest.raises(ClientError, match="dynamodb:table:ReadCapacityUnits") as error:
        client.register_scalable_target(
            ServiceNamespace="dynamodb", ResourceId="table/t", MinCapacity=1, MaxCapacity=2,
            ScalableDimension="dynamodb:table:ReadCapacityUnits",
        )  # fmt: skip
    assert refusal(error) == "NotImplemented"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"TargetValue": 1.0}, "Exactly one of"),
        ({"TargetValue": 0.0, "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}, "above 0"),
        ({"TargetValue": 1.0, "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"}},
         "Unsupported PredefinedMetricType"),
        ({"TargetValue": 1.0, "CustomizedMetricSpecification": {"MetricName": "m"}},
         "needs Namespace, Statistic"),
        ({"TargetValue": 1.0, "ScaleInCooldown": -1, "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}},
         "ScaleInCooldown must be 0 or more"),
    ],
)  # fmt: skip
def test_wrong_tracking_is_refused(registered: Any, config: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said):
        registered.put_scaling_policy(
            **VARIANT, PolicyName="p", PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=config,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "At least one StepAdjustment"),
        ([(None, None)], "At least one bound"),
        ([(5, 5)], "upper bound must be greater"),
        ([(0, 10), (20, None)], "can't overlap or have a gap"),
        ([(0, 10)], "unspecified bound"),
        ([(-10, 0)], "unspecified bound"),
    ],
)
def test_wrong_steps_are_refused(
    registered: Any, steps: list[tuple[int | None, int | None]], said: str
) -> None:
    members = ("MetricIntervalLowerBound", "MetricIntervalUpperBound")
    with pytest.raises(ClientError, match=said):
        registered.put_scaling_policy(
            **VARIANT, PolicyName="p", PolicyType="StepScaling",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ChangeInCapacity",
                "StepAdjustments": [
                    {m: v for m, v in zip(members, step, strict=True) if v is not None}
                    | {"ScalingAdjustment": 1}
                    for step in steps
                ],
            },
        )  # fmt: skip


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"Schedule": "every day"}, "Invalid schedule"),
        ({"Schedule": "rate(1 day)", "Timezone": "Mars/Olympus"}, "Timezone must be"),
        ({"Schedule": "rate(1 day)", "ScalableTargetAction": {}}, "needs MinCapacity"),
        ({"Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 1}},
         "Maximum capacity cannot"),
    ],
)  # fmt: skip
def test_wrong_schedule_is_refused(registered: Any, members: dict[str, Any], said: str) -> None:
    given = {"ScalableTargetAction": {"MinCapacity": 1}, **members}
    with pytest.raises(ClientError, match=said):
        registered.put_scheduled_action(**VARIANT, ScheduledActionName="a", **given)


def test_policy_put_again_keeps_its_alarms(registered: Any) -> None:
    def put(**more: Any) -> list[str]:
        made = registered.put_scaling_policy(
            **VARIANT, PolicyName="p", PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={**TRACKING, **more},
        )  # fmt: skip
        return [alarm["AlarmName"] for alarm in made["Alarms"]]

    first = put()
    assert put(TargetValue=90.0) == first
    assert put(DisableScaleIn=True) == first[:1]


def test_start_and_end_of_an_action_are_not_kept(registered: Any) -> None:
    action = {"ScheduledActionName": "a", "Schedule": "rate(1 day)"}
    registered.put_scheduled_action(
        **VARIANT, **action, ScalableTargetAction={"MinCapacity": 1},
        EndTime=datetime(2099, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    registered.put_scheduled_action(**VARIANT, **action)
    (found,) = registered.describe_scheduled_actions(ServiceNamespace="sagemaker")[
        "ScheduledActions"
    ]
    assert "EndTime" not in found
    assert found["ScalableTargetAction"] == {"MinCapacity": 1}


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
    assert len(made["Alarms"]) == 2
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


def test_capacity_within_its_limits_is_left_alone(registered: Any) -> None:
    found = registered.describe_scaling_activities(ServiceNamespace="sagemaker")
    assert found["ScalingActivities"] == []
