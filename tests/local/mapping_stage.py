"""A cloud with queues mapped to functions, and helpers to inspect the events."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from cheroot.wsgi import Server
from roles import DESTINATIONS, QUEUE_READER, USER, function_role

from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.events.service import EventsService
from sageloop.local_cloud.functions.service import LambdaService

ROLE = "arn:aws:iam::123456789012:role/mapped"
# Prefix of recorded calls that a service makes with the role.
AS_ROLE = "arn:aws:sts::123456789012:assumed-role/mapped/service"
SQS = "arn:aws:sqs:us-east-1:123456789012:"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"
# Sends its event to the queue "received", then follows environment and message bodies.
SOURCE = """
import boto3, json, os
sqs = boto3.client("sqs")

def handler(event, context):
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/received"
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
    """Clients, and queues by name."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.lambdas = cloud.client("lambda", principal=USER)
        self.sqs = cloud.client("sqs", principal=USER)

    def queue(self, name: str, **attributes: str) -> str:
        """Create a queue; returns its ARN."""
        self.sqs.create_queue(QueueName=name, Attributes=attributes)
        return SQS + name

    def url(self, name: str) -> str:
        """A queue's URL."""
        return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def function(self, name: str, **members: Any) -> str:
        """Create a function of ``SOURCE``; returns its name."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("index.py", SOURCE)
        self.lambdas.create_function(
            FunctionName=name, Runtime="python3.13", Handler="index.handler", Role=ROLE,
            Code={"ZipFile": buffer.getvalue()}, Timeout=20, **members,
        )  # fmt: skip
        return name

    def map(self, queue: str = "work", function: str = "worker", **members: Any) -> str:
        """Map a queue to a function; returns the mapping's id."""
        answer = self.lambdas.create_event_source_mapping(
            EventSourceArn=SQS + queue, FunctionName=function, **members
        )
        return str(answer["UUID"])

    def send(self, *bodies: str, queue: str = "work", **more: Any) -> None:
        """Send messages one by one."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url(queue), MessageBody=body, **more)

    def run_all_work(self) -> None:
        """Let all work in flight happen, including work that waits."""
        self.cloud.clock.set_rate(2000)
        try:
            assert self.cloud.settle(180) == []
        finally:
            self.cloud.clock.set_rate(1)

    def run_due_work(self) -> None:
        """Let all work happen that is due now."""
        assert self.cloud.activity.wait_idle(20, also=list) == []

    def advance(self, seconds: float) -> None:
        """Advance the clock, and let due work happen."""
        self.cloud.clock.advance(seconds)
        assert self.cloud.settle(180) == []

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Receive and delete the messages of a queue."""
        actual: list[dict[str, Any]] = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.url(queue), MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return actual
            for message in answer["Messages"]:
                self.sqs.delete_message(
                    QueueUrl=self.url(queue), ReceiptHandle=message["ReceiptHandle"]
                )
            actual += answer["Messages"]

    def received_events(self) -> list[Any]:
        """The events of all invocations."""
        return [json.loads(message["Body"]) for message in self.messages("received")]

    def batches(self) -> list[list[str]]:
        """The message bodies of each batch."""
        return [[r["body"] for r in event["Records"]] for event in self.received_events()]

    def depth(self, queue: str) -> tuple[int, int]:
        """Numbers of visible messages and of messages in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        actual = self.sqs.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=names)
        visible, hidden = (int(actual["Attributes"][name]) for name in names)
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
    iam = cloud.client("iam", principal=USER)
    function_role(iam, "mapped", *QUEUE_READER, *DESTINATIONS)
    yield cloud
    cloud.stop()
    server.stop()
    thread.join(5)


@pytest.fixture
def stage(shared_cloud: Cloud) -> Iterator[Stage]:
    stage = Stage(shared_cloud)
    stage.queue("received")
    yield stage
    for mapping in stage.lambdas.list_event_source_mappings()["EventSourceMappings"]:
        stage.lambdas.delete_event_source_mapping(UUID=mapping["UUID"])
    for function in stage.lambdas.list_functions()["Functions"]:
        stage.lambdas.delete_function(FunctionName=function["FunctionName"])
    for url in stage.sqs.list_queues().get("QueueUrls", []):
        stage.sqs.delete_queue(QueueUrl=url)
    shared_cloud.faults.clear()
