"""EventBridge: events, targets, permissions, retries."""

from __future__ import annotations

import json
from typing import Any

import pytest
from events_stage import (  # noqa: F401 - fixtures are found by name
    FUNCTION,
    USER,
    cloud,
    events,
    lambdas,
    policy_for,
    put,
    queue,
    received,
    rule_to,
    sqs,
)

from sageloop.local_cloud.core.cloud import Cloud
from sageloop.local_cloud.core.errors import AwsError


def test_custom_event_invokes_a_function(cloud: Cloud, events: Any, lambdas: Any) -> None:
    rule = rule_to(events, FUNCTION)

    answer = put(events, Resources=["arn:x"])
    assert cloud.settle() == []

    ((principal, arn, event, source),) = lambdas.calls
    assert (principal, arn, source) == ("events.amazonaws.com", FUNCTION, rule)
    assert event.pop("time").endswith("Z")
    assert event == {
        "version": "0", "id": answer["Entries"][0]["EventId"], "detail-type": "Thing",
        "source": "my.app", "account": "123456789012", "region": "us-east-1",
        "resources": ["arn:x"], "detail": {"n": 1},
    }  # fmt: skip


def test_aws_source_is_refused_for_users(events: Any) -> None:
    answer = put(events, Source="aws.sagemaker")

    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


@pytest.mark.parametrize("detail", ["{", "[1]"])
def test_malformed_detail_is_refused_by_entry(events: Any, detail: str) -> None:
    assert put(events, Detail=detail)["Entries"][0]["ErrorCode"] == "MalformedDetail"


def test_missing_member_is_refused_by_entry(events: Any) -> None:
    answer = events.put_events(Entries=[{"Source": "a", "Detail": "{}"}])

    assert answer["Entries"][0]["ErrorCode"] == "InvalidArgument"
    assert "DetailType" in answer["Entries"][0]["ErrorMessage"]


def test_events_can_be_lost_and_duplicated_by_faults(
    cloud: Cloud, events: Any, lambdas: Any
) -> None:
    rule_to(events, FUNCTION, pattern={"source": ["aws.sagemaker"]})
    bus = cloud.service("events")

    cloud.faults.inject(kind="event", match="State Change", copies=0)
    bus.emit("aws.sagemaker", "State Change", {"a": 1}, resources=[])
    cloud.settle()
    assert lambdas.calls == []

    cloud.faults.inject(kind="event", match="State Change", copies=2)
    bus.emit("aws.sagemaker", "State Change", {"a": 1}, resources=["arn:job"])
    cloud.settle()
    ids = {event["id"] for _, _, event, _ in lambdas.calls}
    assert (len(lambdas.calls), len(ids)) == (2, 1)


def test_event_can_be_late_by_a_fault(cloud: Cloud, events: Any, lambdas: Any) -> None:
    rule_to(events, FUNCTION, pattern={"source": ["aws.sagemaker"]})
    cloud.faults.inject(kind="event", match="State Change", copies=1, delay=600)
    cloud.service("events").emit("aws.sagemaker", "State Change", {"a": 1}, resources=[])
    cloud.settle()
    assert lambdas.calls == []

    cloud.clock.advance(601)
    cloud.settle()
    assert len(lambdas.calls) == 1


def test_disabled_rule_does_not_match(cloud: Cloud, events: Any, lambdas: Any) -> None:
    rule_to(events, FUNCTION)
    events.disable_rule(Name="r")
    put(events)
    cloud.settle()
    assert lambdas.calls == []

    events.enable_rule(Name="r")
    put(events)
    cloud.settle()
    assert len(lambdas.calls) == 1


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ({"Input": '{"fixed": true}'}, {"fixed": True}),
        ({"InputPath": "$.detail"}, {"n": 1}),
        (
            {"InputTransformer": {
                "InputPathsMap": {"n": "$.detail.n", "t": "$.detail-type", "d": "$.detail"},
                "InputTemplate": '{"n": <n>, "text": "it is <t>", "t": <t>, "d": <d>, '
                '"rule": "<aws.events.rule-name>"}',
            }},
            {"n": 1, "text": "it is Thing", "t": "Thing", "d": {"n": 1}, "rule": "r"},
        ),
    ],
)  # fmt: skip
def test_input_of_target_is_transformed(
    cloud: Cloud, events: Any, lambdas: Any, target: dict[str, Any], body: Any
) -> None:
    rule_to(events, FUNCTION, **target)
    put(events)
    cloud.settle()

    assert lambdas.calls[0][2] == body


