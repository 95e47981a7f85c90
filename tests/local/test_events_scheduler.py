"""EventBridge Scheduler through boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from roles import ACCOUNT, SCHEDULER, USER, delete_role, make_role, trust

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, Service, operation
from sageloop.local_cloud.events.scheduler import SchedulerService
from sageloop.local_cloud.events.service import EventsService

ROLE = "arn:aws:iam::123456789012:role/scheduler-role"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


class FakeLambda(Service):
    """Accepts invocations by roles, or fails as configured."""

    model = "lambda"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.calls: list[tuple[str, str]] = []
        self.failure: AwsError | None = None

    @operation("Invoke")
    def invoke(self, call: Call) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        self.calls.append((call.principal, call.request.get_data().decode()))
        return {"StatusCode": 202}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud(CloudConfig())
    made.add([EventsService(made), SchedulerService(made), FakeLambda(made)])
    made.start()
    iam = made.client("iam", principal=USER)
    trusted = trust(SCHEDULER, StringEquals={"aws:SourceAccount": ACCOUNT})
    make_role(iam, "scheduler-role", trusted, "lambda:InvokeFunction", "sqs:SendMessage")
    yield made
    delete_role(iam, "scheduler-role")
    made.stop()


@pytest.fixture
def scheduler(cloud: Cloud) -> Any:
    return cloud.client("scheduler", principal=USER)


@pytest.fixture
def lambdas(cloud: Cloud) -> FakeLambda:
    service: FakeLambda = cloud.service("lambda")
    return service


def create(scheduler: Any, expression: str, **members: Any) -> str:
    target = {"Arn": FUNCTION, "RoleArn": ROLE} | members.pop("Target", {})
    made = scheduler.create_schedule(
        Name="s", ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"},
        Target=target, **members,
    )  # fmt: skip
    return str(made["ScheduleArn"])


def test_rate_invokes_the_target_with_the_role(cloud: Cloud, scheduler: Any, lambdas: Any) -> None:
    arn = create(scheduler, "rate(10 minutes)")
    cloud.clock.advance(20 * 60 + 1)
    assert cloud.settle() == []

    assert len(lambdas.calls) == 2
    principal, payload = lambdas.calls[0]
    assert "scheduler-role" in principal
    event = json.loads(payload)
    assert event["source"] == "aws.scheduler"
    assert event["resources"] == [arn]


def test_input_contains_the_scheduled_time(cloud: Cloud, scheduler: Any, lambdas: Any) -> None:
    arn = create(
        scheduler, "rate(1 minute)",
        Target={"Input": '{"arn": "<aws.scheduler.schedule-arn>", '
                         '"at": "<aws.scheduler.scheduled-time>"}'},
    )  # fmt: skip
    cloud.clock.advance(61)
    cloud.settle()

    event = json.loads(lambdas.calls[0][1])
    assert event["arn"] == arn
    assert event["at"].endswith("Z")


def test_one_time_schedule_fires_once_and_is_deleted(
    cloud: Cloud, scheduler: Any, lambdas: Any
) -> None:
    when = (cloud.clock.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
    create(scheduler, f"at({when})", ActionAfterCompletion="DELETE")
    cloud.clock.advance(7200)
    cloud.settle()

    assert len(lambdas.calls) == 1
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name="s")


def test_time_zone_is_applied(cloud: Cloud, scheduler: Any, lambdas: Any) -> None:
    create(
        scheduler, "cron(30 9 * * ? *)", ScheduleExpressionTimezone="Asia/Tokyo",
        Target={"Input": '"<aws.scheduler.scheduled-time>"'},
    )  # fmt: skip
    cloud.clock.advance(24 * 3600)
    cloud.settle()

    assert "T00:30:00Z" in lambdas.calls[0][1]


def test_start_and_end_limit_a_rate(cloud: Cloud, scheduler: Any, lambdas: Any) -> None:
    start = cloud.clock.now() + timedelta(hours=1)
    end = start + timedelta(minutes=21)
    create(scheduler, "rate(10 minutes)", StartDate=start, EndDate=end)
    cloud.clock.advance(5 * 3600)
    cloud.settle()

    assert len(lambdas.calls) == 3


def test_disabled_schedule_does_not_fire_until_updated(
    cloud: Cloud, scheduler: Any, lambdas: Any
) -> None:
    create(scheduler, "rate(1 minute)", State="DISABLED")
    cloud.clock.advance(600)
    cloud.settle()
    assert lambdas.calls == []

    scheduler.update_schedule(
        Name="s", ScheduleExpression="rate(1 minute)", FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": FUNCTION, "RoleArn": ROLE},
    )  # fmt: skip
    cloud.clock.advance(61)
    cloud.settle()
    assert len(lambdas.calls) == 1


def test_failed_event_is_sent_to_the_dead_letter_queue(
    cloud: Cloud, scheduler: Any, lambdas: Any
) -> None:
    sqs = cloud.client("sqs", principal=USER)
    url = sqs.create_queue(QueueName="schedule-dlq")["QueueUrl"]
    lambdas.failure = AwsError("ResourceNotFoundException", "no function", 404)
    arn = create(
        scheduler, "rate(1 minute)",
        Target={"DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:schedule-dlq"}},
    )  # fmt: skip
    cloud.clock.advance(61)
    cloud.settle()

    (letter,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    attributes = {k: v["StringValue"] for k, v in letter["MessageAttributes"].items()}
    assert attributes["SCHEDULE_ARN"] == arn
    assert attributes["ERROR_CODE"] == "ResourceNotFoundException"
    sqs.delete_queue(QueueUrl=url)


def test_role_that_does_not_trust_scheduler_is_refused(scheduler: Any) -> None:
    role = "arn:aws:iam::123456789012:role/missing"
    with pytest.raises(scheduler.exceptions.ValidationException, match="to assume the role"):
        create(scheduler, "rate(1 minute)", Target={"RoleArn": role})


def test_second_schedule_with_the_same_name_is_refused(scheduler: Any) -> None:
    create(scheduler, "rate(1 minute)")
    with pytest.raises(scheduler.exceptions.ConflictException):
        create(scheduler, "rate(1 minute)")


@pytest.mark.parametrize("expression", ["rate(0 minutes)", "cron(* * * * * *)", "at(tomorrow)"])
def test_invalid_expression_is_refused(scheduler: Any, expression: str) -> None:
    with pytest.raises(ClientError, match="Invalid Schedule Expression"):
        create(scheduler, expression)


def test_unsupported_target_is_refused_by_name(scheduler: Any) -> None:
    arn = "arn:aws:scheduler:::aws-sdk:sagemaker:createTrainingJob"
    with pytest.raises(ClientError, match="do not support the target arn:aws:scheduler"):
        create(scheduler, "rate(1 minute)", Target={"Arn": arn})


def test_schedule_is_described_as_created(scheduler: Any) -> None:
    create(scheduler, "rate(1 minute)", Description="d")
    actual = scheduler.get_schedule(Name="s")

    assert actual["ScheduleExpression"] == "rate(1 minute)"
    assert actual["Description"] == "d"
    assert actual["State"] == "ENABLED"
    assert actual["GroupName"] == "default"
    assert actual["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 185
    assert [s["Name"] for s in scheduler.list_schedules()["Schedules"]] == ["s"]


def test_deleted_group_deletes_its_schedules(scheduler: Any, cloud: Cloud, lambdas: Any) -> None:
    group = scheduler.create_schedule_group(Name="g", Tags=[{"Key": "k", "Value": "v"}])
    create(scheduler, "rate(1 minute)", GroupName="g")
    arn = group["ScheduleGroupArn"]
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [
        {"Key": "k", "Value": "v"}
    ]  # fmt: skip

    scheduler.delete_schedule_group(Name="g")
    cloud.clock.advance(300)
    cloud.settle()

    assert lambdas.calls == []
    assert [g["Name"] for g in scheduler.list_schedule_groups()["ScheduleGroups"]] == ["default"]
