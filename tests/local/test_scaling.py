"""The API of Application Auto Scaling through boto3."""

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


def test_target_is_described_as_registered(registered: Any) -> None:
    (described,) = registered.describe_scalable_targets(ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]
    assert (described["MinCapacity"], described["MaxCapacity"]) == (2, 5)
    assert described["RoleARN"].endswith(
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    )
    assert described["ScalableTargetARN"].startswith("arn:aws:application-autoscaling:us-east-1:")


def test_second_registration_changes_specified_members(registered: Any) -> None:
    again = registered.register_scalable_target(
        **VARIANT, MaxCapacity=9, SuspendedState={"DynamicScalingInSuspended": True}
    )
    (described,) = registered.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[VARIANT["ResourceId"]]
    )["ScalableTargets"]
    assert (described["MinCapacity"], described["MaxCapacity"]) == (2, 9)
    assert described["SuspendedState"]["DynamicScalingInSuspended"] is True
    assert described["ScalableTargetARN"] == again["ScalableTargetARN"]


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
    ("members", "message"),
    [
        ({"MinCapacity": 1}, "must both be specified"),
        ({"MinCapacity": 3, "MaxCapacity": 2}, "Maximum capacity cannot be less"),
        ({"MinCapacity": 0, "MaxCapacity": 2}, "Minimum capacity cannot be less than 1"),
    ],
)
def test_invalid_capacity_is_refused(client: Any, members: dict[str, int], message: str) -> None:
    with pytest.raises(ClientError, match=message):
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
    ("config", "message"),
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
def test_invalid_target_tracking_is_refused(
    registered: Any, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        registered.put_scaling_policy(
            **VARIANT, PolicyName="p", PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=config,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "At least one StepAdjustment"),
        ([(None, None)], "At least one bound"),
        ([(5, 5)], "upper bound must be greater"),
        ([(0, 10), (20, None)], "can't overlap or have a gap"),
        ([(0, 10)], "unspecified bound"),
        ([(-10, 0)], "unspecified bound"),
    ],
)
def test_invalid_steps_are_refused(
    registered: Any, steps: list[tuple[int | None, int | None]], message: str
) -> None:
    members = ("MetricIntervalLowerBound", "MetricIntervalUpperBound")
    with pytest.raises(ClientError, match=message):
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
    ("members", "message"),
    [
        ({"Schedule": "every day"}, "Invalid schedule"),
        ({"Schedule": "rate(1 day)", "Timezone": "Mars/Olympus"}, "Timezone must be"),
        ({"Schedule": "rate(1 day)", "ScalableTargetAction": {}}, "needs MinCapacity"),
        ({"Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 1}},
         "Maximum capacity cannot"),
    ],
)  # fmt: skip
def test_invalid_schedule_is_refused(
    registered: Any, members: dict[str, Any], message: str
) -> None:
    action = {"ScalableTargetAction": {"MinCapacity": 1}, **members}
    with pytest.raises(ClientError, match=message):
        registered.put_scheduled_action(**VARIANT, ScheduledActionName="a", **action)


def test_updated_policy_keeps_its_alarms(registered: Any) -> None:
    def put(**more: Any) -> list[str]:
        made = registered.put_scaling_policy(
            **VARIANT, PolicyName="p", PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={**TRACKING, **more},
        )  # fmt: skip
        return [alarm["AlarmName"] for alarm in made["Alarms"]]

    first = put()
    assert put(TargetValue=90.0) == first
    assert put(DisableScaleIn=True) == first[:1]


def test_unspecified_start_and_end_of_an_action_are_removed(registered: Any) -> None:
    action = {"ScheduledActionName": "a", "Schedule": "rate(1 day)"}
    registered.put_scheduled_action(
        **VARIANT, **action, ScalableTargetAction={"MinCapacity": 1},
        EndTime=datetime(2099, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    registered.put_scheduled_action(**VARIANT, **action)
    (described,) = registered.describe_scheduled_actions(ServiceNamespace="sagemaker")[
        "ScheduledActions"
    ]
    assert "EndTime" not in described
    assert described["ScalableTargetAction"] == {"MinCapacity": 1}


def test_policy_without_target_is_refused(client: Any) -> None:
    with pytest.raises(ClientError, match="No scalable target registered") as error:
        client.put_scaling_policy(
            **VARIANT, PolicyName="p", PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=TRACKING,
        )  # fmt: skip
    assert refusal(error) == "ObjectNotFoundException"


def test_policy_is_described_and_deleted(registered: Any) -> None:
    made = registered.put_scaling_policy(
        **VARIANT, PolicyName="p", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=TRACKING,
    )  # fmt: skip
    assert len(made["Alarms"]) == 2
    (described,) = registered.describe_scaling_policies(ServiceNamespace="sagemaker")[
        "ScalingPolicies"
    ]
    assert described["PolicyARN"] == made["PolicyARN"]
    assert described["TargetTrackingScalingPolicyConfiguration"] == TRACKING
    registered.delete_scaling_policy(**VARIANT, PolicyName="p")
    with pytest.raises(ClientError, match="No scaling policy found") as error:
        registered.delete_scaling_policy(**VARIANT, PolicyName="p")
    assert refusal(error) == "ObjectNotFoundException"


def test_predictive_policy_is_refused_by_name(registered: Any) -> None:
    with pytest.raises(ClientError, match="PredictiveScaling") as error:
        registered.put_scaling_policy(**VARIANT, PolicyName="p", PolicyType="PredictiveScaling")
    assert refusal(error) == "NotImplemented"


def test_scheduled_action_is_described_and_deleted(registered: Any) -> None:
    registered.put_scheduled_action(
        **VARIANT, ScheduledActionName="night", Schedule="cron(0 22 * * ? *)",
        ScalableTargetAction={"MinCapacity": 1},
    )  # fmt: skip
    (described,) = registered.describe_scheduled_actions(ServiceNamespace="sagemaker")[
        "ScheduledActions"
    ]
    assert (described["Schedule"], described["ScalableTargetAction"]) == (
        "cron(0 22 * * ? *)", {"MinCapacity": 1},
    )  # fmt: skip
    registered.delete_scheduled_action(**VARIANT, ScheduledActionName="night")
    assert not registered.describe_scheduled_actions(ServiceNamespace="sagemaker")[
        "ScheduledActions"
    ]


def test_deregistration_deletes_the_policies(registered: Any) -> None:
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


def test_target_tags_are_added_and_removed(registered: Any) -> None:
    described = registered.describe_scalable_targets(ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]
    arn = described[0]["ScalableTargetARN"]
    registered.tag_resource(ResourceARN=arn, Tags={"a": "1", "b": "2"})
    registered.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert registered.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"b": "2"}


def test_capacity_within_its_limits_is_not_changed(registered: Any) -> None:
    described = registered.describe_scaling_activities(ServiceNamespace="sagemaker")
    assert described["ScalingActivities"] == []
