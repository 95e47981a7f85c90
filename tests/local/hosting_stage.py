"""Test harness for endpoints: a cloud with a model, and short methods."""

from __future__ import annotations

import io
import itertools
import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from roles import USER, hosting_role

from sageloop.local_cloud import images
from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.service import Service
from sageloop.local_cloud.sagemaker.hosting.event_publisher import upper_snake_case
from sageloop.local_cloud.sagemaker.hosting.timing import Timing
from sageloop.local_cloud.sagemaker.runtime import SageMakerRuntimeService
from sageloop.local_cloud.sagemaker.service import SageMakerService
from sageloop.waiting import until

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/hosting-test:1"
ROLE = "arn:aws:iam::123456789012:role/model"
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://data/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
}


class Events(Service):
    """An events service that records emitted events."""

    model = "events"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.emitted: list[tuple[str, dict[str, Any]]] = []

    def emit(self, source: str, detail_type: str, detail: dict[str, Any], **_: Any) -> None:
        if source == "aws.sagemaker":
            self.emitted.append((detail_type, json.loads(json.dumps(detail))))

    def statuses(self) -> list[str]:
        """The published statuses including the current one, whose event is sent after it is set."""
        return until("the event of the last status", self._published, seconds=180)

    def _published(self) -> list[str] | None:
        kind = "SageMaker Endpoint State Change"
        events = [d for t, d in self.emitted if t == kind]
        if not events:
            return None
        store = self.cloud.service("sagemaker").store
        document = store.find("endpoint", events[-1]["EndpointName"])
        present = None if document is None else upper_snake_case(document["EndpointStatus"])
        known = [d["EndpointStatus"] for d in events]
        return known if present in (None, known[-1]) else None


class Functions(Service):
    """A functions service for alarms that invoke no functions."""

    model = "lambda"


class Stage:
    """A cloud with a model, and short methods for tests of endpoints."""

    def __init__(self) -> None:
        self.cloud = Cloud(CloudConfig())
        self.events = Events(self.cloud)
        self.cloud.add(
            [
                SageMakerService(self.cloud), SageMakerRuntimeService(self.cloud),
                CloudWatchService(self.cloud), self.events, Functions(self.cloud),
            ]
        )  # fmt: skip
        self.cloud.start()
        self.sagemaker = self.cloud.client("sagemaker", principal=USER)
        self.runtime = self.cloud.client("sagemaker-runtime", principal=USER)
        self.cloudwatch = self.cloud.client("cloudwatch", principal=USER)
        self.s3 = self.cloud.client("s3", principal=USER)
        self.s3.create_bucket(Bucket="data")
        iam = self.cloud.client("iam", principal=USER)
        # moto's state is the process's: another stage may have made the role.
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            hosting_role(iam, "model")
        self.hosting = self.cloud.service("sagemaker").hosting
        self.name = "e"

    def begin(self, name: str) -> None:
        self.name = name
        self.events.emitted.clear()
        self.hosting.timing = Timing(startup_cap=120, flush=0.05, terminate=2)
        self.model("winter", GREETING="brr")
        self.config("one", "winter")

    def end(self) -> None:
        self.cloud.faults.clear()
        self.cloud.clock.set_rate(100_000)  # ends baking periods of a failed test
        store = self.cloud.service("sagemaker").store
        if self.wait_until_stable()["EndpointStatus"] != "Deleted":
            self.sagemaker.delete_endpoint(EndpointName=self.name)
            self.wait_until_stable()
        self.cloud.clock.set_rate(1)
        for family, member in (("endpoint-config", "EndpointConfigName"), ("model", "ModelName")):
            for document in store.list(family):
                store.delete(family, document[member])

    def model(self, name: str, **environment: str) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            member = tarfile.TarInfo("name.txt")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
        self.s3.put_object(Bucket="data", Key=f"{name}.tar.gz", Body=packed.getvalue())
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": IMAGE, "ModelDataUrl": f"s3://data/{name}.tar.gz",
                "Environment": environment,
            },
        )  # fmt: skip

    def config(self, name: str, model: str, count: int = 1, **more: Any) -> None:
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic", "ModelName": model, "InitialInstanceCount": count,
                    "InstanceType": "ml.m5.large",
                }
            ],
            **more,
        )  # fmt: skip

    def endpoint(self, config: str = "one", **more: Any) -> dict[str, Any]:
        self.sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=config, **more)
        return self.wait_until_stable()

    def wait_until_stable(self) -> dict[str, Any]:
        description: dict[str, Any] = self.hosting.wait_endpoint(self.name)
        return description

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        description: dict[str, Any] = self.hosting.wait_for(self.name, holds, 180)
        return description

    def invoke(self, body: str = "hello", **more: Any) -> str:
        response = self.runtime.invoke_endpoint(
            EndpointName=self.name, Body=body, ContentType="text/csv", **more
        )
        return str(response["Body"].read().decode())

    def total(self, metric: str, **dimensions: str) -> float:
        now = self.cloud.clock.now()
        named = {"EndpointName": self.name, "VariantName": "AllTraffic", **dimensions}
        points = self.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=metric, StartTime=now.replace(year=2020),
            EndTime=now.replace(year=now.year + 1), Period=86400 * 365, Statistics=["Sum"],
            Dimensions=[{"Name": k, "Value": v} for k, v in named.items()],
        )["Datapoints"]  # fmt: skip
        return float(sum(point["Sum"] for point in points))


_numbers = itertools.count(1)


@contextmanager
def served_image() -> Iterator[None]:
    """Register the test's serving program as :data:`IMAGE`."""
    program = [sys.executable, "-IS", str(Path(__file__).with_name("hosting_server.py"))]
    images.register(IMAGE, serving=program)
    try:
        yield
    finally:
        images.unregister(IMAGE)


@contextmanager
def open_stage() -> Iterator[Stage]:
    """A cloud for the tests of a module."""
    with served_image():
        stage = Stage()
        try:
            yield stage
        finally:
            stage.cloud.stop()


@contextmanager
def fresh(stage: Stage) -> Iterator[Stage]:
    """The stage with one model, one configuration and an unused endpoint name."""
    stage.begin(f"e{next(_numbers)}")
    yield stage
    stage.end()


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def opened() -> Iterator[Stage]:
    """The cloud of a test module."""
    with open_stage() as stage:
        yield stage


@pytest.fixture
def stage(opened: Stage) -> Iterator[Stage]:
    """The module's cloud with a model and an endpoint name for one test."""
    with fresh(opened) as stage:
        yield stage
