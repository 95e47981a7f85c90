"""An inference component of a stack scales to zero copies, and back for a request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_cdk import App, Stack
from botocore.exceptions import ClientError
from deployed import in_process
from hosting_stage import IMAGE, served_image

from constructs_lib import (
    ComputeResourceRequirements,
    DataStore,
    Endpoint,
    HostingRole,
    InferenceComponent,
    InferenceComponents,
    ManagedInstanceScaling,
    Model,
    ModelArtifact,
    ModelContainer,
    PrivateNetwork,
    Scaling,
    Variant,
)
from sageloop.local_cloud.assembly import deploy_app, destroy
from sageloop.local_cloud.client import LocalCloud

pytestmark = pytest.mark.slow

RESOURCE = "inference-component/winter"


def app(folder: Path) -> App:
    """An endpoint with one component."""
    cdk_app = App()
    stack = Stack(cdk_app, "shared")
    store = DataStore(stack, "Store")
    network = PrivateNetwork(stack, "Network", key=store.key)
    role = HostingRole(stack, "Role", key=store.key)
    container = ModelContainer(image=IMAGE, artifact=ModelArtifact.from_folder(folder))
    endpoint = Endpoint(
        stack, "Endpoint", endpoint_name="shared", store=store, role=role, network=network,
        kind=InferenceComponents(),
        variants=[
            Variant(
                instance_count=1, managed_scaling=ManagedInstanceScaling(minimum=0, maximum=2)
            )
        ],
    )  # fmt: skip
    InferenceComponent(
        stack, "Winter", endpoint=endpoint, name="winter",
        model=Model(stack, "Model", containers=[container], role=role, network=network),
        resources=ComputeResourceRequirements(memory_mb=512),
        scaling=Scaling(minimum=0, maximum=2, invocations_per_copy=10, scale_in_seconds=60),
    )  # fmt: skip
    return cdk_app


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """The deployed component with one copy in service."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "name.txt").write_text("winter")
    with served_image(), in_process() as (_, cloud):
        deploy_app(cloud, app(folder))
        cloud.settle(180)
        yield cloud


def _copies(cloud: LocalCloud) -> int:
    described = cloud.client("sagemaker").describe_inference_component(
        InferenceComponentName="winter"
    )
    return int(described["RuntimeConfig"]["CurrentCopyCount"])


def _minutes(cloud: LocalCloud, number: int) -> None:
    for _ in range(number):
        cloud.advance(minutes=1)
        cloud.settle(180)


def _invoke(cloud: LocalCloud) -> str:
    response = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="shared", InferenceComponentName="winter", Body=b"hello",
        ContentType="text/csv",
    )  # fmt: skip
    return str(response["Body"].read().decode())


@pytest.mark.feature("scaling: an inference component of a stack to zero and back")
def test_component_of_a_stack_scales_to_zero_and_back_for_a_request(
    cloud: LocalCloud,
) -> None:
    assert _copies(cloud) == 1
    assert _invoke(cloud) == "echo hello"

    _minutes(cloud, 20)
    assert _copies(cloud) == 0
    with pytest.raises(ClientError, match="ValidationError"):
        _invoke(cloud)

    _minutes(cloud, 2)
    assert _copies(cloud) == 1
    assert _invoke(cloud) == "echo hello"


def test_destroyed_stack_leaves_no_scalable_target(cloud: LocalCloud) -> None:
    destroy(cloud, "shared")

    targets = cloud.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[RESOURCE]
    )["ScalableTargets"]  # fmt: skip
    assert targets == []