def test_text_of_several_lines_is_delivered(
    cloud: Cloud, events: Any, sqs: Any, queue: Any
) -> None:
    """What ``RuleTargetInput.from_multiline_text`` of the CDK synthesizes (aws-cdk #1514)."""
    url, arn = queue("lines")
    rule_to(events, arn, InputTransformer={
        "InputPathsMap": {"f1": "$.detail.n"}, "InputTemplate": '"it is <f1>"\n"really"',
    })  # fmt: skip
    put(events)
    cloud.settle()

    assert received(sqs, url)[0]["Body"] == '"it is 1"\n"really"'


def test_original_event_has_a_key_of_its_own_for_the_type(
    cloud: Cloud, events: Any, lambdas: Any
) -> None:
    """Recorded on AWS: detailType, and no detail."""
    template = '{"event": <aws.events.event>, "whole": <aws.events.event.json>}'
    rule_to(events, FUNCTION, InputTransformer={"InputTemplate": template})
    put(events)
    cloud.settle()

    body = lambdas.calls[0][2]
    assert body["event"]["detailType"] == "Thing"
    assert not body["event"].keys() & {"detail", "detail-type"}
    assert body["whole"]["detail"] == {"n": 1}


def test_input_that_is_no_json_once_filled_is_a_dead_letter(
    cloud: Cloud, events: Any, sqs: Any, queue: Any, lambdas: Any
) -> None:
    letters, letters_arn = queue("unfilled")
    rule_to(
        events, FUNCTION, DeadLetterConfig={"Arn": letters_arn},
        InputTransformer={
            "InputPathsMap": {"d": "$.detail.text"}, "InputTemplate": '{"d": "<d>"}',
        },
    )  # fmt: skip
    put(events, Detail=json.dumps({"text": 'a "quote"'}))
    cloud.settle()

    assert lambdas.calls == []
    (letter,) = received(sqs, letters)
    assert "not valid JSON" in letter["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]


def test_queue_without_permission_receives_nothing(
    cloud: Cloud, events: Any, sqs: Any, queue: Any
) -> None:
    url, arn = queue("closed", None)
    letters, letters_arn = queue("letters")
    rule = rule_to(events, arn, DeadLetterConfig={"Arn": letters_arn})
    put(events)
    cloud.settle()

    assert received(sqs, url) == []
    (letter,) = received(sqs, letters)
    attributes = {k: v["StringValue"] for k, v in letter["MessageAttributes"].items()}
    assert attributes["RULE_ARN"] == rule
    assert attributes["TARGET_ARN"] == arn
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
    assert "RETRY_ATTEMPTS" not in attributes
    assert json.loads(letter["Body"])["detail"] == {"n": 1}


def test_queue_receives_the_event(cloud: Cloud, events: Any, sqs: Any, queue: Any) -> None:
    url, arn = queue("open")
    rule_to(events, arn)
    put(events)
    cloud.settle()

    assert json.loads(received(sqs, url)[0]["Body"])["source"] == "my.app"
    (sent,) = cloud.recorder.calls(action="sqs:SendMessage")
    assert sent.principal == "events.amazonaws.com"


def test_source_arn_of_another_rule_is_refused(
    cloud: Cloud, events: Any, sqs: Any, queue: Any
) -> None:
    url, arn = queue("picky", None)
    condition = {"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:123456789012:rule/other"}}
    policy = policy_for("events.amazonaws.com", "sqs:SendMessage", **condition)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    rule_to(events, arn)
    put(events)
    cloud.settle()

    assert received(sqs, url) == []


