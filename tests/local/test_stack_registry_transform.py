"""Batch transform of a registered model, with constructs only: new data are scored by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import xgboost
from aws_cdk import App, CfnOutput, Stack
from deployed import in_process

from constructs_lib import (
    AlgorithmImage,
    DataProcessing,
    DataStore,
    HostingRole,
    JobTriggers,
    Model,
    ModelArtifact,
    ModelContainer,
    ModelRegistry,
    PrivateNetwork,
    StateTable,
    TransformJob,
    TransformSpecification,
)
from sageloop.examples.archives import packed
from sageloop.local_cloud.assembly import deploy_app
from sageloop.local_cloud.client import LocalCloud

pytestmark = pytest.mark.slow

ARTIFACT = "models/tripling/model.tar.gz"
READY = "deliveries/ready"


def app(package: str | None) -> App:
    """A store and a registry; with a model package, also a job that scores delivered data."""
    cdk_app = App()
    stack = Stack(cdk_app, "scoring")
    store = DataStore(stack, "Store")
    registry = ModelRegistry(stack, "Registry", name="tripling")
    image = AlgorithmImage.xgboost(stack, "3.0-5")
    if package is not None:
        score(stack, store, image, package)
    CfnOutput(stack, "Bucket", value=store.bucket.bucket_name)
    CfnOutput(stack, "Group", value=registry.group_name)
    CfnOutput(stack, "Image", value=image.uri)
    return cdk_app


def score(stack: Stack, store: DataStore, image: AlgorithmImage, package: str) -> None:
    """The model of a package, and the job that uses it."""
    network = PrivateNetwork(stack, "Network", key=store.key)
    role = HostingRole(stack, "Role", key=store.key, repository_arns=[image.repository_arn])
    store.grant_read(role, prefix="models/")
    container = ModelContainer(artifact=ModelArtifact.from_package(package))
    job = TransformJob(
        stack, "Job", job="score", network=network,
        state=StateTable(stack, "State", key=store.key),
        specification=TransformSpecification(
            model=Model(stack, "Model", containers=[container], role=role, network=network),
            store=store, input_prefix="to-score/", output_prefix="scored/",
            split="Line", assemble="Line", strategy="MultiRecord",
            processing=DataProcessing(input_filter="$[1:]", join=True),
        ),
    )  # fmt: skip
    JobTriggers(stack, "Triggers", job=job, network=network, on_data=[READY])


def tripling() -> xgboost.Booster:
    """Trees that triple their input."""
    rows = np.arange(20.0).reshape(-1, 1)
    return xgboost.train(
        {"max_depth": 6, "eta": 1.0, "seed": 7}, xgboost.DMatrix(rows, 3 * rows[:, 0]), 20
    )


def register(cloud: LocalCloud, outputs: dict[str, str], trees: xgboost.Booster) -> str:
    """Upload the trees and register them as an approved package; return its ARN."""
    bucket, sagemaker = outputs["Bucket"], cloud.client("sagemaker")
    archive = packed({"xgboost-model": bytes(trees.save_raw("ubj"))})
    cloud.client("s3").put_object(Bucket=bucket, Key=ARTIFACT, Body=archive)
    cdk_app = sagemaker.create_model_package(
        ModelPackageGroupName=outputs["Group"], ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [
                {"Image": outputs["Image"], "ModelDataUrl": f"s3://{bucket}/{ARTIFACT}"}
            ],
            "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
        },
    )  # fmt: skip
    return str(cdk_app["ModelPackageArn"])


@dataclass
class Scored:
    """The deployed stack after its job has run."""

    cloud: LocalCloud
    bucket: str
    package: str
    trees: xgboost.Booster


@pytest.fixture(scope="module")
def scored() -> Iterator[Scored]:
    """The stack after registration, deployment and delivery of rows."""
    trees = tripling()
    with in_process() as (_, cloud):
        outputs = deploy_app(cloud, app(None))["scoring"]
        package = register(cloud, outputs, trees)
        deploy_app(cloud, app(package))
        bucket, s3 = outputs["Bucket"], cloud.client("s3")
        s3.put_object(Bucket=bucket, Key="to-score/rows.csv", Body=b"7,2\n8,5\n9,11\n")
        s3.put_object(Bucket=bucket, Key=READY, Body=b"complete")
        cloud.settle(180)
        yield Scored(cloud, bucket, package, trees)


@pytest.mark.feature("serving constructs: batch transform of a registry model")
def test_delivered_rows_are_scored_by_the_registered_model(scored: Scored) -> None:
    s3 = scored.cloud.client("s3")

    body = s3.get_object(Bucket=scored.bucket, Key="scored/rows.csv.out")["Body"].read()

    predictions = [
        [float(value) for value in line.split(",")] for line in body.decode().splitlines()
    ]
    expected = scored.trees.predict(xgboost.DMatrix(np.array([[2.0], [5.0], [11.0]])))
    assert [row[:2] for row in predictions] == [[7, 2], [8, 5], [9, 11]]
    assert [row[2] for row in predictions] == pytest.approx(expected.tolist(), abs=1e-4)


def test_model_of_the_job_is_the_package(scored: Scored) -> None:
    sagemaker = scored.cloud.client("sagemaker")

    (job,) = sagemaker.list_transform_jobs()["TransformJobSummaries"]
    described = sagemaker.describe_transform_job(TransformJobName=job["TransformJobName"])

    assert job["TransformJobStatus"] == "Completed"
    model = sagemaker.describe_model(ModelName=described["ModelName"])
    assert model["PrimaryContainer"]["ModelPackageName"] == scored.package
