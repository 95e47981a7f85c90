"""Queues as event sources: messages invoke functions, and come back or go when those fail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mapping_stage import AS_ROLE, FUNCTION, SQS, Stage, shared_cloud, stage

__all__ = ["shared_cloud", "stage"]


def flat(batches: list[list[str]]) -> list[str]:
    return [body for batch in batches for body in batch]


@pytest.fixture
def work(stage: Stage) -> Stage:
    stage.queue("work")
    stage.function("worker")
    return stage


@pytest.mark.feature("functions: queue as event source")
def test_message_invokes_the_function_and_is_deleted(work: Stage) -> None:
    work.map()
    work.send(
        "hello",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "greeting"}},
    )
    work.rest()

    (event,) = work.seen()
    (record,) = event["Records"]
    assert (record["body"], record["eventSource"]) == ("hello", "aws:sqs")
    assert (record["eventSourceARN"], record["awsRegion"]) == (f"{SQS}work", "us-east-1")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["kind"] == {
        "stringValue": "greeting", "dataType": "String", "stringListValues": [],
        "binaryListValues": [],
    }  # fmt: skip
    assert work.depth("work") == (0, 0)


def test_role_reads_and_deletes_and_lambda_invokes(work: Stage) -> None:
    work.map()
    work.send("hello")
    work.rest()
    calls = work.cloud.recorder.calls
    assert {c.principal for c in calls(action="sqs:DeleteMessageBatch")} == {AS_ROLE}
    assert AS_ROLE in {c.principal for c in calls(action="sqs:ReceiveMessage")}
    invoked = calls(action="lambda:Invoke")[-1]
    assert invoked.principal == "lambda.amazonaws.com"
    assert invoked.params["SourceArn"] == f"{SQS}work"


def test_messages_that_wait_already_are_found(work: Stage) -> None:
    work.send("a", "b", "c")
    work.map()
    work.rest()
    assert sorted(flat(work.batches())) == ["a", "b", "c"]


def test_batch_size_is_the_most_at_once(work: Stage) -> None:
    work.send(*"abcde")
    work.map(BatchSize=2)
    work.rest()
    batches = work.batches()
    assert sorted(flat(batches)) == list("abcde")
    assert max(map(len, batches)) == 2


def test_window_gathers_what_comes_one_by_one(work: Stage) -> None:
    work.map(BatchSize=100, MaximumBatchingWindowInSeconds=20)
    work.send(*"abcdefghijkl")
    work.at_rest_now()
    assert work.batches() == []
    assert work.cloud.clock.held() == ["messages of work for lambda:worker"]
    work.advance(20)
    assert [sorted(batch) for batch in work.batches()] == [list("abcdefghijkl")]


def test_full_batch_does_not_wait_for_its_window(work: Stage) -> None:
    work.map(BatchSize=3, MaximumBatchingWindowInSeconds=300)
    work.send(*"abc")
    work.at_rest_now()
    assert [sorted(batch) for batch in work.batches()] == [list("abc")]


def test_delayed_message_comes_when_its_virtual_time_has(work: Stage) -> None:
    work.map()
    work.send("later", DelaySeconds=600)
    work.at_rest_now()
    assert work.batches() == []
    work.advance(601)
    assert work.batches() == [["later"]]


def test_failed_batch_appears_again_when_its_visibility_ends(work: Stage) -> None:
    work.map()
    work.send("bad")
    work.at_rest_now()
    assert work.batches() == [["bad"]]
    assert work.depth("work") == (0, 1)
    work.advance(31)
    (event,) = work.seen()
    assert event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"


def test_message_that_always_fails_ends_among_the_dead_letters(stage: Stage) -> None:
    dead = stage.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 3})
    stage.queue("work", RedrivePolicy=policy)
    stage.function("worker")
    stage.map(BatchSize=1)
    stage.send("bad", "good")
    stage.rest()
    assert [m["Body"] for m in stage.messages("dead")] == ["bad"]
    bodies = flat(stage.batches())
    assert bodies.count("bad") == 3
    assert stage.depth("work") == (0, 0)


def test_dead_letters_may_have_a_function_of_their_own(stage: Stage) -> None:
    dead = stage.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
    stage.queue("work", RedrivePolicy=policy)
    stage.function("worker")
    stage.function("undertaker", Environment={"Variables": {"REPORT": "yes"}})
    stage.map()
    stage.map("dead", "undertaker", FunctionResponseTypes=["ReportBatchItemFailures"])
    stage.send("bad")
    stage.at_rest_now()
    stage.advance(31)
    sources = [e["Records"][0]["eventSourceARN"] for e in stage.seen()]
    assert sorted(sources) == [f"{SQS}dead", f"{SQS}work"]


def test_only_reported_messages_stay(stage: Stage) -> None:
    stage.queue("work")
    stage.function("worker", Environment={"Variables": {"REPORT": "yes"}})
    stage.send("good", "bad", "fine")
    stage.map(FunctionResponseTypes=["ReportBatchItemFailures"])
    stage.at_rest_now()
    assert sorted(flat(stage.batches())) == ["bad", "fine", "good"]
    assert stage.depth("work") == (0, 1)
    stage.advance(31)
    assert stage.batches() == [["bad"]]


def test_filtered_messages_are_deleted_unseen(work: Stage) -> None:
    pattern = json.dumps({"body": {"kind": ["order"], "sum": [{"numeric": [">", 10]}]}})
    work.map(FilterCriteria={"Filters": [{"Pattern": pattern}]})
    wanted = json.dumps({"kind": "order", "sum": 11})
    work.send(wanted, json.dumps({"kind": "order", "sum": 5}), "plain text")
    work.rest()
    assert work.batches() == [[wanted]]
    assert work.depth("work") == (0, 0)


def test_disabled_mapping_rests_until_it_is_enabled(work: Stage) -> None:
    mapping = work.map(Enabled=False)
    work.send("hello")
    work.rest()
    assert work.seen() == []
    assert work.lambdas.get_event_source_mapping(UUID=mapping)["State"] == "Disabled"
    work.lambdas.update_event_source_mapping(UUID=mapping, Enabled=True)
    work.rest()
    assert work.batches() == [["hello"]]


def test_throttled_batch_is_tried_again_while_it_is_hidden(work: Stage) -> None:
    work.lambdas.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=0)
    work.map()
    work.send("hello")
    work.at_rest_now()
    assert work.seen() == []
    work.lambdas.delete_function_concurrency(FunctionName="worker")
    work.advance(4)
    (event,) = work.seen()
    assert event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"


def test_fifo_groups_keep_their_order(stage: Stage) -> None:
    stage.queue("work.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    stage.function("worker")
    for group in ("x", "y"):
        stage.send(*(f"{group}{n}" for n in range(6)), queue="work.fifo", MessageGroupId=group)
    stage.map("work.fifo", BatchSize=2)
    stage.rest()
    bodies = flat(stage.batches())
    assert len(bodies) == 12
    for group in ("x", "y"):
        assert [b for b in bodies if b[0] == group] == [f"{group}{n}" for n in range(6)]


def test_killed_worker_costs_no_message(work: Stage) -> None:
    work.cloud.faults.order(kind="process", match="lambda:worker")
    work.map()
    work.send("hello")
    work.at_rest_now()
    work.advance(31)
    assert work.batches() == [["hello"]]
    assert work.depth("work") == (0, 0)


def test_refused_receive_is_tried_again(work: Stage) -> None:
    work.map()
    work.cloud.faults.order(kind="call", match="sqs:ReceiveMessage")
    work.send("hello")
    work.rest()
    assert work.batches() == [["hello"]]


def test_events_are_counted_when_asked_for(work: Stage) -> None:
    mapping = work.map(MetricsConfig={"Metrics": ["EventCount"]})
    work.send("one", "two")
    work.rest()
    store = work.cloud.service("cloudwatch").metrics
    totals = {
        series.name: sum(s.total for s in store.between(series, 0, 1e12))
        for series in store.all()
        if dict(series.dimensions).get("EventSourceMappingUUID") == mapping
    }
    assert totals == {"PolledEventCount": 2, "InvokedEventCount": 2, "DeletedEventCount": 2}


def test_mapping_is_described_listed_tagged_and_deleted(work: Stage) -> None:
    client = work.lambdas
    made = client.create_event_source_mapping(
        EventSourceArn=f"{SQS}work", FunctionName="worker", BatchSize=5,
        ScalingConfig={"MaximumConcurrency": 2}, Tags={"a": "b"},
    )  # fmt: skip
    assert (made["State"], made["FunctionArn"]) == ("Creating", f"{FUNCTION}worker")
    found = client.get_event_source_mapping(UUID=made["UUID"])
    assert (found["State"], found["BatchSize"]) == ("Enabled", 5)
    assert found["ScalingConfig"] == {"MaximumConcurrency": 2}
    listed = client.list_event_source_mappings(FunctionName="worker")["EventSourceMappings"]
    assert [m["UUID"] for m in listed] == [made["UUID"]]
    assert client.list_event_source_mappings(EventSourceArn=f"{SQS}x")["EventSourceMappings"] == []
    arn = made["EventSourceMappingArn"]
    client.tag_resource(Resource=arn, Tags={"c": "d"})
    assert client.list_tags(Resource=arn)["Tags"] == {"a": "b", "c": "d"}
    assert client.delete_event_source_mapping(UUID=made["UUID"])["State"] == "Deleting"
    with pytest.raises(ClientError, match="does not exist"):
        client.get_event_source_mapping(UUID=made["UUID"])
    work.send("unseen")
    work.rest()
    assert work.seen() == []


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"},
         "a source of kinesis"),
        ({"EventSourceArn": "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/x"},
         "a source of dynamodb"),
        ({"EventSourceArn": f"{SQS}nobody"}, "cannot be read as"),
        ({"FunctionName": "nobody"}, "Function not found"),
        ({"BatchSize": 11}, "window in seconds must be greater than 0"),
        ({"BatchSize": 20_000}, "BatchSize must be 1 to 10000"),
        ({"MaximumBatchingWindowInSeconds": 301}, "must be 0 to 300"),
        ({"ScalingConfig": {"MaximumConcurrency": 1}}, "MaximumConcurrency"),
        ({"StartingPosition": "LATEST"}, "StartingPosition is not allowed for a queue"),
        ({"ProvisionedPollerConfig": {"MinimumPollers": 2}}, "ProvisionedPollerConfig"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "Invalid filter pattern"),
        ({"FunctionName": "patient"}, "visibility timeout: 30 seconds is less than Function"),
    ],
)  # fmt: skip
def test_impossible_mappings_are_refused(work: Stage, members: dict[str, Any], told: str) -> None:
    work.function("patient")
    work.lambdas.update_function_configuration(FunctionName="patient", Timeout=60)
    with pytest.raises(Exception, match=told):
        work.lambdas.create_event_source_mapping(
            **{"EventSourceArn": f"{SQS}work", "FunctionName": "worker", **members}
        )


def test_fifo_queue_takes_no_window(stage: Stage) -> None:
    stage.queue("work.fifo", FifoQueue="true")
    stage.function("worker")
    with pytest.raises(ClientError, match="no batching window"):
        stage.map("work.fifo", MaximumBatchingWindowInSeconds=5)


def test_same_mapping_twice_is_a_conflict(work: Stage) -> None:
    mapping = work.map()
    with pytest.raises(ClientError, match=f"mapping with UUID {mapping}") as error:
        work.map()
    assert error.value.response["Error"]["Code"] == "ResourceConflictException"
