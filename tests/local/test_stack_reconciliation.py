"""What people change in a deployed loop, through AWS's APIs, is repaired or reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from deployed import deploy_project

from sageloop.champions.endpoints import find_promotion
from sageloop.champions.status import Status, status_of
from sageloop.local_cloud.client import LocalCloud
from sageloop.waiting import until
from tests import forked

pytestmark = pytest.mark.slow

DENIED = {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Sid": "Refuse"}


class Changed:
    """The project's loop with its first champion, and a queue that receives its alerts."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.loop = deploy_project(cloud)
        self.sagemaker, self.sqs = cloud.client("sagemaker"), cloud.client("sqs")
        self.endpoint = self.loop.names.endpoint
        self.loop.deliver(date(2013, 1, 1), 14)
        first = until("the first endpoint", self.loop.watch.in_service, seconds=180)
        self.config = str(first["EndpointConfigName"])
        self.topic = self._topic()
        self.queue = self._subscribe()
        cloud.settle()

    def reconcile(self) -> None:
        """Invoke the reconciler as its schedule does, and wait for what follows."""
        self.cloud.settle()  # it has one execution at a time
        now = datetime.fromtimestamp(self.cloud.time(), UTC).isoformat()
        answer = self.cloud.client("lambda").invoke(
            FunctionName=self._function("Reconciles jobs"),
            Payload=json.dumps({"source": "aws.events", "time": now}),
        )
        assert "FunctionError" not in answer, answer["Payload"].read()
        self.cloud.settle()

    def serves(self, config: str) -> dict[str, Any] | None:
        """The endpoint, once it is in service with a configuration."""
        try:
            described = self.sagemaker.describe_endpoint(EndpointName=self.endpoint)
        except self.sagemaker.exceptions.ClientError:
            return None
        ready = described["EndpointStatus"] == "InService"
        return described if ready and described["EndpointConfigName"] == config else None

    def alerts(self) -> list[str]:
        """The alerts that arrived since the last call."""
        self.cloud.settle()
        texts = []
        while True:
            listed = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
            for message in listed.get("Messages", []):
                text = str(json.loads(message["Body"])["Message"])
                if not text.startswith("{"):  # not of an alarm
                    texts.append(text)
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            if not listed.get("Messages"):
                return texts

    def status(self) -> Status:
        client = self.cloud.client
        promotion = find_promotion(client("ssm"), self.endpoint)
        return status_of(client, promotion, now=self.cloud.time())

    def _function(self, description: str) -> str:
        pages = self.cloud.client("lambda").get_paginator("list_functions").paginate()
        functions = [item for page in pages for item in page["Functions"]]
        (name,) = [
            item["FunctionName"] for item in functions
            if item["Description"].startswith(description)
        ]  # fmt: skip
        return str(name)

    def _topic(self) -> str:
        name = self._function("Reconciles jobs")
        described = self.cloud.client("lambda").get_function_configuration(FunctionName=name)
        return str(described["Environment"]["Variables"]["ALERT_TOPIC_ARN"])

    def _subscribe(self) -> str:
        url = str(self.sqs.create_queue(QueueName="alerts")["QueueUrl"])
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        allowed = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
        }  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.cloud.client("sns").subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        return url


@pytest.fixture(scope="module")
def changed() -> Iterator[Changed]:
    with LocalCloud.start() as cloud:
        yield Changed(cloud)


@pytest.fixture(autouse=True)
def _without_alerts(changed: Changed) -> None:
    changed.alerts()


@pytest.mark.feature("reconciliation: an endpoint that was deleted manually")
def test_deleted_endpoint_is_created_again(changed: Changed) -> None:
    changed.sagemaker.delete_endpoint(EndpointName=changed.endpoint)
    changed.cloud.settle()
    changed.reconcile()
    until("the endpoint", lambda: changed.serves(changed.config), seconds=120)
    alerts = changed.alerts()
    assert [f"{changed.endpoint} was deleted." in text for text in alerts] == [True]
    targets = changed.cloud.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )
    assert changed.endpoint in targets["ScalableTargets"][0]["ResourceId"]


def test_configuration_of_a_person_is_replaced_by_the_champion(changed: Changed) -> None:
    described = changed.sagemaker.describe_endpoint_config(EndpointConfigName=changed.config)
    kept = {"ProductionVariants", "KmsKeyId", "DataCaptureConfig"}
    changed.sagemaker.create_endpoint_config(
        EndpointConfigName="manual", **{key: described[key] for key in kept & set(described)}
    )
    changed.sagemaker.update_endpoint(
        EndpointName=changed.endpoint, EndpointConfigName="manual"
    )  # fmt: skip
    changed.cloud.set_rate(120)  # the rollout waits between its steps
    changed.cloud.settle()
    changed.reconcile()
    until("the champion", lambda: changed.serves(changed.config), seconds=120)
    changed.cloud.settle()
    changed.cloud.set_rate(1)
    reported = changed.alerts()
    assert "serves configuration manual, which is not the champion's" in reported[0]


def test_deleted_alarm_is_reported_and_shown_by_the_status(changed: Changed) -> None:
    alarm = changed.loop.watch.alarm()["AlarmName"]
    changed.cloud.client("cloudwatch").delete_alarms(AlarmNames=[alarm])
    changed.reconcile()
    (text,) = changed.alerts()
    assert f"The alarm {alarm} is deleted" in text
    assert text in changed.status().problems
    changed.reconcile()
    assert changed.alerts() == []


def test_alert_that_sns_refuses_arrives_once_it_accepts_it(changed: Changed) -> None:
    sns = changed.cloud.client("sns")
    policy = sns.get_topic_attributes(TopicArn=changed.topic)["Attributes"]["Policy"]
    document = json.loads(policy)
    document["Statement"].append({**DENIED, "Resource": changed.topic})
    sns.set_topic_attributes(
        TopicArn=changed.topic, AttributeName="Policy", AttributeValue=json.dumps(document)
    )
    rule = _rule_of(changed)
    changed.cloud.client("events").disable_rule(Name=rule)
    changed.reconcile()
    assert changed.alerts() == []
    problems = changed.status().problems
    assert any("1 alerts about the comparison were not sent" in text for text in problems)
    sns.set_topic_attributes(
        TopicArn=changed.topic, AttributeName="Policy", AttributeValue=policy
    )  # fmt: skip
    changed.cloud.advance(seconds=120)
    changed.reconcile()
    (text,) = changed.alerts()
    assert f"event rule {rule} is disabled" in text


def _rule_of(changed: Changed) -> str:
    rules = changed.cloud.client("events").list_rules()["Rules"]
    return str(next(r["Name"] for r in rules if r.get("Description", "").startswith("A data set")))


def test_command_shows_the_same_and_ends_with_1(changed: Changed, tmp_path: Path) -> None:
    report = tmp_path / "status.json"
    ended = forked.run(
        "sageloop", "status", changed.endpoint, "--endpoint-url", changed.cloud.endpoint_url,
        "--json", str(report), cwd=tmp_path,
        env=changed.cloud.access.write(tmp_path / "access.json").environment(),
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout.startswith(f"{changed.endpoint}: live, package 1 (InService), retrained by")
    assert "  needs attention: The alarm " in ended.stdout
    assert "  next: A job starts when new data arrive or the alarm fires." in ended.stdout
    (shown,) = json.loads(report.read_text())["endpoints"]
    assert (shown["state"], shown["needs_attention"]) == ("live", True)
