"""What Lambda does with a function's role is decided; what the cloud reads for itself is not."""

from __future__ import annotations

import logging

import pytest
from access_stage import REGION, Access, access, allow, denied, enforced, function, queue
from roles import ACCOUNT, LAMBDA, trust

from sageloop.local_cloud.access.caller import INTERNAL
from sageloop.local_cloud.access.enforcement.mode import AccessMode

__all__ = ["access", "enforced"]

LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


def lines(access: Access, name: str) -> list[str] | None:
    """The log of a function; ``None`` if it has no log group."""
    access.settle()
    logs = access.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return None
    return [event["message"] for event in events]


def invoke(access: Access, name: str) -> None:
    access.client("lambda").invoke(FunctionName=name, Payload=b"{}")


def test_function_writes_its_log_with_its_role(access: Access) -> None:
    role = access.role(trust(LAMBDA), allow(*LOGS, sid="Log"))
    name = function(access, role)

    invoke(access, name)
    invoke(access, name)

    assert len([line for line in lines(access, name) or [] if line.startswith("START")]) == 2
    counts = {
        action: sum(d.count for d in access.decisions(action, role) if d.source == "own Log")
        for action in LOGS
    }
    assert counts == dict(zip(LOGS, (1, 1, 2), strict=True))


@pytest.mark.parametrize("missing", LOGS)
def test_function_whose_role_may_not_write_has_no_log(
    access: Access, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = function(access, access.role(
        trust(LAMBDA), allow(*(action for action in LOGS if action != missing))
    ))  # fmt: skip

    with caplog.at_level(logging.WARNING):
        invoke(access, name)
        invoke(access, name)

    assert lines(access, name) is None
    warnings = [record.message for record in caplog.records if f"lambda:{name}" in record.message]
    assert len(warnings) == 1
    assert f"is not authorized to perform: {missing}" in warnings[0]


def test_role_without_create_log_group_writes_into_an_existing_group(access: Access) -> None:
    name = function(access, access.role(trust(LAMBDA), allow(*LOGS[1:])))
    access.client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")

    invoke(access, name)

    assert lines(access, name)


def test_log_of_a_group_that_was_deleted_is_no_denial(access: Access) -> None:
    role = access.role(trust(LAMBDA), allow(*LOGS[1:]))
    name = function(access, role)
    group = f"/aws/lambda/{name}"
    access.client("logs").create_log_group(logGroupName=group)
    invoke(access, name)
    lines(access, name)
    access.client("logs").delete_log_group(logGroupName=group)

    invoke(access, name)

    assert lines(access, name) is None
    assert {d.effect for d in access.decisions("logs:PutLogEvents", role)} == {"allowed"}
    assert access.decisions("logs:CreateLogGroup", role) == []


def test_logs_are_written_when_access_is_warned_of(access: Access) -> None:
    role = access.role(trust(LAMBDA))
    name = function(access, role)
    access.cloud.authorizer.mode = AccessMode.WARN

    invoke(access, name)

    assert lines(access, name)
    assert {d.effect for d in access.decisions("logs:PutLogEvents", role)} == {"implicitDeny"}


@pytest.mark.parametrize("action", ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"])
def test_mapping_requires_the_role_to_poll_the_queue(access: Access, action: str) -> None:
    arn = queue(access, [])
    polling = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    role = access.role(trust(LAMBDA), allow(*sorted(polling - {f"sqs:{action}"}), on=arn))
    create = access.client("lambda").create_event_source_mapping

    code, message = denied(create, FunctionName=function(access, role), EventSourceArn=arn)

    assert code == "InvalidParameterValueException"
    assert message == (
        f"The provided execution role does not have permissions to call {action} on SQS"
    )


def test_mapping_whose_role_loses_the_queue_names_the_problem(access: Access) -> None:
    arn = queue(access, [])
    role = access.role(trust(LAMBDA), allow("sqs:*", on=arn))
    lambdas = access.client("lambda")
    made = lambdas.create_event_source_mapping(
        FunctionName=function(access, role), EventSourceArn=arn
    )
    access.settle()

    access.client("iam").delete_role_policy(RoleName=role.rpartition("/")[2], PolicyName="own")
    access.client("sqs").send_message(
        QueueUrl=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{arn.rpartition(':')[2]}",
        MessageBody="x",
    )
    access.settle()

    result = lambdas.get_event_source_mapping(UUID=made["UUID"])["StateTransitionReason"]
    assert result.startswith("PROBLEM: ")
    assert "sqs:ReceiveMessage" in result
    lambdas.delete_event_source_mapping(UUID=made["UUID"])


def test_function_requires_its_role_to_send_dead_letters(access: Access) -> None:
    arn = queue(access, [])
    letters = {"DeadLetterConfig": {"TargetArn": arn}}

    function(access, access.role(trust(LAMBDA), allow("sqs:SendMessage", on=arn)), **letters)
    code, message = denied(function, access=access, role=access.role(trust(LAMBDA)), **letters)

    assert code == "InvalidParameterValueException"
    assert message == (
        "The provided execution role does not have permissions to call SendMessage on SQS"
    )


def test_traced_function_requires_its_role_to_upload_traces(access: Access) -> None:
    traced = {"TracingConfig": {"Mode": "Active"}}

    function(access, access.role(trust(LAMBDA), allow("xray:PutTraceSegments")), **traced)
    code, message = denied(function, access=access, role=access.role(trust(LAMBDA)), **traced)

    assert code == "InvalidParameterValueException"
    assert message == (
        "The provided execution role does not have permissions to call PutTraceSegments on XRAY"
    )


def test_function_requires_its_role_to_create_interfaces(access: Access) -> None:
    ec2 = access.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    network = {"VpcConfig": {"SubnetIds": [subnet], "SecurityGroupIds": ["sg-1"]}}
    interfaces = ("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces",
                  "ec2:DeleteNetworkInterface")  # fmt: skip

    function(access, access.role(trust(LAMBDA), allow(*interfaces)), **network)
    _, message = denied(
        function, access=access, role=access.role(trust(LAMBDA), allow(*interfaces[:2])), **network
    )

    assert message == (
        "The provided execution role does not have permissions to call DeleteNetworkInterface "
        "on EC2"
    )


def test_call_that_the_service_has_decided_is_carried_out(access: Access) -> None:
    role = access.role(trust(LAMBDA))
    name = access.name("b")
    decided = access.cloud.client("s3", principal=role, decided=True)
    undecided = access.cloud.client("s3", principal=role)

    decided.create_bucket(Bucket=name)
    code, _ = denied(undecided.delete_bucket, Bucket=name)

    assert code == "AccessDenied"
    assert access.decisions("s3:CreateBucket", role) == []


def test_what_the_cloud_reads_for_itself_is_not_decided(access: Access) -> None:
    access.cloud.client("iam", principal=INTERNAL).list_roles()

    assert INTERNAL not in {d.principal for d in access.cloud.authorizer.log.records()}
