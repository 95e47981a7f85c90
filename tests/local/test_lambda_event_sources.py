"""Queues as event sources: messages invoke functions, and are deleted or become visible again."""

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
    work.run_all_work()

    (event,) = work.received_events()
    (record,) = event["Records"]
    assert (record["body"], record["eventSource"]) == ("hello", "aws:sqs")
    assert (record["eventSourceARN"], record["awsRegion"]) == (f"{SQS}work", "us-east-1")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["kind"] == {
        "stringValue": "greeting", "dataType": "String", "stringListValues": [],
        "binaryListValues": [],
    }  # fmt: skip
    assert work.depth("work") == (0, 0)


def test_role_receives_and_deletes_and_lambda_invokes(work: Stage) -> None:
    work.map()
    work.send("hello")
    work.run_all_work()
    calls = work.cloud.recorder.calls
    assert {c.principal for c in calls(action="sqs:DeleteMessageBatch")} == {AS_ROLE}
    assert AS_ROLE in {c.principal for c in calls(action="sqs:ReceiveMessage")}
    invoked = calls(action="lambda:Invoke")[-1]
    assert invoked.principal == "lambda.amazonaws.com"
    assert invoked.params["SourceArn"] == f"{SQS}work"


def test_messages_sent_before_the_mapping_are_processed(work: Stage) -> None:
    work.send("a", "b", "c")
    work.map()
    work.run_all_work()
    assert sorted(flat(work.batches())) == ["a", "b", "c"]


def test_batch_has_at_most_batch_size_messages(work: Stage) -> None:
    work.send(*"abcde")
    work.map(BatchSize=2)
    work.run_all_work()
    batches = work.batches()
    assert sorted(flat(batches)) == list("abcde")
    assert max(map(len, batches)) == 2


def test_batching_window_collects_single_messages(work: Stage) -> None:
    work.map(BatchSize=100, MaximumBatchingWindowInSeconds=20)
    work.send(*"abcdefghijkl")
    work.run_due_work()
    assert work.batches() == []
    assert work.cloud.clock.held() == ["messages of work for lambda:worker"]
    work.advance(20)
    assert [sorted(batch) for batch in work.batches()] == [list("abcdefghijkl")]


def test_full_batch_is_invoked_before_the_window_ends(work: Stage) -> None:
    work.map(BatchSize=3, MaximumBatchingWindowInSeconds=300)
    work.send(*"abc")
    work.run_due_work()
    assert [sorted(batch) for batch in work.batches()] == [list("abc")]


def test_delayed_message_is_processed_at_its_virtual_time(work: Stage) -> None:
    work.map()
    work.send("later", DelaySeconds=600)
    work.run_due_work()
    assert work.batches() == []
    work.advance(601)
    assert work.batches() == [["later"]]


def test_failed_batch_is_retried_after_the_visibility_timeout(work: Stage) -> None:
    work.map()
    work.send("bad")
    work.run_due_work()
    assert work.batches() == [["bad"]]
    assert work.depth("work") == (0, 1)
    work.advance(31)
    (event,) = work.received_events()
    assert event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"


def test_message_that_always_fails_is_moved_to_the_dead_letter_queue(stage: Stage) -> None:
    dead = stage.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 3})
    stage.queue("work", RedrivePolicy=policy)
    stage.function("worker")
    stage.map(BatchSize=1)
    stage.send("bad", "good")
    stage.run_all_work()
    assert [m["Body"] for m in stage.messages("dead")] == ["bad"]
    bodies = flat(stage.batches())
    assert bodies.count("bad") == 3
    assert stage.depth("work") == (0, 0)


def test_dead_letter_queue_can_have_a_mapping(stage: Stage) -> None:
    dead = stage.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1})
    stage.queue("work", RedrivePolicy=policy)
    stage.function("worker")
    stage.function("undertaker", Environment={"Variables": {"REPORT": "yes"}})
    stage.map()
    stage.map("dead", "undertaker", FunctionResponseTypes=["ReportBatchItemFailures"])
    stage.send("bad")
    stage.run_due_work()
    stage.advance(31)
    sources = [e["Records"][0]["eventSourceARN"] for e in stage.received_events()]
    assert sorted(sources) == [f"{SQS}dead", f"{SQS}work"]


def test_only_reported_messages_are_retried(stage: Stage) -> None:
    stage.queue("work")
    stage.function("worker", Environment={"Variables": {"REPORT": "yes"}})
    stage.send("good", "bad", "fine")
    stage.map(FunctionResponseTypes=["ReportBatchItemFailures"])
    stage.run_due_work()
    assert sorted(flat(stage.batches())) == ["bad", "fine", "good"]
    assert stage.depth("work") == (0, 1)
    stage.advance(31)
    assert stage.batches() == [["bad"]]


