"""Deliveries of services are decided by the policies of targets, keys and roles."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from access_stage import (
    REGION,
    Access,
    access,
    allow,
    document,
    enforced,
    function,
    function_arn,
    messages,
    queue,
)  # fmt: skip
from roles import ACCOUNT, EVENTS, LAMBDA, SCHEDULER, trust

from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.events.permissions import admits

__all__ = ["access", "enforced"]

RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/own"
OTHER = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/other"

Target = Callable[[Access, list[dict[str, Any]]], str]


def admitting(action: str, **more: Any) -> dict[str, Any]:
    """A statement of a resource's policy that lets EventBridge act for the own rule."""
    condition = {"ArnEquals": {"aws:SourceArn": RULE}, "StringEquals": {
        "aws:SourceAccount": ACCOUNT}, "Bool": {"aws:SecureTransport": "true"}}  # fmt: skip
    return allow(action, Principal={"Service": EVENTS}, Condition=condition) | more


def topic(access: Access, statements: list[dict[str, Any]]) -> str:
    policy = json.dumps(document(*statements))
    made = access.client("sns").create_topic(Name=access.name("t"), Attributes={"Policy": policy})
    return str(made["TopicArn"])


def log_group(access: Access, statements: list[dict[str, Any]]) -> str:
    name = access.name("g")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"
    access.client("logs").create_log_group(logGroupName=name)
    own = [statement | {"Resource": f"{arn}:*"} for statement in statements]
    access.client("logs").put_resource_policy(
        policyName=name, policyDocument=json.dumps(document(*own))
    )
    return arn


TARGETS = {
    "sqs:SendMessage": queue, "sns:Publish": topic, "logs:*": log_group,
}  # fmt: skip


@pytest.fixture(params=TARGETS.items(), ids=TARGETS)
def target(request: pytest.FixtureRequest) -> tuple[str, Target]:
    chosen: tuple[str, Target] = request.param
    return chosen


def test_service_delivers_for_the_resource_of_the_condition(
    access: Access, target: tuple[str, Target]
) -> None:
    action, make = target
    arn = make(access, [admitting(action)])

    assert admits(access.cloud, EVENTS, arn, RULE) is None
    assert {d.source.rpartition(" ")[2] for d in access.cloud.authorizer.log.records()
            if d.principal == EVENTS and arn in d.resource} == {"Own"}  # fmt: skip


def test_service_does_not_deliver_for_another_resource(
    access: Access, target: tuple[str, Target]
) -> None:
    action, make = target
    arn = make(access, [admitting(action)])

    refusal = admits(access.cloud, EVENTS, arn, OTHER)

    assert refusal is not None
    assert f"does not allow {EVENTS} to call {action.split(':')[0]}:" in refusal


def test_refused_delivery_names_the_statement(access: Access, target: tuple[str, Target]) -> None:
    action, make = target
    arn = make(access, [admitting(action), admitting(action, Effect="Deny", Sid="Never")])

    refusal = admits(access.cloud, EVENTS, arn, RULE)

    assert refusal is not None
    assert "(statement Never)" in refusal


def test_delivery_that_is_warned_of_is_recorded_as_denied(
    access: Access, target: tuple[str, Target]
) -> None:
    arn = target[1](access, [admitting(target[0])])
    access.cloud.authorizer.mode = AccessMode.WARN

    assert admits(access.cloud, EVENTS, arn, OTHER) is None
    effects = {d.effect for d in access.cloud.authorizer.log.records()
               if d.principal == EVENTS and arn in d.resource}  # fmt: skip
    assert effects == {"implicitDeny"}


def test_every_delivery_is_admitted_when_access_is_off(
    access: Access, target: tuple[str, Target]
) -> None:
    arn = target[1](access, [admitting(target[0])])
    access.cloud.authorizer.mode = AccessMode.OFF

    assert admits(access.cloud, EVENTS, arn, OTHER) is None
    assert not [d for d in access.cloud.authorizer.log.records() if arn in d.resource and
                d.principal == EVENTS]  # fmt: skip


def key(access: Access, *statements: dict[str, Any]) -> str:
    root = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, sid="Account")
    made = access.client("kms").create_key(Policy=json.dumps(document(root, *statements)))
    return str(made["KeyMetadata"]["Arn"])


def use_of_key(**condition: str) -> dict[str, Any]:
    return allow(
        "kms:GenerateDataKey", "kms:Decrypt", Principal={"Service": EVENTS}, sid="Use",
        Condition={"StringEquals": condition},
    )  # fmt: skip


