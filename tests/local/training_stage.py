from __future__ import annotations

import io
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from roles import SAGEMAKER, USER, delete_role, job_role, trust

from sageloop.local_cloud import images
from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.service import Service
from sageloop.local_cloud.sagemaker.service import SageMakerService

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
BUCKET = "training-tests"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
ROLE = "arn:aws:iam::123456789012:role/training-tests"
TRUST = trust(SAGEMAKER)


class Events(Service):
    """An events service that records emitted events."""

    model = "events"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.sent: list[tuple[str, dict[str, Any], list[str]]] = []

    def emit(
        self, source: str, detail_type: str, detail: dict[str, Any], *, resources: list[str]
    ) -> None:
        assert source == "aws.sagemaker"
        self.sent.append((detail_type, detail, resources))


class Metrics(CloudWatchService):
    """A CloudWatch service that records the metrics of other services."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.samples: list[tuple[str, str, float, dict[str, str]]] = []

    def put(
        self, namespace: str, name: str, value: float, *, dimensions: dict[str, str],
        unit: str = "None",
    ) -> None:  # fmt: skip
        super().put(namespace, name, value, dimensions=dimensions, unit=unit)
        self.samples.append((namespace, name, value, dimensions))


def start_cloud() -> SimpleNamespace:
    cloud = Cloud(CloudConfig(allow=frozenset({"image:elsewhere/image:1"})))
    events, metrics = Events(cloud), Metrics(cloud)
    cloud.add([SageMakerService(cloud), events, metrics])
    cloud.start()
    return SimpleNamespace(
        cloud=cloud, events=events, metrics=metrics, started=0,
        **{name: cloud.client(name, principal=USER) for name in ("sagemaker", "s3", "iam", "logs")},
    )  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Iterator[SimpleNamespace]:
    started = start_cloud()
    job_role(started.iam, "training-tests", "s3:DeleteObject")
    yield started
    delete_role(started.iam, "training-tests")
    started.cloud.stop()


@pytest.fixture
def aws(world: SimpleNamespace) -> Iterator[SimpleNamespace]:
    world.s3.create_bucket(Bucket=BUCKET)
    world.started = len(world.cloud.recorder.calls())
    yield world
    world.cloud.faults.clear()
    world.events.sent.clear()
    world.metrics.samples.clear()
    for job in world.sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]:
        world.sagemaker.delete_training_job(TrainingJobName=job["TrainingJobName"])
    with suppress(world.logs.exceptions.ResourceNotFoundException):
        world.logs.delete_log_group(logGroupName=LOG_GROUP)
    for item in world.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        world.s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    world.s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Any]:
    """Registers a Python program as the image ``own/<name>:1``."""
    patterns = []

    def register(source: str, name: str = "image") -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        image = f"own/{name}:1"
        images.register(image, training=[sys.executable, "-I", str(path)])
        patterns.append(image)
        return image

    yield register
    for pattern in patterns:
        images.unregister(pattern)


def request(name: str, image: str = XGBOOST, **members: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://training-tests/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
    }
    return spec | members


def channel(name: str, uri: str, **s3: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": source | s3},
        "ContentType": "text/csv",
    }


def csv(rows: int, start: int = 0) -> bytes:
    return "".join(f"{3 * i + 1},{i},{i % 7}\n" for i in range(start, start + rows)).encode()


def run(aws: SimpleNamespace, spec: dict[str, Any]) -> dict[str, Any]:
    aws.sagemaker.create_training_job(**spec)
    assert aws.cloud.settle(180) == []
    return dict(aws.sagemaker.describe_training_job(TrainingJobName=spec["TrainingJobName"]))


def files_in(aws: SimpleNamespace, key: str) -> dict[str, bytes]:
    body = aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        members = [m for m in archive.getmembers() if m.isfile()]
        return {m.name: archive.extractfile(m).read() for m in members}  # type: ignore[union-attr]


def refusal(aws: SimpleNamespace, spec: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        aws.sagemaker.create_training_job(**spec)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def statuses(job: dict[str, Any]) -> list[str]:
    return [t["Status"] for t in job["SecondaryStatusTransitions"]]


def put(aws: SimpleNamespace, **objects: bytes) -> None:
    for key, body in objects.items():
        aws.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def model(aws: SimpleNamespace, job: str = "job") -> dict[str, bytes]:
    return files_in(aws, f"out/{job}/output/model.tar.gz")


def wait_for_log(aws: SimpleNamespace) -> None:
    """Return once a container has written a log line."""
    started = threading.Event()
    aws.cloud.front.after("logs:PutLogEvents", lambda *_: started.set())
    if not aws.cloud.recorder.calls(after=aws.started, action="logs:PutLogEvents"):
        assert started.wait(180)


def messages(aws: SimpleNamespace, job: str, host: str = "algo-1") -> list[str]:
    prefix = f"{job}/{host}-"
    streams = aws.logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=prefix)
    name = streams["logStreams"][0]["logStreamName"]
    events = aws.logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=name, startFromHead=True)
    return [event["message"] for event in events["events"]]
