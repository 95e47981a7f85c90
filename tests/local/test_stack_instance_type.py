"""A scaled endpoint gets another instance type in one deployment, as by the CDK."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_sagemaker as sagemaker
from deployed import in_process
from hosting_stage import IMAGE, served_image

from constructs_lib import (
    AllAtOnce,
    DataStore,
    Endpoint,
    HostingRole,
    Model,
    ModelArtifact,
    ModelContainer,
    PrivateNetwork,
    Scaling,
    ScheduledScaling,
    Step,
    StepScaling,
    Variant,
)
from sageloop.local_cloud.assembly import DeploymentError, deploy_app, destroy
from sageloop.local_cloud.client import LocalCloud

pytestmark = pytest.mark.slow

RESOURCE = "endpoint/greets/variant/AllTraffic"
BUSY = StepScaling(metric="CPUUtilization", threshold=70, steps=[Step(lower=0, change=1)])
NIGHT = ScheduledScaling(schedule="cron(0 22 * * ? *)", minimum=1)


def app(folder: Path, instance_type: str, *, maximum: int = 4, broken: bool = False) -> App:
    """An endpoint with all kinds of scaling; ``broken`` adds a resource that fails to create."""
    cdk_app = App()
    stack = Stack(cdk_app, "instance-type")
    store = DataStore(stack, "Store")
    network = PrivateNetwork(stack, "Network", key=store.key)
    role = HostingRole(stack, "Role", key=store.key)
    container = ModelContainer(image=IMAGE, artifact=ModelArtifact.from_folder(folder))
    scaling = Scaling(
        minimum=1, maximum=maximum, invocations_per_instance=600, steps=[BUSY], schedules=[NIGHT]
    )
    endpoint = Endpoint(
        stack, "Endpoint", endpoint_name="greets", store=store,
        rollout=AllAtOnce(termination_wait_seconds=0),
        model=Model(stack, "Model", containers=[container], role=role, network=network),
        variants=[Variant(instance_type=instance_type, instance_count=1, scaling=scaling)],
    )  # fmt: skip
    if broken:
        other = sagemaker.CfnEndpoint(stack, "Broken", endpoint_config_name="is-not-there")
        other.node.add_dependency(endpoint.resource)
    return cdk_app


@dataclass
class ScaledStack:
    """The deployed endpoint and its scaling as clients see them."""

    cloud: LocalCloud
    folder: Path

    def deploy(self, instance_type: str, **changes: Any) -> None:
        deploy_app(self.cloud, app(self.folder, instance_type, **changes))
        self.cloud.settle(180)

    def served(self) -> tuple[str, int]:
        """The instance type and the current instance count."""
        client = self.cloud.client("sagemaker")
        endpoint = client.describe_endpoint(EndpointName="greets")
        config = client.describe_endpoint_config(
            EndpointConfigName=endpoint["EndpointConfigName"]
        )["ProductionVariants"][0]  # fmt: skip
        count = endpoint["ProductionVariants"][0]["CurrentInstanceCount"]
        return str(config["InstanceType"]), int(count)

    def scaling(self) -> dict[str, Any]:
        client = self.cloud.client("application-autoscaling")
        parameters = {"ServiceNamespace": "sagemaker", "ResourceId": RESOURCE}
        targets = client.describe_scalable_targets(
            ServiceNamespace="sagemaker", ResourceIds=[RESOURCE]
        )["ScalableTargets"]  # fmt: skip
        policies = client.describe_scaling_policies(**parameters)["ScalingPolicies"]
        actions = client.describe_scheduled_actions(**parameters)["ScheduledActions"]
        return {
            "bounds": [(t["MinCapacity"], t["MaxCapacity"]) for t in targets],
            "policies": {each["PolicyName"]: each["PolicyARN"] for each in policies},
            "actions": [each["Schedule"] for each in actions],
        }

    def step_alarm_runs_the_policy(self) -> bool:
        """Whether the step scaling alarm invokes the existing policy."""
        (alarm,) = self.cloud.client("cloudwatch").describe_alarms(
            AlarmNames=["greets-scaling-0-0"]
        )["MetricAlarms"]  # fmt: skip
        return alarm["AlarmActions"] == [self.scaling()["policies"]["Step0"]]

    def scaling_is_complete(self, maximum: int = 4) -> bool:
        scaling = self.scaling()
        named = sorted(scaling["policies"]) == ["InvocationsPerInstance", "Step0"]
        kept = scaling["actions"] == [NIGHT.schedule] and scaling["bounds"] == [(1, maximum)]
        return named and kept and self.step_alarm_runs_the_policy()


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScaledStack]:
    """The stack deployed with ``ml.m5.large``."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "name.txt").write_text("winter")
    with served_image(), in_process() as (_, cloud):
        cdk_app = ScaledStack(cloud, folder)
        cdk_app.deploy("ml.m5.large")
        yield cdk_app


@pytest.mark.feature("scaling: another instance type in one deploy")
def test_deployment_changes_instance_type_and_keeps_scaled_capacity(scaled: ScaledStack) -> None:
    assert scaled.scaling_is_complete()
    scaled.cloud.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="greets",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}],
    )
    scaled.cloud.settle(180)

    scaled.deploy("ml.c5.large")

    assert scaled.served() == ("ml.c5.large", 3)
    assert scaled.scaling_is_complete()


@pytest.mark.feature("scaling: a failed deploy leaves scaling as it was")
def test_failed_deployment_keeps_instance_type_and_scaling(scaled: ScaledStack) -> None:
    before, _ = scaled.served()

    with pytest.raises(DeploymentError, match="is-not-there"):
        scaled.deploy("ml.r5.large", broken=True)
    scaled.cloud.advance(minutes=16)
    scaled.cloud.settle(180)

    assert scaled.served()[0] == before
    assert scaled.scaling_is_complete()


def test_capacity_limits_change_without_an_endpoint_update(scaled: ScaledStack) -> None:
    instance_type, _ = scaled.served()
    client = scaled.cloud.client("sagemaker")
    before = client.describe_endpoint(EndpointName="greets")["LastModifiedTime"]

    scaled.deploy(instance_type, maximum=5)

    assert scaled.scaling_is_complete(maximum=5)
    after = client.describe_endpoint(EndpointName="greets")["LastModifiedTime"]
    assert after == before


def test_destroyed_stack_leaves_no_scalable_target(scaled: ScaledStack) -> None:
    destroy(scaled.cloud, "instance-type")

    assert scaled.scaling() == {"bounds": [], "policies": {}, "actions": []}
