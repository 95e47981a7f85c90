"""SNS and S3 with a functions service that records what is delivered to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from events_stage import policy_for
from roles import USER

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, Service, operation
from sageloop.local_cloud.events.service import EventsService

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


class FakeLambda(Service):
    """Accepts invocations by services, or fails as configured."""

    model = "lambda"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.calls: list[tuple[str, str, Any, str]] = []
        self.failure: AwsError | None = None
        policy = policy_for("s3.amazonaws.com", "lambda:InvokeFunction")
        cloud.authorizer.resources.add("lambda", lambda _arn: policy)

    def invoke_for(self, principal: str, arn: str, payload: bytes, source_arn: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.calls.append((principal, arn, json.loads(payload), source_arn))

    @operation("GetFunctionConfiguration")
    def get_function_configuration(self, _call: Call) -> dict[str, Any]:
        return {"FunctionName": "f"}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud(CloudConfig())
    made.add([EventsService(made), FakeLambda(made)])
    made.start()
    yield made
    made.stop()


@pytest.fixture
def lambdas(cloud: Cloud) -> FakeLambda:
    service: FakeLambda = cloud.service("lambda")
    return service


@pytest.fixture
def sqs(cloud: Cloud) -> Any:
    return cloud.client("sqs", principal=USER)


@pytest.fixture
def sns(cloud: Cloud) -> Any:
    return cloud.client("sns", principal=USER)


@pytest.fixture
def s3(cloud: Cloud) -> Any:
    return cloud.client("s3", principal=USER)


@pytest.fixture
def topic(sns: Any) -> Iterator[str]:
    arn = sns.create_topic(Name="news")["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


def make_queue(sqs: Any, name: str, service: str | None) -> tuple[str, str]:
    attributes = {"Policy": policy_for(service, "sqs:SendMessage")} if service else {}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    return url, f"arn:aws:sqs:us-east-1:123456789012:{name}"


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"b-{abs(hash(request.node.name)):x}"[:60]
    s3.create_bucket(Bucket=name)
    yield name
    for one in s3.list_object_versions(Bucket=name).get("Versions", []):
        s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])


def configure(s3: Any, bucket: str, **configuration: Any) -> None:
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
