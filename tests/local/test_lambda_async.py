"""Asynchronous invocation: retries, dead letters, and permissions of services."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cheroot.wsgi import Server
from roles import DESTINATIONS, USER, function_role

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.functions.service import LambdaService

RULE = "arn:aws:events:us-east-1:123456789012:rule/nightly"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
# Writes each event to SQS, then does what the event requests.
SOURCE = """
import boto3, json
sqs = boto3.client("sqs")
def handler(event, context):
    url = sqs.get_queue_url(QueueName="received")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=context.aws_request_id)
    if event.get("fail"):
        raise RuntimeError(event["fail"])
    return "done"
"""


@pytest.fixture(scope="module")
def shared_cloud() -> Iterator[Cloud]:
    cloud = Cloud(CloudConfig())
    cloud.add([LambdaService(cloud)])
    server = Server(("127.0.0.1", 0), cloud.front, numthreads=16)
    server.prepare()
    cloud.port = server.bind_addr[1]
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    cloud.start()
    iam = cloud.client("iam", principal=USER)
    function_role(iam, "async-runner", "sqs:GetQueueUrl", *DESTINATIONS)
    yield cloud
    cloud.stop()
    server.stop()
    thread.join(5)


@pytest.fixture
def client(shared_cloud: Cloud) -> Any:
    return shared_cloud.client("lambda", principal=USER)


@pytest.fixture
def cloud(shared_cloud: Cloud, client: Any) -> Iterator[Cloud]:
    sqs = shared_cloud.client("sqs", principal=USER)
    queues = [sqs.create_queue(QueueName=n)["QueueUrl"] for n in ("received", "dead", "records")]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", SOURCE)
    client.create_function(
        FunctionName="worker", Runtime="python3.13", Handler="index.handler",
        Role="arn:aws:iam::123456789012:role/async-runner", Code={"ZipFile": buffer.getvalue()},
        Timeout=20, DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:123456789012:dead"},
    )  # fmt: skip
    yield shared_cloud
    client.delete_function(FunctionName="worker")
    for url in queues:
        sqs.delete_queue(QueueUrl=url)
    shared_cloud.faults.clear()


def messages(cloud: Cloud, queue: str) -> list[dict[str, Any]]:
    sqs = cloud.client("sqs", principal=USER)
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    actual = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
    )
    return actual.get("Messages", [])  # type: ignore[no-any-return]


def send(client: Any, event: dict[str, Any]) -> None:
    answer = client.invoke(FunctionName="worker", InvocationType="Event", Payload=json.dumps(event))
    assert answer["StatusCode"] == 202


def run_pending_work(cloud: Cloud) -> None:
    """Let all pending work happen, a virtual hour in two seconds."""
    cloud.clock.set_rate(2000)
    assert cloud.settle() == []
    cloud.clock.set_rate(1)


def wait_for_work(cloud: Cloud) -> bool:
    return cloud.activity.wait_idle(30, also=list) == []


def test_event_runs_in_the_background(cloud: Cloud, client: Any) -> None:
    send(client, {})
    assert cloud.settle() == []
    assert len(messages(cloud, "received")) == 1


def test_failing_event_is_tried_three_times_then_discarded(cloud: Cloud, client: Any) -> None:
    discarded: list[tuple[str, bytes, str]] = []
    cloud.service("lambda").on_async_failure(lambda *what: discarded.append(what))
    send(client, {"fail": "no luck"})
    run_pending_work(cloud)
    request_ids = messages(cloud, "received")
    assert len(request_ids) == 3
    assert len({m["Body"] for m in request_ids}) == 1
    (letter,) = messages(cloud, "dead")
    assert json.loads(letter["Body"]) == {"fail": "no luck"}
    error_text = {k: v["StringValue"] for k, v in letter["MessageAttributes"].items()}
    assert error_text == {
        "RequestID": request_ids[0]["Body"], "ErrorCode": "200", "ErrorMessage": "no luck",
    }  # fmt: skip
    assert discarded == [(f"{ARN}worker", b'{"fail": "no luck"}', "RuntimeError: no luck")]


def test_retries_wait_in_virtual_time(cloud: Cloud, client: Any) -> None:
    send(client, {"fail": "x"})
    assert wait_for_work(cloud)
    assert cloud.clock.held() == ["retry of lambda:worker"]
    cloud.clock.advance(50)
    assert wait_for_work(cloud)
    assert len(messages(cloud, "received")) == 1
    run_pending_work(cloud)


def test_retry_is_kept_when_the_clock_advances(cloud: Cloud, client: Any) -> None:
    send(client, {"fail": "x"})
    assert wait_for_work(cloud)
    cloud.clock.advance(3 * 86_400)
    run_pending_work(cloud)
    assert len(messages(cloud, "received")) == 3


def test_throttled_event_is_retried(cloud: Cloud, client: Any) -> None:
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=1)
    for _ in range(4):
        send(client, {})
    run_pending_work(cloud)
    assert len(messages(cloud, "received")) == 4
    assert messages(cloud, "dead") == []


def test_event_without_retries_is_sent_to_the_destination(cloud: Cloud, client: Any) -> None:
    client.put_function_event_invoke_config(
        FunctionName="worker", MaximumRetryAttempts=0,
        DestinationConfig={
            "OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:records"}
        },
    )  # fmt: skip
    send(client, {"fail": "y"})
    run_pending_work(cloud)
    (message,) = messages(cloud, "records")
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["requestPayload"] == {"fail": "y"}
    assert record["responsePayload"]["errorMessage"] == "y"


def test_event_at_zero_concurrency_is_sent_to_the_dead_letter_queue(
    cloud: Cloud, client: Any
) -> None:
    client.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=0)
    send(client, {"n": 1})
    assert cloud.settle() == []
    (letter,) = messages(cloud, "dead")
    assert letter["MessageAttributes"]["ErrorMessage"]["StringValue"] == "ZeroReservedConcurrency"
    assert messages(cloud, "received") == []


def test_event_of_a_killed_worker_is_retried(cloud: Cloud, client: Any) -> None:
    cloud.faults.inject(kind="process", match="lambda:worker:answered")
    send(client, {})
    run_pending_work(cloud)
    assert len(messages(cloud, "received")) == 2
    assert messages(cloud, "dead") == []


def allow(client: Any, **members: str) -> None:
    client.add_permission(
        FunctionName="worker", StatementId=members.pop("sid", "s"),
        Action="lambda:InvokeFunction", **members,
    )  # fmt: skip


def test_service_requires_a_policy_statement(cloud: Cloud, client: Any) -> None:
    with pytest.raises(AwsError, match="no resource-based policy") as error:
        cloud.service("lambda").invoke_for("events.amazonaws.com", f"{ARN}worker", b"{}", RULE)
    assert error.value.code == "AccessDeniedException"
    recorded = cloud.recorder.calls(action="lambda:Invoke")[-1]
    assert (recorded.principal, recorded.outcome) == (
        "events.amazonaws.com", "AccessDeniedException",
    )  # fmt: skip


def test_service_with_the_right_source_is_allowed(cloud: Cloud, client: Any) -> None:
    allow(client, Principal="events.amazonaws.com", SourceArn=f"{RULE[:-3]}*",
          SourceAccount="123456789012")  # fmt: skip
    cloud.service("lambda").invoke_for("events.amazonaws.com", f"{ARN}worker", b"{}", RULE)
    assert cloud.settle() == []
    assert len(messages(cloud, "received")) == 1
    for service, source in (("events.amazonaws.com", RULE.replace("nightly", "x")),
                            ("sns.amazonaws.com", RULE)):  # fmt: skip
        with pytest.raises(AwsError, match="AccessDenied"):
            cloud.service("lambda").invoke_for(service, f"{ARN}worker", b"{}", source)


def test_service_by_invoke_has_no_source(cloud: Cloud, client: Any) -> None:
    events = cloud.client("lambda", principal="events.amazonaws.com")
    allow(client, Principal="events.amazonaws.com", SourceArn=RULE)
    with pytest.raises(ClientError, match="AccessDenied"):
        events.invoke(FunctionName="worker")
    allow(client, Principal="events.amazonaws.com", sid="open")
    assert json.load(events.invoke(FunctionName="worker")["Payload"]) == "done"


def test_permission_of_an_alias_is_separate(cloud: Cloud, client: Any) -> None:
    client.publish_version(FunctionName="worker")
    client.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    allow(client, Principal="events.amazonaws.com", Qualifier="live")
    cloud.service("lambda").invoke_for("events.amazonaws.com", f"{ARN}worker:live", b"{}", RULE)
    with pytest.raises(AwsError, match="AccessDenied"):
        cloud.service("lambda").invoke_for("events.amazonaws.com", f"{ARN}worker", b"{}", RULE)
    assert cloud.settle() == []


def test_policy_is_read_and_statements_removed(cloud: Cloud, client: Any) -> None:
    allow(client, Principal="s3.amazonaws.com", SourceAccount="123456789012")
    policy = json.loads(client.get_policy(FunctionName="worker")["Policy"])
    assert policy["Statement"][0]["Principal"] == {"Service": "s3.amazonaws.com"}
    client.remove_permission(FunctionName="worker", StatementId="s")
    with pytest.raises(ClientError) as error:
        client.get_policy(FunctionName="worker")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