@pytest.mark.parametrize("wired", [False, True])
def test_key_of_a_queue_must_allow_events(
    cloud: Cloud, events: Any, sqs: Any, queue: Any, wired: bool
) -> None:
    kms = cloud.client("kms", principal=USER)
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
         "Action": "kms:*", "Resource": "*"},
    ]  # fmt: skip
    if wired:
        statements.append(
            {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
             "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*"}
        )  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    key = kms.create_key(Policy=policy)["KeyMetadata"]["KeyId"]
    url, arn = queue("encrypted", KmsMasterKeyId=key)
    rule_to(events, arn)
    put(events)
    cloud.settle()

    assert len(received(sqs, url)) == (1 if wired else 0)


def test_transient_failures_are_retried(cloud: Cloud, events: Any, lambdas: Any) -> None:
    lambdas.failures = [AwsError("ServiceException", "not now", 500)] * 2
    rule_to(events, FUNCTION)
    put(events)
    cloud.settle(0.2)
    cloud.clock.advance(10)
    assert cloud.settle() == []

    assert lambdas.attempts == 3
    assert len(lambdas.calls) == 1


def test_event_with_exhausted_retries_is_sent_to_the_dead_letter_queue(
    cloud: Cloud, events: Any, lambdas: Any, sqs: Any, queue: Any
) -> None:
    url, arn = queue("dead")
    lambdas.failures = [AwsError("ServiceException", "never", 500)] * 9
    rule_to(
        events, FUNCTION, DeadLetterConfig={"Arn": arn}, RetryPolicy={"MaximumRetryAttempts": 1}
    )
    put(events)
    cloud.settle(0.2)
    cloud.clock.advance(60)
    cloud.settle()

    (letter,) = received(sqs, url)
    attributes = {k: v["StringValue"] for k, v in letter["MessageAttributes"].items()}
    assert lambdas.attempts == 2
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert attributes["RETRY_ATTEMPTS"] == "1"


def test_permission_failure_of_a_function_is_not_retried(
    cloud: Cloud, events: Any, lambdas: Any
) -> None:
    lambdas.failures = [AwsError("AccessDeniedException", "no", 403)]
    rule_to(events, FUNCTION)
    put(events)
    assert cloud.settle() == []

    assert lambdas.attempts == 1


def test_topic_log_group_and_other_bus_receive_events(
    cloud: Cloud, events: Any, lambdas: Any, sqs: Any, queue: Any
) -> None:
    logs, sns = cloud.client("logs", principal=USER), cloud.client("sns", principal=USER)
    logs.create_log_group(logGroupName="/aws/events/all")
    document = policy_for("events.amazonaws.com", "logs:*")
    logs.put_resource_policy(policyName="p", policyDocument=document)
    policy = policy_for("events.amazonaws.com", "sns:Publish")
    topic = sns.create_topic(Name="t", Attributes={"Policy": policy})["TopicArn"]
    url, arn = queue("behind-topic", "sns.amazonaws.com")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    other = events.create_event_bus(Name="other")["EventBusArn"]
    events.put_rule(Name="o", EventBusName="other", EventPattern='{"source": ["my.app"]}')
    events.put_targets(Rule="o", EventBusName="other", Targets=[{"Id": "f", "Arn": FUNCTION}])
    rule_to(events, topic)
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/events/all"
    events.put_targets(Rule="r", Targets=[{"Id": "l", "Arn": group}, {"Id": "b", "Arn": other}])
    put(events)
    assert cloud.settle() == []

    notice = json.loads(received(sqs, url)[0]["Body"])
    assert json.loads(notice["Message"])["source"] == "my.app"
    actual = logs.filter_log_events(logGroupName="/aws/events/all")["events"]
    assert json.loads(actual[0]["message"])["source"] == "my.app"
    assert len(lambdas.calls) == 1
    logs.delete_log_group(logGroupName="/aws/events/all")
