"""EventBridge through boto3: rules, targets, inputs, permissions, retries, dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from roles import USER

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Service
from sageloop.local_cloud.events.service import EventsService

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


class FakeLambda(Service):
    """Accepts invocations by services, or fails as configured."""

    model = "lambda"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.calls: list[tuple[str, str, Any, str]] = []
        self.attempts = 0
        self.failures: list[AwsError] = []

    def invoke_for(self, principal: str, arn: str, payload: bytes, source_arn: str) -> None:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        self.calls.append((principal, arn, json.loads(payload), source_arn))


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud(CloudConfig())
    made.add([EventsService(made), FakeLambda(made)])
    made.start()
    yield made
    made.stop()


@pytest.fixture
def events(cloud: Cloud) -> Any:
    return cloud.client("events", principal=USER)


@pytest.fixture
def lambdas(cloud: Cloud) -> FakeLambda:
    service: FakeLambda = cloud.service("lambda")
    return service


@pytest.fixture
def sqs(cloud: Cloud) -> Any:
    return cloud.client("sqs", principal=USER)


def policy_for(service: str, action: str, **condition: Any) -> str:
    statement = {
        "Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": "*",
    }  # fmt: skip
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def queue(sqs: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., tuple[str, str]]]:
    urls = []

    def make(name: str, service: str | None = "events.amazonaws.com", **attributes: str) -> Any:
        if service:
            attributes["Policy"] = policy_for(service, "sqs:SendMessage")
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        urls.append(url)
        return url, f"arn:aws:sqs:us-east-1:123456789012:{name}"

    yield make
    for url in urls:
        sqs.delete_queue(QueueUrl=url)


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


def put(events: Any, **members: Any) -> Any:
    entry = {"Source": "my.app", "DetailType": "Thing", "Detail": '{"n": 1}'} | members
    return events.put_events(Entries=[entry])


def rule_to(events: Any, arn: str, *, pattern: Any = None, **target: Any) -> str:
    text = json.dumps({"source": ["my.app"]} if pattern is None else pattern)
    made = events.put_rule(Name="r", EventPattern=text)["RuleArn"]
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": arn} | target])
    return str(made)
