"""EventBridge: rules, schedules, buses and patterns."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from events_stage import (  # noqa: F401 - fixtures are found by name
    FUNCTION,
    USER,
    cloud,
    events,
    lambdas,
    put,
    queue,
    received,
    rule_to,
    sqs,
)

from sageloop.local_cloud.core.cloud import Cloud
from sageloop.local_cloud.events.permissions import admits


def test_unsupported_target_is_refused_by_name(events: Any) -> None:
    events.put_rule(Name="r", EventPattern='{"source": ["a"]}')
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:m"

    with pytest.raises(ClientError, match=f"does not deliver to {arn}"):
        events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": arn}])


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        ({"InputPathsMap": {}, "InputTemplate": '"<f>"'},
         "InputTemplate for target t contains invalid placeholder f."),
        ({"InputPathsMap": {"AWS.f": "$.a"}, "InputTemplate": '"a"'}, "keys have letters"),
        ({"InputPathsMap": {"awsF": "$.a"}, "InputTemplate": '"a"'}, "cannot start with AWS"),
        ({"InputPathsMap": {"f": "$.a[0:2,246:]"}, "InputTemplate": '"a"'}, "JSON path"),
        ({"InputPathsMap": {f"f{n}": "$" for n in range(101)}, "InputTemplate": '"a"'},
         "at most 100 paths, got 101"),
    ],
)  # fmt: skip
def test_invalid_transformer_is_refused(
    events: Any, transformer: dict[str, Any], message: str
) -> None:
    events.put_rule(Name="r", EventPattern='{"source": ["a"]}')

    with pytest.raises(events.exceptions.ClientError, match=message) as refused:
        events.put_targets(
            Rule="r", Targets=[{"Id": "t", "Arn": FUNCTION, "InputTransformer": transformer}]
        )

    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert events.list_targets_by_rule(Rule="r")["Targets"] == []


def test_tested_event_needs_no_resources(events: Any) -> None:
    """Recorded on AWS; its page lists resources as mandatory."""
    event = dict.fromkeys(("id", "detail-type", "source", "account", "time", "region"), "x")

    assert events.test_event_pattern(EventPattern='{"id": ["x"]}', Event=json.dumps(event))[
        "Result"
    ]


@pytest.mark.parametrize("event", ["[]", '"text"', "1", "{", '{"id": "x"}'])
def test_invalid_tested_event_is_refused(events: Any, event: str) -> None:
    with pytest.raises(ClientError, match="Parameter Event is not valid"):
        events.test_event_pattern(EventPattern='{"id": ["x"]}', Event=event)


def test_rule_with_targets_cannot_be_deleted(events: Any) -> None:
    rule_to(events, FUNCTION)
    with pytest.raises(ClientError, match="since it has targets"):
        events.delete_rule(Name="r")

    assert events.remove_targets(Rule="r", Ids=["t"])["FailedEntryCount"] == 0
    events.delete_rule(Name="r")

    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.describe_rule(Name="r")


def test_invalid_pattern_is_refused(events: Any) -> None:
    with pytest.raises(events.exceptions.InvalidEventPatternException):
        events.put_rule(Name="r", EventPattern='{"source": "my.app"}')


def test_rules_are_listed_and_tagged(events: Any) -> None:
    arn = rule_to(events, FUNCTION)
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "k", "Value": "v"}])

    assert [r["Name"] for r in events.list_rules(NamePrefix="r")["Rules"]] == ["r"]
    assert events.list_rule_names_by_target(TargetArn=FUNCTION)["RuleNames"] == ["r"]
    assert events.list_targets_by_rule(Rule="r")["Targets"] == [{"Id": "t", "Arn": FUNCTION}]
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k", "Value": "v"}]


def test_scheduled_rule_fires_on_the_virtual_clock(cloud: Cloud, events: Any, lambdas: Any) -> None:
    arn = events.put_rule(Name="s", ScheduleExpression="rate(5 minutes)")["RuleArn"]
    events.put_targets(Rule="s", Targets=[{"Id": "t", "Arn": FUNCTION}])
    put(events)
    cloud.settle()
    assert lambdas.calls == []

    cloud.clock.advance(15 * 60 + 1)
    cloud.settle()

    arguments = [event for _, _, event, _ in lambdas.calls]
    assert [event["detail-type"] for event in arguments] == ["Scheduled Event"] * 3
    assert arguments[0]["resources"] == [arn]
    assert arguments[0]["time"] < arguments[1]["time"] < arguments[2]["time"]


def test_event_of_a_schedule_can_be_late_by_a_fault(
    cloud: Cloud, events: Any, lambdas: Any
) -> None:
    events.put_rule(Name="s", ScheduleExpression="rate(5 minutes)")
    events.put_targets(Rule="s", Targets=[{"Id": "t", "Arn": FUNCTION}])
    cloud.faults.inject(kind="event", match="Scheduled Event", copies=1, delay=120)
    cloud.clock.advance(5 * 60 + 1)
    cloud.settle()
    assert lambdas.calls == []

    cloud.clock.advance(120)
    cloud.settle()
    assert len(lambdas.calls) == 1


def test_disabled_schedule_does_not_fire(cloud: Cloud, events: Any, lambdas: Any) -> None:
    events.put_rule(Name="s", ScheduleExpression="rate(1 minute)", State="DISABLED")
    events.put_targets(Rule="s", Targets=[{"Id": "t", "Arn": FUNCTION}])
    cloud.clock.advance(600)
    cloud.settle()

    assert lambdas.calls == []


def test_advance_fires_a_thousand_occurrences_at_most(
    cloud: Cloud, events: Any, lambdas: Any
) -> None:
    events.put_rule(Name="s", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="s", Targets=[{"Id": "t", "Arn": FUNCTION}])
    cloud.clock.advance(5_000 * 60)
    cloud.settle()

    assert 1000 <= len(lambdas.calls) <= 1001


def test_invalid_schedule_is_refused(events: Any) -> None:
    with pytest.raises(ClientError, match="ScheduleExpression is not valid"):
        events.put_rule(Name="s", ScheduleExpression="rate(1 minutes)")


def test_bus_permissions_are_stored(events: Any) -> None:
    events.put_permission(Action="events:PutEvents", Principal="111122223333", StatementId="s")
    policy = json.loads(events.describe_event_bus()["Policy"])
    assert policy["Statement"][0]["Sid"] == "s"

    events.remove_permission(StatementId="s")
    assert "Policy" not in events.describe_event_bus()


def test_event_pattern_is_tested(events: Any) -> None:
    event = {
        "id": "1", "detail-type": "t", "source": "a", "account": "1",
        "time": "2026-01-01T00:00:00Z", "region": "r", "resources": [],
    }  # fmt: skip

    answer = events.test_event_pattern(
        EventPattern='{"source": [{"prefix": "a"}]}', Event=json.dumps(event)
    )

    assert answer["Result"] is True


def test_bus_is_created_updated_and_deleted(events: Any) -> None:
    events.create_event_bus(Name="mine", Description="a")
    events.update_event_bus(Name="mine", Description="b")
    assert events.describe_event_bus(Name="mine")["Description"] == "b"
    assert [b["Name"] for b in events.list_event_buses()["EventBuses"]] == ["default", "mine"]

    with pytest.raises(events.exceptions.ResourceAlreadyExistsException):
        events.create_event_bus(Name="mine")
    events.delete_event_bus(Name="mine")
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.describe_event_bus(Name="mine")


def test_default_topic_policy_allows_alarms_only(cloud: Cloud) -> None:
    sns = cloud.client("sns", principal=USER)
    topic = sns.create_topic(Name="plain")["TopicArn"]

    assert admits(cloud, "cloudwatch.amazonaws.com", topic, "arn:alarm") is None
    refusal = admits(cloud, "events.amazonaws.com", topic, "arn:rule")
    assert refusal is not None
    assert "does not allow events.amazonaws.com to call sns:Publish" in refusal


def test_aws_managed_key_allows_no_service(cloud: Cloud) -> None:
    sns = cloud.client("sns", principal=USER)
    attributes = {"KmsMasterKeyId": "alias/aws/sns"}
    topic = sns.create_topic(Name="managed", Attributes=attributes)["TopicArn"]

    refusal = admits(cloud, "cloudwatch.amazonaws.com", topic, "arn:alarm")

    assert refusal is not None
    assert "alias/aws/sns" in refusal


def test_missing_target_is_refused_with_a_reason(cloud: Cloud) -> None:
    gone = "arn:aws:sqs:us-east-1:123456789012:gone"

    refusal = admits(cloud, "events.amazonaws.com", gone, "arn:rule")

    assert refusal is not None
    assert "cannot be reached" in refusal


def test_call_that_a_fault_refuses_is_retried(
    cloud: Cloud, events: Any, sqs: Any, queue: Any
) -> None:
    url, arn = queue("flaky")
    rule_to(events, arn)
    cloud.faults.inject(kind="call", match="sqs:SendMessage", code="InternalError", status=500)
    put(events)
    cloud.settle(0.2)
    cloud.clock.advance(5)
    assert cloud.settle() == []

    assert len(received(sqs, url)) == 1
