"""Copies of an inference component: scaled by Application Auto Scaling, to zero and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from component_stage import Components, components  # noqa: F401 - fixtures by name
from hosting_stage import Stage, refusal
from scaling_stage import Scaled, open_scaling_stage

TRACKING = {
    "TargetValue": 10.0, "ScaleInCooldown": 60, "ScaleOutCooldown": 60,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"
    },
}  # fmt: skip
SHARED = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_scaling_stage() as stage:
        yield stage


@pytest.fixture
def copies(components: Components) -> Scaled:
    """A component with one copy, scaled from 0 to 2 copies by invocations."""
    components.endpoint(1, ManagedInstanceScaling=SHARED)
    components.create()
    scaled = Scaled(components.stage)
    scaled.key = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"inference-component/{components.first}",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    scaled.register(0, 2)
    scaled.client.put_scaling_policy(
        **scaled.key, PolicyName="invocations", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=TRACKING,
    )  # fmt: skip
    return scaled


def _count(components: Components) -> int:
    return int(components.wait_until_stable()["RuntimeConfig"]["CurrentCopyCount"])


@pytest.mark.feature("scaling: copies of an inference component")
def test_load_adds_a_copy(components: Components, copies: Scaled) -> None:
    put = components.stage.cloud.service("cloudwatch").put
    dimensions = {"InferenceComponentName": components.first}
    for _ in range(4):
        put("AWS/SageMaker", "InvocationsPerCopy", 25.0, dimensions=dimensions)
        copies.next_minute()

    assert _count(components) == 2
    assert components.processes() == 2


@pytest.mark.feature("scaling: an inference component to zero and back")
def test_component_scales_to_zero_and_back_on_a_request(
    components: Components, copies: Scaled
) -> None:
    copies.alarm(
        copies.step("wake"),
        Namespace="AWS/SageMaker", MetricName="NoCapacityInvocationFailures", Statistic="Sum",
        Dimensions=[{"Name": "InferenceComponentName", "Value": components.first}],
        Threshold=1, TreatMissingData="missing",
    )  # fmt: skip
    copies.minutes(17)
    assert _count(components) == 0
    assert components.processes() == 0

    code, _ = refusal(components.invoke)
    assert code == "ValidationError"
    copies.next_minute()

    assert _count(components) == 1
    assert components.invoke() == "echo hello"
    causes = [activity["Cause"].rpartition(" ")[2] for activity in copies.activities()]
    assert causes == ["wake", "invocations"]


def test_deleted_component_deregisters_its_target(components: Components, copies: Scaled) -> None:
    components.sagemaker.delete_inference_component(InferenceComponentName=components.first)
    components.hosting.components.wait(components.first)
    copies.settle()

    targets = copies.client.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[copies.key["ResourceId"]]
    )
    assert targets["ScalableTargets"] == []
    assert copies.alarms() == []
