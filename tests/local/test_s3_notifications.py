"""Notification configurations of buckets: what S3 refuses, and what it answers."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from delivery_stage import (  # noqa: F401 - fixtures are found by name
    FUNCTION,
    bucket,
    cloud,
    configure,
    lambdas,
    s3,
)

from sageloop.local_cloud.core.cloud import Cloud


def to_function(id_: str, *events: str, **filters: str) -> dict[str, Any]:
    rules = [{"Name": key, "Value": value} for key, value in filters.items()]
    return {
        "Id": id_, "LambdaFunctionArn": FUNCTION,
        "Events": [f"s3:{event}" for event in events],
    } | ({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})  # fmt: skip


CREATED, PUT, REMOVED = "ObjectCreated:*", "ObjectCreated:Put", "ObjectRemoved:*"
AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the "
    "prefixes are overlapping for the same event type."
)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (to_function("a", CREATED), to_function("b", CREATED),
         "Configurations overlap. Configurations on the same bucket cannot share a common event "
         "type."),
        (to_function("a", CREATED, prefix="in/"), to_function("b", PUT, suffix=".csv"), AMBIGUOUS),
        (to_function("a", CREATED), to_function("b", PUT, suffix=".csv"), AMBIGUOUS),
        (to_function("a", REMOVED, PUT, suffix="jpg"),
         to_function("b", PUT, suffix="pg"), AMBIGUOUS),
        (to_function("a", PUT, prefix="in/", suffix="b"),
         to_function("b", PUT, prefix="in/a", suffix="ab"), AMBIGUOUS),
    ],
)  # fmt: skip
def test_overlapping_configurations_are_refused(
    s3: Any, bucket: str, first: Any, second: Any, message: str
) -> None:
    """The texts are those of public reports (aws-cdk #31303, minio #2472).

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
    """
    for one, other in ((first, second), (second, first)):
        with pytest.raises(ClientError) as refused:
            configure(s3, bucket, LambdaFunctionConfigurations=[one, other])

        assert refused.value.response["Error"]["Code"] == "InvalidArgument"
        assert refused.value.response["Error"]["Message"] == message
    assert s3.get_bucket_notification_configuration(Bucket=bucket).keys() == {"ResponseMetadata"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (to_function("a", CREATED), to_function("b", REMOVED)),
        (to_function("a", PUT), to_function("b", "ObjectCreated:Copy")),
        (to_function("a", CREATED, prefix="in/"), to_function("b", PUT, prefix="out/")),
        (to_function("a", PUT, prefix="in/", suffix=".csv"),
         to_function("b", PUT, prefix="in/", suffix=".txt")),
    ],
)  # fmt: skip
def test_configurations_that_share_no_event_are_accepted(
    s3: Any, bucket: str, first: Any, second: Any
) -> None:
    configure(s3, bucket, LambdaFunctionConfigurations=[first, second])

    kept = s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
    assert [one["Id"] for one in kept] == ["a", "b"]
    assert [one["Events"] for one in kept] == [first["Events"], second["Events"]]


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (to_function("a", PUT, name="x"), "filter rule name must be either prefix or suffix"),
        (to_function("a", PUT, prefix="x", Prefix="y"),
         "Cannot specify more than one prefix rule in a filter."),
        (to_function("a", PUT, suffix="é" * 513),
         "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation"),
        (to_function("a", "ObjectCreated:Nope"), "The event is not supported for notifications"),
        (to_function("a", PUT) | {"LambdaFunctionArn": "arn:aws:sns:us-east-1:123456789012:t"},
         "The ARN is not well formed"),
        (to_function("a", PUT)
         | {"LambdaFunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:f"},
         "The notification destination service region is not valid for the bucket location"),
    ],
)  # fmt: skip
def test_invalid_configuration_is_refused(
    s3: Any, bucket: str, one: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        configure(s3, bucket, LambdaFunctionConfigurations=[one])

    assert refused.value.response["Error"]["Code"] == "InvalidArgument"


def test_repeated_id_is_refused(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError, match="IDs must be unique"):
        configure(
            s3, bucket,
            LambdaFunctionConfigurations=[to_function("a", PUT), to_function("a", REMOVED)],
        )  # fmt: skip


def test_fifo_destination_is_refused(s3: Any, bucket: str) -> None:
    arn = "arn:aws:sqs:us-east-1:123456789012:q.fifo"
    with pytest.raises(ClientError, match="Unable to validate the following destination"):
        configure(s3, bucket, QueueConfigurations=[{"QueueArn": arn, "Events": [f"s3:{PUT}"]}])


def test_filter_names_are_accepted_in_any_case(
    cloud: Cloud, s3: Any, bucket: str, lambdas: Any
) -> None:
    """S3 itself answers ``Prefix``, which clients send back: aws-cdk #31303."""
    configure(
        s3, bucket,
        LambdaFunctionConfigurations=[to_function("a", PUT, PREFIX="in/", Suffix=".csv")],
    )  # fmt: skip
    for key in ("in/a.csv", "in/a.txt", "out/a.csv"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    cloud.settle()

    (kept,) = s3.get_bucket_notification_configuration(Bucket=bucket)[
        "LambdaFunctionConfigurations"
    ]
    assert kept["Filter"]["Key"]["FilterRules"] == [
        {"Name": "Prefix", "Value": "in/"}, {"Name": "Suffix", "Value": ".csv"},
    ]  # fmt: skip
    configure(s3, bucket, LambdaFunctionConfigurations=[kept])
    assert [e["Records"][0]["s3"]["object"]["key"] for *_, e, _ in lambdas.calls] == ["in/a.csv"]


def test_configuration_of_a_missing_bucket_is_refused(s3: Any) -> None:
    with pytest.raises(s3.exceptions.NoSuchBucket):
        configure(s3, "no-such-bucket-here", EventBridgeConfiguration={})
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.get_bucket_notification_configuration(Bucket="no-such-bucket-here")


def test_empty_configuration_removes_notifications(s3: Any, bucket: str) -> None:
    configure(s3, bucket, EventBridgeConfiguration={})
    configure(s3, bucket)

    assert s3.get_bucket_notification_configuration(Bucket=bucket).keys() == {"ResponseMetadata"}
