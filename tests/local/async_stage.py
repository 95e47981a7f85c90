"""Test harness for asynchronous endpoints: an endpoint with its topics, and short methods."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hosting_stage import Stage, fresh, open_stage
from roles import USER

from sageloop.local_cloud.events.sns_delivery import SnsDelivery


class AsyncStage:
    """A hosting stage with topics and the notifications that they received."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.cloud = stage.cloud
        SnsDelivery(stage.cloud).listen()
        self.sns = stage.cloud.client("sns", principal=USER)
        self.sqs = stage.cloud.client("sqs", principal=USER)
        self.topics = {name: self._topic(name) for name in ("success", "error")}

    def _topic(self, name: str) -> str:
        topic = str(self.sns.create_topic(Name=name)["TopicArn"])
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:123456789012:{name}"
        statement = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": arn,
        }  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
        )  # fmt: skip
        return topic

    def config(
        self, name: str = "async", count: int = 1, concurrency: int | None = 1,
        *, model: str = "winter", output: dict[str, Any] | None = None, **more: Any,
    ) -> str:  # fmt: skip
        notices = {"SuccessTopic": self.topics["success"], "ErrorTopic": self.topics["error"]}
        client = {} if concurrency is None else {
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": concurrency}
        }  # fmt: skip
        notifications = {
            "S3OutputPath": "s3://data/out/", "S3FailurePath": "s3://data/failed",
            "NotificationConfig": notices,
        } if output is None else output  # fmt: skip
        self.stage.config(
            name,
            model,
            count,
            AsyncInferenceConfig={"OutputConfig": notifications, **client},
            **more,
        )
        return name

    def endpoint(self, **config: Any) -> None:
        described = self.stage.endpoint(self.config(**config))
        assert described["EndpointStatus"] == "InService", described

    def invoke(self, body: str | None = "hello", **more: Any) -> dict[str, Any]:
        inline = {} if body is None else {"Body": body}
        parameters = {"ContentType": "text/csv", **inline, **more}
        response: dict[str, Any] = self.stage.runtime.invoke_endpoint_async(
            EndpointName=self.stage.name, **parameters
        )
        return response

    def settle(self) -> None:
        assert self.cloud.settle(180) == []

    def read(self, location: str) -> str:
        return str(self.get(location)["Body"].read().decode())

    def get(self, location: str) -> dict[str, Any]:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        response: dict[str, Any] = self.stage.s3.get_object(Bucket=bucket, Key=key)
        return response

    def notifications(self, topic: str) -> list[dict[str, Any]]:
        url = self.sqs.get_queue_url(QueueName=topic)["QueueUrl"]
        received = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        messages = received.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def scale(self, count: int) -> None:
        self.stage.hosting.set_instance_count(self.stage.name, "AllTraffic", count)
        assert (
            self.stage.wait_until_stable()["ProductionVariants"][0]["CurrentInstanceCount"] == count
        )

    def latest(self, metric: str) -> float | None:
        """The last value of a metric of the endpoint."""
        now = self.cloud.clock.now()
        result = self.stage.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=metric, Period=60, Statistics=["Maximum"],
            StartTime=now - timedelta(hours=12), EndTime=now + timedelta(minutes=2),
            Dimensions=[{"Name": "EndpointName", "Value": self.stage.name}],
        )["Datapoints"]  # fmt: skip
        return float(result[-1]["Maximum"]) if result else None

    def minute(self) -> None:
        self.cloud.clock.advance(60)
        self.settle()


@pytest.fixture(scope="module")
def opened() -> Iterator[AsyncStage]:
    with open_stage() as stage:
        yield AsyncStage(stage)


@pytest.fixture
def stage(opened: AsyncStage) -> Iterator[AsyncStage]:
    with fresh(opened.stage):
        yield opened
    for topic in opened.topics:
        opened.notifications(topic)
