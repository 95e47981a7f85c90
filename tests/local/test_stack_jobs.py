"""Processing and batch transform jobs as infrastructure: deployed, started by events, executed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from aws_cdk import App, CfnOutput, Stack
from deployed import in_process

from constructs_lib import (
    AlgorithmImage,
    DataStore,
    HostingRole,
    JobTriggers,
    PrivateNetwork,
    ProcessingInput,
    ProcessingJob,
    ProcessingOutput,
    ProcessingRole,
    ProcessingSpecification,
    SourceCode,
    StateTable,
    TransformJob,
    TransformSpecification,
)
from sageloop.jobs.start import Place, start_job
from sageloop.local_cloud.assembly import deploy_app, destroy
from sageloop.local_cloud.client import LocalCloud

pytestmark = pytest.mark.slow

PREPARE = """
from pathlib import Path
rows = Path("/opt/ml/processing/input/raw/rows.csv").read_text().split()
kept = [row for row in rows if not row.endswith("?")]
Path("/opt/ml/processing/output/clean/rows.csv").write_text("".join(f"{row}\\n" for row in kept))
Path("/opt/ml/output").mkdir(exist_ok=True)
Path("/opt/ml/output/message").write_text(f"{len(kept)} of {len(rows)} rows are whole")
"""
MODEL = "models/doubling/model.tar.gz"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"


def app(code: Path) -> App:
    """Delivered rows are cleaned; clean rows are scored on a manual request."""
    cdk_app = App()
    stack = Stack(cdk_app, "jobs")
    store = DataStore(stack, "Store")
    state = StateTable(stack, "State", key=store.key)
    network = PrivateNetwork(stack, "Network", key=store.key)
    group = network.security_group(stack, "Group", description="Jobs")
    prepare = ProcessingJob(
        stack, "Prepare", job="prepare", state=state, network=network,
        specification=ProcessingSpecification(
            image=AlgorithmImage.find(stack, "sklearn", "1.4-2"), store=store,
            code=SourceCode(folder=code, entry_point="prepare.py"),
            role=ProcessingRole(stack, "PrepareRole", key=store.key),
            inputs=[ProcessingInput(name="raw", prefix="raw/")],
            outputs=[ProcessingOutput(name="clean", prefix="clean/")],
            subnet_ids=network.subnet_ids, security_group_ids=[group.security_group_id],
        ),
    )  # fmt: skip
    JobTriggers(stack, "OnRaw", job=prepare, network=network, on_data=["raw/ready"])
    image = AlgorithmImage.find(stack, "xgboost", "3.0-5")
    role = HostingRole(stack, "ModelRole", key=store.key, repository_arns=[image.repository_arn])
    store.grant_read(role, prefix="models/")
    score = TransformJob(
        stack, "Score", job="score", state=state, network=network,
        specification=TransformSpecification(
            model_name="doubling", store=store, role=role, input_prefix="clean/",
            output_prefix="scored/", split="Line", assemble="Line", strategy="MultiRecord",
        ),
    )  # fmt: skip
    JobTriggers(stack, "Manual", job=score, network=network)
    CfnOutput(stack, "Bucket", value=store.bucket.bucket_name)
    CfnOutput(stack, "RoleArn", value=role.role_arn)
    return cdk_app


def doubling() -> bytes:
    """An archive with a model that doubles its input."""
    rows = np.arange(20.0).reshape(-1, 1)
    model = xgboost.train({"max_depth": 6, "eta": 1.0}, xgboost.DMatrix(rows, 2 * rows[:, 0]), 40)
    cdk_app, body = io.BytesIO(), bytes(model.save_raw("ubj"))
    with tarfile.open(fileobj=cdk_app, mode="w:gz") as archive:
        entry = tarfile.TarInfo("xgboost-model")
        entry.size = len(body)
        archive.addfile(entry, io.BytesIO(body))
    return cdk_app.getvalue()


@dataclass
class Deployed:
    """The deployed stack with a client of its cloud."""

    cloud: LocalCloud
    bucket: str

    def read(self, key: str) -> str:
        """The text of an object."""
        s3 = self.cloud.client("s3")
        return str(s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode())

    def jobs(self, kind: str) -> list[dict[str, Any]]:
        """The jobs of a kind as the API lists them."""
        client = self.cloud.client("sagemaker")
        if kind == "processing":
            return list(client.list_processing_jobs()["ProcessingJobSummaries"])
        return list(client.list_transform_jobs()["TransformJobSummaries"])


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The stack after raw rows were delivered and cleaned."""
    code = tmp_path_factory.mktemp("code")
    (code / "prepare.py").write_text(PREPARE)
    with in_process() as (_, cloud):
        outputs = deploy_app(cloud, app(code))
        bucket, s3 = outputs["jobs"]["Bucket"], cloud.client("s3")
        s3.put_object(Bucket=bucket, Key=MODEL, Body=doubling())
        cloud.client("sagemaker").create_model(
            ModelName="doubling", ExecutionRoleArn=outputs["jobs"]["RoleArn"],
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/{MODEL}"},
        )  # fmt: skip
        s3.put_object(Bucket=bucket, Key="raw/rows.csv", Body=b"1\n2\n3?\n4\n")
        s3.put_object(Bucket=bucket, Key="raw/ready", Body=b"complete")
        cloud.settle(180)
        yield Deployed(cloud, bucket)


@pytest.mark.feature("training family: processing job started by new data")
def test_new_data_starts_the_processing_job(deployed: Deployed) -> None:
    (job,) = deployed.jobs("processing")

    assert job["ProcessingJobStatus"] == "Completed"
    assert job["ExitMessage"] == "3 of 4 rows are whole"
    assert deployed.read("clean/rows.csv") == "1\n2\n4\n"


@pytest.mark.feature("training family: batch transform started manually")
def test_manual_request_starts_transform_job(deployed: Deployed) -> None:
    place = Place(client=deployed.cloud.client, now=deployed.cloud.time, name="here", pause=0.1)

    started = start_job(place, "score")
    deployed.cloud.settle(180)

    (job,) = deployed.jobs("transform")
    assert (started.status, started.name) == ("started", job["TransformJobName"])
    assert job["TransformJobStatus"] == "Completed"
    scored = [float(line) for line in deployed.read("scored/rows.csv.out").split()]
    assert scored == pytest.approx([2, 4, 8], abs=0.5)


def test_job_outcomes_are_counted_for_each_job(deployed: Deployed) -> None:
    metrics = deployed.cloud.client("cloudwatch").list_metrics(
        Namespace="sageloop", MetricName="JobsCompleted"
    )["Metrics"]

    assert {d["Value"] for metric in metrics for d in metric["Dimensions"]} >= {"prepare", "score"}


def test_destroying_the_stack_leaves_no_job_running(deployed: Deployed) -> None:
    destroy(deployed.cloud, "jobs")

    statuses = [j["ProcessingJobStatus"] for j in deployed.jobs("processing")]
    assert statuses == ["Completed"]
