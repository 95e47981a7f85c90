"""Test harness for processing and transform jobs: a cloud, its clients and short methods."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.sagemaker.service import SageMakerService
from tests.local.roles import USER, job_role
from tests.local.training_stage import Events

BUCKET = "job-tests"
ROLE = "arn:aws:iam::123456789012:role/job-tests"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
_numbers = itertools.count(1)


class Stage:
    """A cloud with its clients and a bucket."""

    def __init__(self) -> None:
        self.cloud = Cloud(CloudConfig(allow=frozenset({"image:elsewhere/image:1"})))
        self.events = Events(self.cloud)
        self.cloud.add([SageMakerService(self.cloud), self.events])
        self.cloud.start()
        clients = {n: self.cloud.client(n, principal=USER) for n in ("s3", "iam", "logs")}
        self.s3, self.iam, self.logs = clients["s3"], clients["iam"], clients["logs"]
        self.sagemaker = self.cloud.client("sagemaker", principal=USER)
        job_role(self.iam, "job-tests")
        self.s3.create_bucket(Bucket=BUCKET)

    def name(self) -> str:
        """An unused job name."""
        return f"job-{next(_numbers)}"

    def put(self, key: str, body: bytes | str) -> str:
        """Write an object; return its URI."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def under(self, prefix: str) -> dict[str, bytes]:
        """The objects under a prefix, by the rest of their key."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {
            item["Key"][len(prefix) :]: self.s3.get_object(Bucket=BUCKET, Key=item["Key"])[
                "Body"
            ].read()
            for item in listed
        }

    def lines(self, group: str, stream: str) -> list[str]:
        """The log lines of all streams with a prefix."""
        streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream)
        return [
            event["message"]
            for entry in streams["logStreams"]
            for event in self.logs.get_log_events(
                logGroupName=group, logStreamName=entry["logStreamName"], startFromHead=True
            )["events"]
        ]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    harness = Stage()
    yield harness
    harness.cloud.stop()


@pytest.fixture(autouse=True)
def no_faults(stage: Stage) -> Iterator[None]:
    yield
    stage.cloud.faults.clear()
    stage.events.sent.clear()


def refusal(call: Any, request: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def statuses(stage: Stage, noun: str) -> list[str]:
    """The statuses of one kind of job, from its events."""
    kind = f"SageMaker {noun} Job State Change"
    return [d[f"{noun}JobStatus"] for t, d, _ in stage.events.sent if t == kind]