def test_filtered_messages_are_deleted_without_invocation(work: Stage) -> None:
    pattern = json.dumps({"body": {"kind": ["order"], "sum": [{"numeric": [">", 10]}]}})
    work.map(FilterCriteria={"Filters": [{"Pattern": pattern}]})
    filters = json.dumps({"kind": "order", "sum": 11})
    work.send(filters, json.dumps({"kind": "order", "sum": 5}), "plain text")
    work.run_all_work()
    assert work.batches() == [[filters]]
    assert work.depth("work") == (0, 0)


def test_disabled_mapping_processes_messages_when_enabled(work: Stage) -> None:
    mapping = work.map(Enabled=False)
    work.send("hello")
    work.run_all_work()
    assert work.received_events() == []
    assert work.lambdas.get_event_source_mapping(UUID=mapping)["State"] == "Disabled"
    work.lambdas.update_event_source_mapping(UUID=mapping, Enabled=True)
    work.run_all_work()
    assert work.batches() == [["hello"]]


def test_throttled_batch_is_retried_within_the_visibility_timeout(work: Stage) -> None:
    work.lambdas.put_function_concurrency(FunctionName="worker", ReservedConcurrentExecutions=0)
    work.map()
    work.send("hello")
    work.run_due_work()
    assert work.received_events() == []
    work.lambdas.delete_function_concurrency(FunctionName="worker")
    work.advance(4)
    (event,) = work.received_events()
    assert event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"


def test_fifo_groups_keep_their_order(stage: Stage) -> None:
    stage.queue("work.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    stage.function("worker")
    for group in ("x", "y"):
        stage.send(*(f"{group}{n}" for n in range(6)), queue="work.fifo", MessageGroupId=group)
    stage.map("work.fifo", BatchSize=2)
    stage.run_all_work()
    bodies = flat(stage.batches())
    assert len(bodies) == 12
    for group in ("x", "y"):
        assert [b for b in bodies if b[0] == group] == [f"{group}{n}" for n in range(6)]


def test_message_of_a_killed_worker_is_not_lost(work: Stage) -> None:
    work.cloud.faults.inject(kind="process", match="lambda:worker")
    work.map()
    work.send("hello")
    work.run_due_work()
    work.advance(31)
    # The killed worker may have sent its event already.
    assert set(map(tuple, work.batches())) == {("hello",)}
    assert work.depth("work") == (0, 0)


def test_refused_receive_is_retried(work: Stage) -> None:
    work.map()
    work.cloud.faults.inject(kind="call", match="sqs:ReceiveMessage")
    work.send("hello")
    work.run_all_work()
    assert work.batches() == [["hello"]]


def test_events_are_counted_if_configured(work: Stage) -> None:
    mapping = work.map(MetricsConfig={"Metrics": ["EventCount"]})
    work.send("one", "two")
    work.run_all_work()
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
    actual = client.get_event_source_mapping(UUID=made["UUID"])
    assert (actual["State"], actual["BatchSize"]) == ("Enabled", 5)
    assert actual["ScalingConfig"] == {"MaximumConcurrency": 2}
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
    work.run_all_work()
    assert work.received_events() == []


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"},
         "a source of kinesis"),
        ({"EventSourceArn": "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/x"},
         "a source of dynamodb"),
        ({"EventSourceArn": f"{SQS}missing"}, "cannot be read as"),
        ({"FunctionName": "missing"}, "Function not found"),
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
def test_invalid_mapping_is_refused(work: Stage, members: dict[str, Any], message: str) -> None:
    work.function("patient")
    work.lambdas.update_function_configuration(FunctionName="patient", Timeout=60)
    with pytest.raises(Exception, match=message):
        work.lambdas.create_event_source_mapping(
            **{"EventSourceArn": f"{SQS}work", "FunctionName": "worker", **members}
        )


def test_window_of_a_fifo_queue_is_refused(stage: Stage) -> None:
    stage.queue("work.fifo", FifoQueue="true")
    stage.function("worker")
    with pytest.raises(ClientError, match="no batching window"):
        stage.map("work.fifo", MaximumBatchingWindowInSeconds=5)


def test_duplicate_mapping_is_a_conflict(work: Stage) -> None:
    mapping = work.map()
    with pytest.raises(ClientError, match=f"mapping with UUID {mapping}") as error:
        work.map()
    assert error.value.response["Error"]["Code"] == "ResourceConflictException"
