"""Test harness for batch transform: models and transform jobs."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sageloop.local_cloud import images
from sageloop.local_cloud.sagemaker.hosting.timing import Timing
from tests.local.job_stage import BUCKET, ROLE, Stage

IMAGE = "own/batch:1"
LOG_GROUP = "/aws/sagemaker/TransformJobs"


class Batch:
    """The job stage, and the file to which the test's container writes its requests."""

    def __init__(self, stage: Stage, requests: Path) -> None:
        self.stage = stage
        self._requests_file = requests

    def requests(self) -> list[dict[str, Any]]:
        """All requests that the container received."""
        if not self._requests_file.exists():
            return []
        return [json.loads(line) for line in self._requests_file.read_text().splitlines()]

    def model(self, **environment: str) -> str:
        """A model with the test's container."""
        name = f"model-{self.stage.name()}"
        self.stage.sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": IMAGE,
                "Environment": {"REQUESTS_FILE": str(self._requests_file), **environment},
            },
        )  # fmt: skip
        return name

    def request(
        self, model: str, objects: dict[str, bytes | str], **members: Any
    ) -> dict[str, Any]:
        """A job on objects that are put under an unused prefix."""
        name = self.stage.name()
        for key, body in objects.items():
            self.stage.put(f"{name}/in/{key}", body)
        taken = {"ContentType": "text/csv", "SplitType": "Line"} | members.pop("Input", {})
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/in/"}
        source |= members.pop("Source", {})
        output = {"S3OutputPath": f"s3://{BUCKET}/{name}/out"} | members.pop("Output", {})
        return {
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": {"DataSource": {"S3DataSource": source}, **taken},
            "TransformOutput": output,
            "TransformResources": {
                "InstanceType": "ml.m5.large", "InstanceCount": members.pop("InstanceCount", 1),
            },
        } | members  # fmt: skip

    def run(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Run a job to its end; return its description."""
        self.stage.sagemaker.create_transform_job(**spec)
        assert self.stage.cloud.settle(180) == []
        return self.describe(spec)

    def describe(self, spec: dict[str, Any]) -> dict[str, Any]:
        name = spec["TransformJobName"]
        return dict(self.stage.sagemaker.describe_transform_job(TransformJobName=name))

    def output(self, spec: dict[str, Any]) -> dict[str, bytes]:
        """The output objects of a job, by the rest of their keys."""
        return self.stage.under(f"{spec['TransformJobName']}/out/")

    def log(self, spec: dict[str, Any]) -> list[str]:
        """All log lines of a job."""
        return self.stage.lines(LOG_GROUP, f"{spec['TransformJobName']}/")


def packed(files: dict[str, bytes]) -> bytes:
    """A tar.gz archive of files."""
    spec = io.BytesIO()
    with tarfile.open(fileobj=spec, mode="w:gz") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return spec.getvalue()


@pytest.fixture
def batch(stage: Stage, tmp_path: Path) -> Iterator[Batch]:
    program = [sys.executable, "-IS", str(Path(__file__).with_name("batch_server.py"))]
    images.register(IMAGE, serving=program)
    stage.cloud.service("sagemaker").hosting.timing = Timing(startup_cap=120, terminate=2)
    yield Batch(stage, tmp_path / "requests")
    images.unregister(IMAGE)