def test_service_uses_the_key_of_a_queue_through_the_queue_service(access: Access) -> None:
    condition = {"kms:ViaService": f"sqs.{REGION}.amazonaws.com", "aws:SourceAccount": ACCOUNT}
    encrypted = key(access, use_of_key(**condition))
    arn = queue(access, [admitting("sqs:SendMessage")], KmsMasterKeyId=encrypted)

    assert admits(access.cloud, EVENTS, arn, RULE) is None
    (decision,) = access.decisions("kms:GenerateDataKey", EVENTS)
    assert decision.source == f"policy of {encrypted} Use"
    assert decision.context["kms:encryptioncontext:aws:sqs:arn"] == [arn]


def test_service_without_the_key_of_a_queue_does_not_deliver(access: Access) -> None:
    encrypted = key(access, use_of_key(**{"kms:ViaService": f"sns.{REGION}.amazonaws.com"}))
    arn = queue(access, [admitting("sqs:SendMessage")], KmsMasterKeyId=encrypted)

    refusal = admits(access.cloud, EVENTS, arn, RULE)

    assert refusal is not None
    assert f"the policy of the key {encrypted}" in refusal


def permit(access: Access, name: str, **members: str) -> None:
    access.client("lambda").add_permission(
        FunctionName=name, StatementId="Own", Action="lambda:InvokeFunction", Principal=EVENTS,
        SourceArn=RULE, **members,
    )  # fmt: skip


def test_policy_of_a_function_admits_the_rule_of_its_statement(access: Access) -> None:
    name = function(access, access.role(trust(LAMBDA)))
    permit(access, name)

    assert admits(access.cloud, EVENTS, function_arn(name), RULE) is None
    assert admits(access.cloud, EVENTS, function_arn(name), OTHER) is not None


def test_policy_of_a_version_is_its_own(access: Access) -> None:
    name = function(access, access.role(trust(LAMBDA)), Publish=True)
    permit(access, name, Qualifier="1")

    assert admits(access.cloud, EVENTS, function_arn(name, "1"), RULE) is None
    assert admits(access.cloud, EVENTS, function_arn(name), RULE) is not None


def test_function_is_not_invoked_for_another_rule(access: Access) -> None:
    name = function(access, access.role(trust(LAMBDA)))
    permit(access, name)
    invoke = access.cloud.services.functions.invoke_for

    invoke(EVENTS, function_arn(name), b"{}", RULE)
    with pytest.raises(Exception, match=r"no resource-based policy .* \(on behalf of .*other\)"):
        invoke(EVENTS, function_arn(name), b"{}", OTHER)


def test_target_with_a_role_needs_the_trust_at_each_delivery(access: Access) -> None:
    arn = queue(access, [])
    dead = queue(access, [allow("sqs:SendMessage", Principal={"Service": EVENTS})])
    role = access.role(trust(EVENTS), allow("sqs:SendMessage", on=arn))
    events, name = access.client("events"), access.name("rule")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[
        {"Id": "t", "Arn": arn, "RoleArn": role, "DeadLetterConfig": {"Arn": dead}}
    ])  # fmt: skip
    entry = {"Source": name, "DetailType": "x", "Detail": "{}"}

    events.put_events(Entries=[entry])
    access.settle()
    access.client("iam").update_assume_role_policy(
        RoleName=role.rpartition("/")[2], PolicyDocument=json.dumps(trust(LAMBDA))
    )
    events.put_events(Entries=[entry])
    access.settle()

    assert len(messages(access, arn)) == 1
    (letter,) = messages(access, dead)
    attributes = letter["MessageAttributes"]
    assert attributes["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert "sts:AssumeRole" in attributes["ERROR_MESSAGE"]["StringValue"]


def test_bus_as_a_target_requires_put_events_of_the_role(access: Access) -> None:
    events, name = access.client("events"), access.name("bus")
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    dead = queue(access, [allow("sqs:SendMessage", Principal={"Service": EVENTS})])
    role = access.role(trust(EVENTS), allow("events:PutEvents", on=f"{bus}-other"))
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[
        {"Id": "t", "Arn": bus, "RoleArn": role, "DeadLetterConfig": {"Arn": dead}}
    ])  # fmt: skip

    events.put_events(Entries=[{"Source": name, "DetailType": "x", "Detail": "{}"}])
    access.settle()

    (letter,) = messages(access, dead)
    assert "events:PutEvents" in letter["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]


def test_schedule_assumes_its_role_for_its_group(access: Access) -> None:
    arn, group = queue(access, []), access.name("group")
    source = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{group}"
    trusted = trust(SCHEDULER, ArnEquals={"aws:SourceArn": source})
    role = access.role(trusted, allow("sqs:SendMessage", on=arn))
    scheduler = access.client("scheduler")
    scheduler.create_schedule_group(Name=group)
    scheduler.create_schedule(
        Name="s", GroupName=group, ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": arn, "RoleArn": role},
    )  # fmt: skip

    access.cloud.clock.advance(3700)
    access.settle()

    assert len(messages(access, arn)) == 1
    scheduler.delete_schedule(Name="s", GroupName=group)
