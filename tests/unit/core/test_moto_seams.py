"""The uses of moto's internals in decision 14, checked against the installed moto.

A failure means that moto has changed at a seam: read its row in ``docs/adr/0014-moto-seams.md``
before the pin is changed.
"""

from __future__ import annotations

import ast
import gc
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto.core.model import OperationModel
from moto.core.request import Request
from moto.iam.models import IAMBackend, iam_backends
from moto.logs import models as logs
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3 import models as s3
from moto.s3 import notifications
from moto.sns.models import Subscription, Topic
from moto.sqs import models as sqs

from sageloop.local_cloud.core import moto_bodies, moto_queues, moto_sqs, wire
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig

ROOT = Path(__file__).resolve().parents[3]
CORE = ROOT / "sageloop" / "local_cloud" / "core"
ADR = ROOT / "docs" / "adr" / "0014-moto-seams.md"
SPOOL = 8 << 20


def changed(seam: str, expected: str) -> str:
    """The message for a changed seam."""
    return f"moto has changed at seam {seam} (docs/adr/0014-moto-seams.md): expected {expected}"


def parameters(of: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(of).parameters)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    made = Cloud(CloudConfig())
    yield made
    made.stop()


def test_protocols_are_selected_parsed_and_serialized() -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    made = Request.from_primitives(
        "POST", "http://127.0.0.1/", headers, b"Action=GetCallerIdentity&Version=2011-06-15"
    )

    value = wire.find_operation("sts", made)

    assert (value.name, value.protocol) == ("GetCallerIdentity", "query"), changed("M1", "routing")
    assert wire.parse(value, made) == {}, changed("M1", "a parser of the query protocol")
    assert b"<Arn>arn:me</Arn>" in wire.answer(value, {"Arn": "arn:me"}).body, changed("M1", "XML")
    assert hasattr(OperationModel, "request_compression"), changed("M1", "request_compression")


def test_application_is_selected_by_the_request() -> None:
    application = DomainDispatcherApplication(create_backend_app)
    scope = "Credential=warm/20260101/us-east-1/sts/aws4_request"
    environ = {
        "PATH_INFO": "/", "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host",
    }  # fmt: skip

    made = application.get_application(environ)
    assert callable(made), changed("M2", "a WSGI application")
    parses = hasattr(made.request_class, "want_form_data_parsed")
    assert parses, changed("M2", "request_class, of werkzeug")


def test_missing_operation_of_moto_is_not_retried(cloud: Cloud) -> None:
    client = cloud.client("iam", principal="tester")

    with pytest.raises(client.exceptions.ClientError) as refused:
        client.get_context_keys_for_custom_policy(PolicyInputList=["{}"])

    status = refused.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert status == 501, changed("M3", "a NotImplementedError that is not caught")


@pytest.mark.parametrize(
    ("seam", "backends"),
    [("M4", logs.logs_backends), ("M5", sqs.sqs_backends), ("M8", iam_backends)],
)
def test_backend_class_can_be_replaced(seam: str, backends: Any) -> None:
    assert inspect.isclass(backends.backend), changed(seam, "BackendDict.backend, a class")


def test_log_events_of_any_date_are_stored(cloud: Cloud) -> None:
    client = cloud.client("logs", principal="tester")
    client.create_log_group(logGroupName="g")
    client.create_log_stream(logGroupName="g", logStreamName="s")
    event = {"timestamp": 4_000_000_000_000, "message": "from afar"}

    answer = client.put_log_events(logGroupName="g", logStreamName="s", logEvents=[event])

    assert "rejectedLogEventsInfo" not in answer, changed("M4", "LogsBackend.put_log_events")
    value = client.get_log_events(logGroupName="g", logStreamName="s")["events"]
    assert [e["message"] for e in value] == ["from afar"], changed("M4", "LogGroup.put_log_events")


def test_queues_read_the_time_from_one_function() -> None:
    names = {"unix_time", "unix_time_millis"}

    assert names <= set(vars(sqs)), changed("M5", "names of moto.sqs.models")
    used = sqs.Message.mark_received.__code__.co_names, sqs.Message.delay.__code__.co_names
    assert all("unix_time_millis" in each for each in used), changed(
        "M5", "messages that call them"
    )


