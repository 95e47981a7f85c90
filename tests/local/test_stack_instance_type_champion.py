"""A champion's scaled variant gets another instance type in one deployment, or keeps its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from aws_cdk import App, CfnOutput, Stack
from deployed import in_process
from hosting_stage import IMAGE, served_image

from constructs_lib import (
    AlertTopic,
    AllAtOnce,
    ChampionEndpoint,
    DataStore,
    HostingRole,
    ModelRegistry,
    PrivateNetwork,
    Scaling,
    StateTable,
    Variant,
)
from sageloop.examples.archives import packed
from sageloop.local_cloud.assembly import deploy_app, destroy
from sageloop.local_cloud.client import LocalCloud
from sageloop.local_cloud.sagemaker.hosting.section import Hosting
from sageloop.local_cloud.sagemaker.hosting.timing import Timing
from sageloop.local_cloud.sagemaker.service import SageMakerService

pytestmark = pytest.mark.slow

ENDPOINT = "greets"
ARTIFACT = "models/winter/model.tar.gz"
TARGET = {"ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/{ENDPOINT}/variant/AllTraffic"}
NIGHT = {
    "ScheduledActionName": "night", "Schedule": "cron(0 22 * * ? *)",
    "ScalableTargetAction": {"MinCapacity": 1},
}  # fmt: skip


# The image is the package's, so the stack does not know its repository.
REPOSITORY = "arn:aws:ecr:us-east-1:000000000000:repository/hosting-test"


def app(instance_type: str, environment: dict[str, str]) -> App:
    """A scaled champion endpoint."""
    cdk_app = App()
    stack = Stack(cdk_app, "champion")
    store = DataStore(stack, "Store")
    registry = ModelRegistry(stack, "Registry", name="winter")
    scaling = Scaling(minimum=1, maximum=3, invocations_per_instance=600)
    ChampionEndpoint(
        stack, "Endpoint", endpoint_name=ENDPOINT, registry=registry, store=store,
        state=StateTable(stack, "State", key=store.key),
        network=PrivateNetwork(stack, "Network", key=store.key),
        role=HostingRole(stack, "Role", key=store.key, repository_arns=[REPOSITORY]),
        alert_topic=AlertTopic(stack, "AlertTopic", key=store.key).topic,
        variants=[Variant(instance_type=instance_type, instance_count=1, scaling=scaling)],
        rollout=AllAtOnce(termination_wait_seconds=0), environment=environment,
    )  # fmt: skip
    CfnOutput(stack, "Bucket", value=store.bucket.bucket_name)
    CfnOutput(stack, "Group", value=registry.group_name)
    return cdk_app


@dataclass
class ScaledStack:
    """The champion endpoint and its scaling as clients see them."""

    cloud: LocalCloud
    hosting: Hosting

    def deploy(self, instance_type: str, **environment: str) -> dict[str, str]:
        outputs = deploy_app(self.cloud, app(instance_type, environment))["champion"]
        self.cloud.settle()
        return outputs

    def promote(self, outputs: dict[str, str]) -> None:
        """Register an approved package, which becomes the first champion."""
        bucket = outputs["Bucket"]
        body = packed({"name.txt": b"winter"})
        self.cloud.client("s3").put_object(Bucket=bucket, Key=ARTIFACT, Body=body)
        self.cloud.client("sagemaker").create_model_package(
            ModelPackageGroupName=outputs["Group"], ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/{ARTIFACT}"}],
                "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
            },
        )  # fmt: skip
        self.cloud.settle()

    def scale(self, count: int) -> None:
        self.cloud.client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName=ENDPOINT,
            DesiredWeightsAndCapacities=[
                {"VariantName": "AllTraffic", "DesiredInstanceCount": count}
            ],
        )
        self.cloud.settle()

    def served(self) -> tuple[str, str, int]:
        """Endpoint status, instance type and current instance count."""
        client = self.cloud.client("sagemaker")
        description = client.describe_endpoint(EndpointName=ENDPOINT)
        config = client.describe_endpoint_config(
            EndpointConfigName=description["EndpointConfigName"]
        )
        (desired,), (current,) = config["ProductionVariants"], description["ProductionVariants"]
        return (
            description["EndpointStatus"],
            desired["InstanceType"],
            current["CurrentInstanceCount"],
        )

    def scaling(self) -> dict[str, Any]:
        client = self.cloud.client("application-autoscaling")
        targets = client.describe_scalable_targets(
            ServiceNamespace="sagemaker", ResourceIds=[TARGET["ResourceId"]]
        )["ScalableTargets"]  # fmt: skip
        policies = client.describe_scaling_policies(**TARGET)["ScalingPolicies"]
        actions = client.describe_scheduled_actions(**TARGET)["ScheduledActions"]
        return {
            "bounds": [(each["MinCapacity"], each["MaxCapacity"]) for each in targets],
            "policies": [each["PolicyName"] for each in policies],
            "actions": [each["ScheduledActionName"] for each in actions],
        }

    def calls(self, action: str) -> int:
        return len(self.cloud.calls(action=f"application-autoscaling:{action}"))


@pytest.fixture(scope="module")
def scaled() -> Iterator[ScaledStack]:
    """The stack deployed and promoted with ``ml.m5.large``."""
    with served_image(), in_process() as (inside, cloud):
        hosting = inside.services.instance(SageMakerService).hosting
        hosting.timing = Timing(startup_cap=120)
        stack = ScaledStack(cloud, hosting)
        stack.promote(stack.deploy("ml.m5.large"))
        yield stack


@pytest.mark.feature("scaling: another instance type of a champion in one deploy")
def test_deployment_changes_instance_type_and_keeps_scaled_capacity(scaled: ScaledStack) -> None:
    before = scaled.scaling()
    assert before["bounds"] == [(1, 3)]
    scaled.scale(2)

    scaled.deploy("ml.c5.large")

    assert scaled.served() == ("InService", "ml.c5.large", 2)
    assert scaled.scaling() == before
    assert scaled.calls("DeregisterScalableTarget") == 1


@pytest.mark.feature("scaling: a rollback restores the scalable target of a champion")
def test_failed_rollout_restores_the_scalable_target(scaled: ScaledStack) -> None:
    served = scaled.served()
    scaled.cloud.client("application-autoscaling").put_scheduled_action(
        **TARGET, ScalableDimension="sagemaker:variant:DesiredInstanceCount", **NIGHT
    )
    before = scaled.scaling()

    # Nothing else starts in this deployment: no need to wait two minutes for a ping that fails.
    scaled.hosting.timing = Timing(startup_cap=5)
    scaled.deploy("ml.m5.xlarge", PING="broken")

    assert scaled.calls("DeregisterScalableTarget") == 2
    assert scaled.served() == served
    assert scaled.scaling() == before
    assert before["actions"] == ["night"]


def test_destroyed_stack_leaves_no_scalable_target(scaled: ScaledStack) -> None:
    destroy(scaled.cloud, "champion")

    assert scaled.scaling() == {"bounds": [], "policies": [], "actions": []}
