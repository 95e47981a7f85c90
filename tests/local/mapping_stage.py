"""A cloud whose functions are fed by queues, and short ways to see what they got."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from cheroot.wsgi import Server

from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.events.service import EventsService
from sageloop.local_cloud.functions.service import LambdaService

ROLE = "arn:aws:iam::123456789012:role/mapped"
# How calls are recorded that a service makes as the role.
AS_ROLE = "arn:aws:sts::123456789012:assumed-role/mapped/service"
SQS = "arn:aws:sqs:us-east-1:123456789012:"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"
TRUST = json.dumps(
    {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole"}]}
)  # fmt: skip
# Tells the queue "seen" what it was given, then does as the environment and the bodies say.
SOURCE = """
import boto3, json, os
sqs = boto3.client("sqs")

def handler(event, context):
    url = sqs.get_queue_url(QueueName="seen")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
    records = event.get("Records", []) if isinstance(event, dict) else []
    bad = [r["messageId"] for r in records if "bad" in r["body"]]
    if os.environ.get("REPORT") == "yes":
        return {"batchItemFailures": [{"itemIdentifier": i} for i in bad]}
    if bad or (isinstance(event, dict) and event.get("fail")):
        raise RuntimeError("no luck")
    return {"got": len(records)}
"""


class Stage:
    """The clients, and the queues by name."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.lambdas = cloud.client("lambda", principal="tester")
        self.sqs = cloud.client("sqs", principal="tester")

    def queue(self, name: str, **attributes: str) -> str:
        """Make a queue; its ARN."""
        self.sqs.create_queue(QueueName=name, Attributes=attributes)
        return SQS + name

    def url(self, name: str) -> str:
        """A queue's URL."""
        return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def function(self, name: str, **members: Any) -> str:
        """Make a function of ``SOURCE``; its name."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("index.py", SOURCE)
        self.lambdas.create_function(
            FunctionName=name, Runtime="python3.13", Handler="index.handler", Role=ROLE,
            Code={"ZipFile": buffer.getvalue()}, Timeout=20, **members,
        )  # fmt: skip
        return name

    def map(self, queue: str = "work", function: str = "worker", **members: Any) -> str:
        """Map a queue to a function; the mapping's id."""
        answer = self.lambdas.create_event_source_mapping(
            EventSourceArn=SQS + queue, FunctionName=function, **members
        )
        return str(answer["UUID"])

    def send(self, *bodies: str, queue: str = "work", **more: Any) -> None:
        """Send messages one by one."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url(queue), MessageBody=body, **more)

    def rest(self) -> None:
        """Let all that is in flight happen, however long it waits."""
        self.cloud.clock.set_rate(2000)
        try:
            assert self.cloud.settle(180) == []
        finally:
            self.cloud.clock.set_rate(1)

    def at_rest_now(self) -> None:
        """Let all happen that does not wait for a moment to come."""
        assert self.cloud.activity.wait_idle(20, also=list) == []

    def advance(self, seconds: float) -> None:
        """Jump forward, and let what was due on the way happen."""
        self.cloud.clock.advance(seconds)
        assert self.cloud.settle(180) == []

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """What lies in a queue, taken out of it."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.url(queue), MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return found
            for message in answer["Messages"]:
                self.sqs.delete_message(
                    QueueUrl=self.url(queue), ReceiptHandle=message["ReceiptHandle"]
                )
            found += answer["Messages"]

    def seen(self) -> list[Any]:
        """The events that functions got."""
        return [json.loads(message["Body"]) for message in self.messages("seen")]

    def batches(self) -> list[list[str]]:
        """The bodies of each batch that functions got."""
        return [[r["body"] for r in event["Records"]] for event in self.seen()]

    def depth(self, queue: str) -> tuple[int, int]:
        """How many messages of a queue are to be had, and how many are in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=names)
        visible, hidden = (int(found["Attributes"][name]) for name in names)
        return visible, hidden


@pytest.fixture(scope="module")
def shared_cloud() -> Iterator[Cloud]:
    cloud = Cloud(CloudConfig())
    cloud.add([LambdaService(cloud), CloudWatchService(cloud), EventsService(cloud)])
    server = Server(("127.0.0.1", 0), cloud.front, numthreads=24)
    server.prepare()
    cloud.port = server.bind_addr[1]
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    cloud.start()
    cloud.client("iam", principal="tester").create_role(
        RoleName="mapped", AssumeRolePolicyDocument=TRUST
    )
    yield cloud
    cloud.stop()
    server.stop()
    thread.join(5)


@pytest.fixture
def stage(shared_cloud: Cloud) -> Iterator[Stage]:
    stage = Stage(shared_cloud)
    stage.queue("seen")
    yield stage
    for mapping in stage.lambdas.list_event_source_mappings()["EventSourceMappings"]:
        stage.lambdas.delete_event_source_mapping(UUID=mapping["UUID"])
    for function in stage.lambdas.list_functions()["Functions"]:
        stage.lambdas.delete_function(FunctionName=function["FunctionName"])
    for url in stage.sqs.list_queues().get("QueueUrls", []):
        stage.sqs.delete_queue(QueueUrl=url)
    shared_cloud.faults.clear()
