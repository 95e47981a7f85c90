"""SNS to functions and queues, and S3's event notifications, through boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from delivery_stage import (  # noqa: F401 - fixtures are found by name
    FUNCTION,
    bucket,
    cloud,
    configure,
    lambdas,
    make_queue,
    received,
    s3,
    sns,
    sqs,
    topic,
)
from roles import USER

from sageloop.local_cloud.core.cloud import Cloud
from sageloop.local_cloud.core.errors import AwsError


def test_function_receives_a_notification(cloud: Cloud, sns: Any, topic: str, lambdas: Any) -> None:
    arn = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION)["SubscriptionArn"]

    attributes = {"k": {"DataType": "String", "StringValue": "v"}}
    answer = sns.publish(TopicArn=topic, Message="hello", Subject="S", MessageAttributes=attributes)
    assert cloud.settle() == []

    ((principal, _, event, source),) = lambdas.calls
    assert (principal, source) == ("sns.amazonaws.com", topic)
    (record,) = event["Records"]
    assert record["EventSource"] == "aws:sns"
    assert record["EventSubscriptionArn"] == arn
    assert record["Sns"]["MessageId"] == answer["MessageId"]
    assert record["Sns"]["Message"] == "hello"
    assert record["Sns"]["Subject"] == "S"
    assert record["Sns"]["TopicArn"] == topic
    assert record["Sns"]["MessageAttributes"] == {"k": {"Type": "String", "Value": "v"}}


def test_batch_is_delivered(cloud: Cloud, sns: Any, topic: str, lambdas: Any) -> None:
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION)
    entries = [{"Id": str(n), "Message": f"m{n}"} for n in range(3)]
    sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    cloud.settle()

    assert sorted(e["Records"][0]["Sns"]["Message"] for _, _, e, _ in lambdas.calls) == [
        "m0", "m1", "m2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "message", "attribute", "count"),
    [
        ("MessageAttributes", "x", "amber", 1),
        ("MessageAttributes", "x", "blue", 0),
        ("MessageBody", '{"colour": "amber"}', "blue", 1),
        ("MessageBody", '{"colour": "blue"}', "amber", 0),
        ("MessageBody", "no json", "amber", 0),
    ],
)
def test_filter_policy_selects_messages(
    cloud: Cloud, sns: Any, topic: str, lambdas: Any, *,
    scope: str, message: str, attribute: str, count: int,
) -> None:  # fmt: skip
    sns.subscribe(
        TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION,
        Attributes={"FilterPolicy": '{"colour": ["amber"]}', "FilterPolicyScope": scope},
    )  # fmt: skip
    attributes = {"colour": {"DataType": "String", "StringValue": attribute}}
    sns.publish(TopicArn=topic, Message=message, MessageAttributes=attributes)
    cloud.settle()

    assert len(lambdas.calls) == count


def test_refused_notification_is_sent_to_the_redrive_queue(
    cloud: Cloud, sns: Any, sqs: Any, topic: str, lambdas: Any
) -> None:
    url, arn = make_queue(sqs, "redrive", "sns.amazonaws.com")
    sns.subscribe(
        TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION,
        Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn})},
    )  # fmt: skip
    lambdas.failure = AwsError("AccessDeniedException", "no", 403)
    sns.publish(TopicArn=topic, Message="hello")
    assert cloud.settle() == []

    (letter,) = received(sqs, url)
    assert json.loads(letter["Body"])["Message"] == "hello"
    assert letter["MessageAttributes"]["ErrorCode"]["StringValue"] == "AccessDeniedException"


@pytest.mark.parametrize("admitted", [True, False])
def test_queue_policy_must_allow_the_topic(
    cloud: Cloud, sns: Any, sqs: Any, topic: str, admitted: bool
) -> None:
    url, arn = make_queue(sqs, f"inbox-{admitted}", "sns.amazonaws.com" if admitted else None)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="hello")
    cloud.settle()

    bodies = [json.loads(m["Body"]) for m in received(sqs, url)]
    assert [body["Message"] for body in bodies] == (["hello"] if admitted else [])


def test_raw_delivery_keeps_attributes(cloud: Cloud, sns: Any, sqs: Any, topic: str) -> None:
    url, arn = make_queue(sqs, "raw", "sns.amazonaws.com")
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
    attributes = {"n": {"DataType": "Number", "StringValue": "3"}}
    sns.publish(TopicArn=topic, Message="hello", MessageAttributes=attributes)
    cloud.settle()

    (message,) = received(sqs, url)
    assert message["Body"] == "hello"
    assert message["MessageAttributes"]["n"]["StringValue"] == "3"


def listening_rule(cloud: Cloud, pattern: dict[str, Any]) -> None:
    events = cloud.client("events", principal=USER)
    events.put_rule(Name="s3", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="s3", Targets=[{"Id": "t", "Arn": FUNCTION}])


def test_new_objects_emit_events(cloud: Cloud, s3: Any, bucket: str, lambdas: Any) -> None:
    listening_rule(
        cloud, {"source": ["aws.s3"], "detail": {"object": {"key": [{"suffix": ".json"}]}}}
    )
    configure(s3, bucket, EventBridgeConfiguration={})

    s3.put_object(Bucket=bucket, Key="a b/m.json", Body=b"12345")
    s3.put_object(Bucket=bucket, Key="other.txt", Body=b"1")
    s3.copy_object(Bucket=bucket, Key="copy.json", CopySource=f"{bucket}/other.txt")
    assert cloud.settle() == []

    actual = {e["detail"]["reason"]: e for _, _, e, _ in lambdas.calls}
    assert actual.keys() == {"PutObject", "CopyObject"}
    event = actual["PutObject"]
    assert event["detail-type"] == "Object Created"
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert event["detail"]["bucket"] == {"name": bucket}
    assert event["detail"]["object"]["key"] == "a b/m.json"
    assert event["detail"]["object"]["size"] == 5
    assert "version-id" not in event["detail"]["object"]


def test_multipart_upload_emits_one_event(cloud: Cloud, s3: Any, bucket: str, lambdas: Any) -> None:
    listening_rule(cloud, {"source": ["aws.s3"]})
    configure(s3, bucket, EventBridgeConfiguration={})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=1, Body=b"x" * 9)
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=upload, MultipartUpload=parts)
    cloud.settle()

    ((_, _, event, _),) = lambdas.calls
    assert event["detail"]["reason"] == "CompleteMultipartUpload"
    assert event["detail"]["object"]["size"] == 9


def test_deletions_emit_events(cloud: Cloud, s3: Any, bucket: str, lambdas: Any) -> None:
    listening_rule(cloud, {"source": ["aws.s3"], "detail-type": ["Object Deleted"]})
    configure(s3, bucket, EventBridgeConfiguration={})
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}], "Quiet": True})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_object(Bucket=bucket, Key="b")
    cloud.settle()

    kinds = {e["detail"]["object"]["key"]: e["detail"] for _, _, e, _ in lambdas.calls}
    assert kinds["a"]["deletion-type"] == "Permanently Deleted"
    assert kinds["b"]["deletion-type"] == "Delete Marker Created"
    assert kinds["b"]["reason"] == "DeleteObject"


def test_function_receives_filtered_records(
    cloud: Cloud, s3: Any, bucket: str, lambdas: Any
) -> None:
    rules = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".csv"}]
    configure(
        s3, bucket,
        LambdaFunctionConfigurations=[{
            "Id": "mine", "LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": rules}},
        }],
    )  # fmt: skip
    for key in ("in/a b.csv", "in/a.txt", "out/a.csv"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"123")
    cloud.settle()

    ((principal, _, event, source),) = lambdas.calls
    assert (principal, source) == ("s3.amazonaws.com", f"arn:aws:s3:::{bucket}")
    (record,) = event["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["configurationId"] == "mine"
    assert record["s3"]["object"]["key"] == "in/a+b.csv"
    assert record["s3"]["object"]["size"] == 3


def test_notification_of_an_object_can_be_late_by_a_fault(
    cloud: Cloud, s3: Any, bucket: str, lambdas: Any
) -> None:
    configure(
        s3, bucket,
        LambdaFunctionConfigurations=[
            {"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:*"]}
        ],
    )  # fmt: skip
    cloud.settle()
    before = len(lambdas.calls)
    cloud.faults.inject(kind="event", match="ObjectCreated:Put", copies=1, delay=60)
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    cloud.settle()
    assert len(lambdas.calls) == before

    cloud.clock.advance(61)
    cloud.settle()
    assert len(lambdas.calls) == before + 1


def test_queue_receives_test_message_and_records(
    cloud: Cloud, s3: Any, sqs: Any, bucket: str
) -> None:
    url, arn = make_queue(sqs, "from-s3", "s3.amazonaws.com")
    one = {"QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]}
    configure(s3, bucket, QueueConfigurations=[one])
    cloud.settle()
    (test,) = received(sqs, url)
    assert json.loads(test["Body"])["Event"] == "s3:TestEvent"

    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="a")
    cloud.settle()
    (record,) = (json.loads(m["Body"])["Records"][0] for m in received(sqs, url))
    assert record["eventName"] == "ObjectRemoved:Delete"


def test_destination_that_does_not_allow_s3_is_refused(
    cloud: Cloud, s3: Any, sqs: Any, bucket: str
) -> None:
    configure(s3, bucket, EventBridgeConfiguration={})
    _, arn = make_queue(sqs, "no-s3", None)
    with pytest.raises(ClientError, match="Unable to validate the following destination"):
        configure(
            s3, bucket, QueueConfigurations=[{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        )

    kept = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert "QueueConfigurations" not in kept
    assert "EventBridgeConfiguration" in kept


def test_unsupported_events_are_refused(s3: Any, bucket: str) -> None:
    one = {"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectRestore:*"]}
    with pytest.raises(ClientError, match="does not deliver s3:ObjectRestore"):
        configure(s3, bucket, LambdaFunctionConfigurations=[one])