def test_hidden_messages_and_dead_letters_of_a_queue_can_be_read(cloud: Cloud) -> None:
    client = cloud.client("sqs", principal="tester")
    url = client.create_queue(QueueName="seam", Attributes={"VisibilityTimeout": "7"})["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="m", DelaySeconds=60)
    arn = "arn:aws:sqs:us-east-1:123456789012:seam"

    hidden = moto_sqs.next_to_appear(arn, cloud.clock.time())

    assert hidden is not None, changed("M5", "Queue._messages, and when each is visible")
    assert hidden.delayed, changed("M5", "Message.approximate_receive_count")
    assert moto_sqs.visibility_of(arn) == 7.0, changed("M5", "Queue.visibility_timeout")
    assert moto_sqs.dead_letters_of(arn) is None, changed("M5", "Queue.redrive_policy")
    assert sqs.sqs_backends.backend is moto_queues.VirtualTimeQueues


def test_bucket_policy_is_evaluated_by_one_replaceable_method(cloud: Cloud) -> None:
    del cloud
    assert parameters(s3.FakeBucket.get_permission) == ["self", "action", "resource"], changed(
        "M6", "FakeBucket.get_permission(action, resource)"
    )
    names = s3.S3Backend.create_bucket.__code__.co_names
    assert "FakeBucket" in names, changed(
        "M6", "create_bucket that refers to FakeBucket by its name"
    )


@pytest.mark.parametrize("size", [10, SPOOL + 1])
def test_object_body_can_be_read_in_parts(cloud: Cloud, size: int) -> None:
    client = cloud.client("s3", principal="tester")
    client.create_bucket(Bucket=f"bodies-{size}")
    client.put_object(Bucket=f"bodies-{size}", Key="k", Body=b"x" * size)

    body = moto_bodies.find(cloud.account_id, f"bodies-{size}", "k")

    assert body is not None, changed("M7", "FakeKey._value_buffer")
    assert sum(map(len, body.pieces())) == size, changed("M7", "a spooled file with _rolled")


def test_managed_policies_are_loaded_by_one_method() -> None:
    assert parameters(IAMBackend._init_aws_policies) == ["self"], changed(
        "M8", "_init_aws_policies"
    )


def test_bucket_keeps_its_notification_configuration() -> None:
    bucket = s3.FakeBucket("b", "123456789012", "us-east-1")
    rule = {"Name": "prefix", "Value": "in/"}
    bucket.set_notification_configuration(
        {"QueueConfiguration": [
            {"Id": "i", "Queue": "arn:aws:sqs:us-east-1:123456789012:q",
             "Event": ["s3:ObjectCreated:*"], "Filter": {"S3Key": {"FilterRule": [rule]}}},
        ], "EventBridgeConfiguration": {}}
    )  # fmt: skip

    kept = bucket.notification_configuration
    assert kept is not None, changed("M9", "the configuration of a bucket")
    assert (kept.topic, kept.cloud_function, kept.event_bridge) == ([], [], {})
    (queue,) = kept.queue
    assert (queue.id, queue.filters) == ("i", {"S3Key": {"FilterRule": [rule]}}), changed(
        "M9", "a notification with its filters"
    )


def test_bucket_events_are_sent_by_replaceable_functions() -> None:
    sent = parameters(notifications.send_event)
    deleted = getattr(s3.S3Backend.delete_object, "__wrapped__", s3.S3Backend.delete_object)

    assert len(sent) == 4, changed("M9", "send_event(account, event, bucket, key)")
    assert parameters(deleted)[:4] == ["self", "bucket_name", "key_name", "version_id"], changed(
        "M9", "delete_object(bucket, key, version)"
    )


def test_published_message_is_passed_to_the_delivery_function(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sageloop.local_cloud.core import moto_sns

    monkeypatch.setattr(Subscription, "publish", Subscription.publish)
    monkeypatch.setattr(Topic, "publish", Topic.publish)
    passed: list[SimpleNamespace] = []
    published: list[tuple[str, ...]] = []

    def deliver(one: Any, message: str, _id: str, **rest: Any) -> None:
        passed.append(SimpleNamespace(subscription=one, message=message, rest=sorted(rest)))

    moto_sns.deliver_by(deliver, lambda *members: published.append(members))
    client = cloud.client("sns", principal="tester")
    topic = client.create_topic(Name="t")["TopicArn"]
    client.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:1:q")

    made = client.publish(TopicArn=topic, Message="hello", Subject="s")["MessageId"]

    assert published == [(topic, made, "hello", "s")], changed("M10", "Topic.publish")
    assert [one.message for one in passed] == ["hello"], changed("M10", "Subscription.publish")
    assert passed[0].rest == [
        "deduplication_id", "group_id", "message_attributes", "message_structure", "subject",
    ], changed("M10", "the members of a published message")  # fmt: skip
    kept = {"attributes", "protocol", "endpoint", "arn", "topic_arn", "_parse_message_structure"}
    attributes = {name for name in kept if hasattr(passed[0].subscription, name)}
    assert attributes == kept, changed("M10", "the members of a subscription")


def test_deleted_and_replaced_objects_are_not_kept(cloud: Cloud) -> None:
    client = cloud.client("s3", principal="tester")
    client.create_bucket(Bucket="kept")
    for number in range(5):
        client.put_object(Bucket="kept", Key="untracked", Body=b"%d" % number)
        client.list_object_versions(Bucket="kept")
    client.put_object(Bucket="kept", Key="untracked-and-deleted", Body=b"1")
    client.delete_object(Bucket="kept", Key="untracked-and-deleted")
    gc.collect()

    keys = [each.name for each in gc.get_objects() if isinstance(each, s3.FakeKey)]
    assert [name for name in keys if name.startswith("untracked")] == ["untracked"], changed(
        "M13", "BaseModel.__new__"
    )


def test_decision_14_lists_every_module_that_imports_moto() -> None:
    touching = {
        path.name
        for path in CORE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "moto"
    }

    assert touching == set(re.findall(r"`core/([a-z0-9_]+\.py)`", ADR.read_text()))
