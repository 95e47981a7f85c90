"""EventBridge through boto3: rules, targets, inputs, permissions, retries, dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Service
from sageloop.local_cloud.events.permissions import admits
from sageloop.local_cloud.events.service import EventsService

USER = "arn:aws:iam::123456789012:role/tester"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


class FakeLambda(Service):
    """Takes invocations by services, or fails as told."""

    model = "lambda"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.calls: list[tuple[str, str, Any, str]] = []
        self.attempts = 0
        self.failures: list[AwsError] = []

    def invoke_for(self, principal: str, arn: str, payload: bytes, source_arn: str) -> None:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        self.calls.append((principal, arn, json.loads(payload), source_arn))


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud(CloudConfig())
    made.add([EventsService(made), FakeLambda(made)])
    made.start()
    yield made
    made.stop()


@pytest.fixture
def events(cloud: Cloud) -> Any:
    return cloud.client("events", principal=USER)


@pytest.fixture
def lambdas(cloud: Cloud) -> FakeLambda:
    service: FakeLambda = cloud.service("lambda")
    return service


@pytest.fixture
def sqs(cloud: Cloud) -> Any:
    return cloud.client("sqs", principal=USER)


def policy_for(service: str, action: str, **condition: Any) -> str:
    statement = {
        "Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": "*",
    }  # fmt: skip
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def queue(sqs: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., tuple[str, str]]]:
    urls = []

    def make(name: str, service: str | None = "events.amazonaws.com", **attributes: str) -> Any:
        if service:
            attributes["Policy"] = policy_for(service, "sqs:SendMessage")
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        urls.append(url)
        return url, f"arn:aws:sqs:us-east-1:123456789012:{name}"

    yield make
    for url in urls:
        sqs.delete_queue(QueueUrl=url)


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


def put(events: Any, **members: Any) -> Any:
    entry = {"Source": "my.app", "DetailType": "Thing", "Detail": '{"n": 1}'} | members
    return events.put_events(Entries=[entry])


def rule_to(events: Any, arn: str, *, pattern: Any = None, **target: Any) -> str:
    text = json.dumps({"source": ["my.app"]} if pattern is None else pattern)
    made = events.put_rule(Name="r", EventPattern=text)["RuleArn"]
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": arn} | target])
    return str(made)


def test_event_of_a_user_reaches_a_function(cloud: Cloud, events: Any, lambdas: Any) -> None:
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


def test_users_may_not_speak_for_aws(events: Any) -> None:
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


def test_emitted_events_can_be_lost_and_doubled(cloud: Cloud, events: Any, lambdas: Any) -> None:
    rule_to(events, FUNCTION, pattern={"source": ["aws.sagemaker"]})
    bus = cloud.service("events")

    cloud.faults.order(kind="event", match="State Change", copies=0)
    bus.emit("aws.sagemaker", "State Change", {"a": 1}, resources=[])
    cloud.settle()
    assert lambdas.calls == []

    cloud.faults.order(kind="event", match="State Change", copies=2)
    bus.emit("aws.sagemaker", "State Change", {"a": 1}, resources=["arn:job"])
    cloud.settle()
    ids = {event["id"] for _, _, event, _ in lambdas.calls}
    assert (len(lambdas.calls), len(ids)) == (2, 1)


def test_disabled_rule_is_silent(cloud: Cloud, events: Any, lambdas: Any) -> None:
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
    ("target", "given"),
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
def test_input_is_shaped(
    cloud: Cloud, events: Any, lambdas: Any, target: dict[str, Any], given: Any
) -> None:
    rule_to(events, FUNCTION, **target)
    put(events)
    cloud.settle()

    assert lambdas.calls[0][2] == given


def test_queue_without_permission_takes_nothing(
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


def test_queue_takes_the_event(cloud: Cloud, events: Any, sqs: Any, queue: Any) -> None:
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
def test_key_of_a_queue_must_admit_events(
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


def test_exhausted_retries_end_in_the_queue(
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


def test_topic_and_log_group_and_other_bus(
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
    found = logs.filter_log_events(logGroupName="/aws/events/all")["events"]
    assert json.loads(found[0]["message"])["source"] == "my.app"
    assert len(lambdas.calls) == 1
    logs.delete_log_group(logGroupName="/aws/events/all")


def test_unsupported_target_is_refused_by_name(events: Any) -> None:
    events.put_rule(Name="r", EventPattern='{"source": ["a"]}')
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:m"

    with pytest.raises(ClientError, match=f"does not deliver to {arn}"):
        events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": arn}])


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

    given = [event for _, _, event, _ in lambdas.calls]
    assert [event["detail-type"] for event in given] == ["Scheduled Event"] * 3
    assert given[0]["resources"] == [arn]
    assert given[0]["time"] < given[1]["time"] < given[2]["time"]


def test_disabled_schedule_is_silent(cloud: Cloud, events: Any, lambdas: Any) -> None:
    events.put_rule(Name="s", ScheduleExpression="rate(1 minute)", State="DISABLED")
    events.put_targets(Rule="s", Targets=[{"Id": "t", "Arn": FUNCTION}])
    cloud.clock.advance(600)
    cloud.settle()

    assert lambdas.calls == []


def test_a_jump_fires_a_thousand_at_most(cloud: Cloud, events: Any, lambdas: Any) -> None:
    events.put_rule(Name="s", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="s", Targets=[{"Id": "t", "Arn": FUNCTION}])
    cloud.clock.advance(5_000 * 60)
    cloud.settle()

    assert 1000 <= len(lambdas.calls) <= 1001


def test_bad_schedule_is_refused(events: Any) -> None:
    with pytest.raises(ClientError, match="ScheduleExpression is not valid"):
        events.put_rule(Name="s", ScheduleExpression="rate(1 minutes)")


def test_bus_permissions_are_stored(events: Any) -> None:
    events.put_permission(Action="events:PutEvents", Principal="111122223333", StatementId="s")
    policy = json.loads(events.describe_event_bus()["Policy"])
    assert policy["Statement"][0]["Sid"] == "s"

    events.remove_permission(StatementId="s")
    assert "Policy" not in events.describe_event_bus()


def test_pattern_can_be_tried(events: Any) -> None:
    event = {
        "id": "1", "detail-type": "t", "source": "a", "account": "1",
        "time": "2026-01-01T00:00:00Z", "region": "r", "resources": [],
    }  # fmt: skip

    answer = events.test_event_pattern(
        EventPattern='{"source": [{"prefix": "a"}]}', Event=json.dumps(event)
    )

    assert answer["Result"] is True


def test_buses_live_and_change(events: Any) -> None:
    events.create_event_bus(Name="mine", Description="a")
    events.update_event_bus(Name="mine", Description="b")
    assert events.describe_event_bus(Name="mine")["Description"] == "b"
    assert [b["Name"] for b in events.list_event_buses()["EventBuses"]] == ["default", "mine"]

    with pytest.raises(events.exceptions.ResourceAlreadyExistsException):
        events.create_event_bus(Name="mine")
    events.delete_event_bus(Name="mine")
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.describe_event_bus(Name="mine")


def test_default_topic_policy_admits_alarms_only(cloud: Cloud) -> None:
    sns = cloud.client("sns", principal=USER)
    topic = sns.create_topic(Name="plain")["TopicArn"]

    assert admits(cloud, "cloudwatch.amazonaws.com", topic, "arn:alarm") is None
    refusal = admits(cloud, "events.amazonaws.com", topic, "arn:rule")
    assert refusal is not None
    assert "does not let events.amazonaws.com sns:Publish" in refusal


def test_key_of_aws_admits_no_service(cloud: Cloud) -> None:
    sns = cloud.client("sns", principal=USER)
    attributes = {"KmsMasterKeyId": "alias/aws/sns"}
    topic = sns.create_topic(Name="managed", Attributes=attributes)["TopicArn"]

    refusal = admits(cloud, "cloudwatch.amazonaws.com", topic, "arn:alarm")

    assert refusal is not None
    assert "alias/aws/sns" in refusal


def test_missing_target_is_a_reason(cloud: Cloud) -> None:
    gone = "arn:aws:sqs:us-east-1:123456789012:gone"

    refusal = admits(cloud, "events.amazonaws.com", gone, "arn:rule")

    assert refusal is not None
    assert "cannot be reached" in refusal


def test_refused_call_of_a_target_is_retried_when_ordered(
    cloud: Cloud, events: Any, sqs: Any, queue: Any
) -> None:
    url, arn = queue("flaky")
    rule_to(events, arn)
    cloud.faults.order(kind="call", match="sqs:SendMessage", code="InternalError", status=500)
    put(events)
    cloud.settle(0.2)
    cloud.clock.advance(5)
    assert cloud.settle() == []

    assert len(received(sqs, url)) == 1
