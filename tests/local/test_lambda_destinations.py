"""Destinations of asynchronous invocations, on success and on failure, of every kind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mapping_stage import AS_ROLE, FUNCTION, SQS, Stage, shared_cloud, stage
from roles import USER

__all__ = ["shared_cloud", "stage"]

BUS = "arn:aws:events:us-east-1:123456789012:event-bus/default"


@pytest.fixture
def worker(stage: Stage) -> Stage:
    stage.function("worker")
    return stage


def configure(stage: Stage, **members: Any) -> None:
    destinations = {
        kind: {"Destination": members.pop(kind)}
        for kind in ("OnSuccess", "OnFailure")
        if kind in members
    }
    stage.lambdas.put_function_event_invoke_config(
        FunctionName="worker", DestinationConfig=destinations, **members
    )


def invoke(stage: Stage, event: Any, **members: Any) -> None:
    stage.lambdas.invoke(
        FunctionName="worker", InvocationType="Event", Payload=json.dumps(event), **members
    )
    stage.run_all_work()


@pytest.mark.feature("functions: asynchronous destinations")
def test_success_record_contains_request_and_response(worker: Stage) -> None:
    worker.queue("records")
    configure(worker, OnSuccess=f"{SQS}records", OnFailure=f"{SQS}received")
    invoke(worker, {"n": 1})

    (message,) = worker.messages("records")
    record = json.loads(message["Body"])
    context = record["requestContext"]
    assert (record["version"], context["condition"]) == ("1.0", "Success")
    assert context["functionArn"] == f"{FUNCTION}worker:$LATEST"
    assert context["approximateInvokeCount"] == 1
    assert (record["requestPayload"], record["responsePayload"]) == ({"n": 1}, {"got": 0})
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    sent = worker.cloud.recorder.calls(action="sqs:SendMessage")
    assert AS_ROLE in {call.principal for call in sent}


def test_failure_record_invokes_another_function(worker: Stage) -> None:
    worker.function("medic")
    configure(worker, OnFailure=f"{FUNCTION}medic", MaximumRetryAttempts=1)
    invoke(worker, {"fail": "x"})
    records = [e for e in worker.received_events() if "requestContext" in e]
    (record,) = records
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorMessage"] == "no luck"


def listen(stage: Stage, pattern: dict[str, Any]) -> None:
    events = stage.cloud.client("events", principal=USER)
    statement = {
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": "*",
    }  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    events.put_rule(Name="results", EventPattern=json.dumps(pattern))
    events.put_targets(
        Rule="results", Targets=[{"Id": "q", "Arn": stage.queue("records", Policy=policy)}]
    )


def test_bus_receives_an_event_of_lambda(worker: Stage) -> None:
    listen(worker, {"source": ["lambda"]})
    configure(worker, OnSuccess=BUS, OnFailure=BUS, MaximumRetryAttempts=0)
    invoke(worker, {"n": 1})
    invoke(worker, {"fail": "x"})
    success, failure = (json.loads(m["Body"]) for m in worker.messages("records"))
    assert success["detail-type"] == "Lambda Function Invocation Result - Success"
    assert failure["detail-type"] == "Lambda Function Invocation Result - Failure"
    assert success["resources"] == [BUS, f"{FUNCTION}worker:$LATEST"]
    assert success["detail"]["requestPayload"] == {"n": 1}
    assert failure["detail"]["requestContext"]["condition"] == "RetriesExhausted"


def test_topic_receives_the_record(worker: Stage) -> None:
    sns = worker.cloud.client("sns", principal=USER)
    topic = sns.create_topic(Name="results")["TopicArn"]
    configure(worker, OnSuccess=topic)
    invoke(worker, {"n": 1})
    (call,) = worker.cloud.recorder.calls(action="sns:Publish")
    assert (call.principal, call.params["TopicArn"]) == (AS_ROLE, topic)
    assert json.loads(call.params["Message"])["responsePayload"] == {"got": 0}


def test_bucket_stores_failure_records(worker: Stage) -> None:
    s3 = worker.cloud.client("s3", principal=USER)
    s3.create_bucket(Bucket="failures-of-functions")
    configure(worker, OnFailure="arn:aws:s3:::failures-of-functions", MaximumRetryAttempts=0)
    invoke(worker, {"fail": "x"})
    (actual,) = s3.list_objects_v2(Bucket="failures-of-functions")["Contents"]
    assert actual["Key"].startswith("aws/lambda/async/worker/")
    body = s3.get_object(Bucket="failures-of-functions", Key=actual["Key"])["Body"].read()
    assert json.loads(body)["requestPayload"] == {"fail": "x"}


@pytest.mark.slow
def test_event_older_than_its_maximum_age_is_discarded(worker: Stage) -> None:
    worker.queue("records")
    configure(worker, OnFailure=f"{SQS}records", MaximumEventAgeInSeconds=90)
    invoke(worker, {"fail": "x"})
    (message,) = worker.messages("records")
    context = json.loads(message["Body"])["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 2)


def test_alias_has_a_separate_configuration(worker: Stage) -> None:
    worker.queue("records")
    worker.lambdas.publish_version(FunctionName="worker")
    worker.lambdas.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")
    worker.lambdas.put_function_event_invoke_config(
        FunctionName="worker", Qualifier="live",
        DestinationConfig={"OnSuccess": {"Destination": f"{SQS}records"}},
    )  # fmt: skip
    invoke(worker, {"n": 1})
    assert worker.messages("records") == []
    invoke(worker, {"n": 2}, Qualifier="live")
    (message,) = worker.messages("records")
    record = json.loads(message["Body"])
    assert record["requestContext"]["functionArn"] == f"{FUNCTION}worker:live"
    assert record["responseContext"]["executedVersion"] == "1"


def test_failed_delivery_to_a_deleted_destination_is_counted(worker: Stage) -> None:
    configure(worker, OnSuccess=f"{SQS}missing")
    invoke(worker, {"n": 1})
    store = worker.cloud.service("cloudwatch").metrics
    names = {series.name for series in store.all() if series.namespace == "AWS/Lambda"}
    assert "DestinationDeliveryFailures" in names


@pytest.mark.parametrize(
    ("kind", "arn"),
    [
        ("OnSuccess", "arn:aws:s3:::bucket-of-mine"),
        ("OnSuccess", f"{SQS}work.fifo"),
        ("OnFailure", "arn:aws:kinesis:us-east-1:123456789012:stream/s"),
        ("OnFailure", "arn:aws:sns:us-east-1:123456789012:topic.fifo"),
    ],
)
def test_unsupported_destination_is_refused(worker: Stage, kind: str, arn: str) -> None:
    with pytest.raises(ClientError, match="is not a standard queue or topic") as error:
        configure(worker, **{kind: arn})
    assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"
