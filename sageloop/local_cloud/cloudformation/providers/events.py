"""Amazon EventBridge and EventBridge Scheduler."""

from __future__ import annotations

import json
from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    Step,
    Update,
    setting,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.cloudformation.scalars import scalar_text
from sageloop.local_cloud.core.errors import AwsError

_GONE = names("ResourceNotFoundException")
_TAGS = Tagging(on={"ResourceARN": "{att[Arn]}"})


def _bus(context: ProviderContext) -> dict[str, str]:
    name = {**context.previous, **context.properties}.get("EventBusName")
    return {} if name is None else {"EventBusName": scalar_text(name)}


def _rule_name(context: ProviderContext) -> str:
    return context.id.rpartition("|")[2]


def _put_targets(context: ProviderContext) -> None:
    before = {scalar_text(t["Id"]): t for t in context.previous.get("Targets") or ()}
    after = {scalar_text(t["Id"]): t for t in context.properties.get("Targets") or ()}
    _remove_targets(context, sorted(before.keys() - after.keys()))
    changed = [t for name, t in after.items() if before.get(name) != t]
    if changed:
        answer = context.call(
            "PutTargets", Rule=_rule_name(context), Targets=changed, **_bus(context)
        )
        _refuse_failed(answer)


def _remove_targets(context: ProviderContext, ids: list[str]) -> None:
    if ids:
        answer = context.call("RemoveTargets", Rule=_rule_name(context), Ids=ids, **_bus(context))
        _refuse_failed(answer)


def _refuse_failed(answer: dict[str, Any]) -> None:
    for failed in answer.get("FailedEntries") or ():
        raise AwsError(
            failed.get("ErrorCode", "ValidationException"),
            f"target {failed.get('TargetId')}: {failed.get('ErrorMessage')}",
        )


def _strip_rule(context: ProviderContext) -> None:
    bus = _bus(context)
    targets = context.call("ListTargetsByRule", Rule=_rule_name(context), **bus)
    _remove_targets(context, [t["Id"] for t in targets.get("Targets", ())])
    context.call("DeleteRule", Name=_rule_name(context), **bus)


class _Rule(ApiResource):
    """A rule; on a custom bus its ``Ref`` is ``bus|rule``."""

    def _complete(self, context: ProviderContext) -> None:
        bus = _bus(context).get("EventBusName", "default")
        if bus != "default":
            context.id = f"{bus.rpartition('/')[2]}|{context.name}"
        context.attributes["RuleName"] = context.name
        super()._complete(context)


def _put_rule(context: ProviderContext) -> None:
    taken = names(_RULE)
    desired = {k: v for k, v in context.properties.items() if k in taken}
    context.call("PutRule", Name=_rule_name(context), **_bus(context), **desired)


_RULE = "Description EventPattern RoleArn ScheduleExpression State"


def _statement(context: ProviderContext, params: dict[str, Any]) -> None:
    whole = params.pop("Statement", None)
    if whole is None:
        return
    bus = str(params.get("EventBusName", "default"))
    existing = context.call("DescribeEventBus", Name=bus).get("Policy")
    policy: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
    if existing:
        policy = json.loads(existing)
    sid = params["StatementId"]
    kept = [s for s in policy["Statement"] if s.get("Sid") != sid]
    policy["Statement"] = [*kept, {**whole, "Sid": sid}]
    params.clear()
    params |= {"EventBusName": bus, "Policy": policy}


def _remove_statement(context: ProviderContext) -> None:
    context.call("RemovePermission", StatementId=context.id, **_bus(context))


def _put_statement(context: ProviderContext) -> None:
    params = dict(context.properties)
    _statement(context, params)
    context.call("PutPermission", **params)


_SCHEDULE = (
    "Description EndDate FlexibleTimeWindow GroupName KmsKeyArn ScheduleExpression "
    "ScheduleExpressionTimezone StartDate State Target"
)


def _delete_schedule(context: ProviderContext) -> None:
    group = {**context.previous, **context.properties}.get("GroupName")
    context.call("DeleteSchedule", Name=context.id, GroupName=group)


def _same_group(context: ProviderContext) -> None:
    raise AwsError(
        "NotUpdatable", "a schedule cannot move to another GroupName; give it a new Name"
    )


_BUS = "DeadLetterConfig Description KmsKeyIdentifier LogConfig"

PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::Events::Rule": _Rule(
        service="events",
        create_call="PutRule",
        name=Name(property="Name", param="Name", max_length=64),
        takes=takes(f"EventBusName {_RULE}"),
        attributes={"Arn": "RuleArn"},
        steps=(
            Step(properties=_RULE, apply=_put_rule, on_create=False),
            Step(properties="Targets", apply=_put_targets),
        ),
        tagging=_TAGS,
        before_delete=_strip_rule,
        gone=_GONE,
    ),
    "AWS::Events::EventBus": ApiResource(
        service="events",
        create_call="CreateEventBus",
        takes=takes(f"EventSourceName Name {_BUS}"),
        ref="{prop[Name]}",
        attributes={"Arn": "EventBusArn", "Name": "{id}"},
        steps=(
            setting("Policy", "PutPermission", to="Policy", on={"EventBusName": "{id}"},
                    reset={"Version": "2012-10-17", "Statement": []}),
        ),
        updates=(Update(call="UpdateEventBus", on={"Name": "{id}"}, takes=takes(_BUS),
                        whole=True),),
        tagging=_TAGS,
        delete_call="DeleteEventBus",
        delete_on={"Name": "{id}"},
        gone=_GONE,
    ),
    "AWS::Events::EventBusPolicy": ApiResource(
        service="events",
        create_call="PutPermission",
        takes=takes("Action Condition EventBusName Principal Statement StatementId"),
        prepare=_statement,
        ref="{prop[StatementId]}",
        steps=(Step(properties="Action Condition Principal Statement", apply=_put_statement,
                    on_create=False),),
        before_delete=_remove_statement,
        gone=_GONE,
    ),
    "AWS::Scheduler::Schedule": ApiResource(
        service="scheduler",
        create_call="CreateSchedule",
        name=Name(property="Name", param="Name", max_length=64),
        takes=takes(_SCHEDULE),
        attributes={"Arn": "ScheduleArn"},
        updates=(Update(call="UpdateSchedule", on={"Name": "{id}"}, whole=True,
                        takes=takes(_SCHEDULE)),),
        steps=(Step(properties="GroupName", apply=_same_group, on_create=False),),
        before_delete=_delete_schedule,
        gone=_GONE,
    ),
    "AWS::Scheduler::ScheduleGroup": ApiResource(
        service="scheduler",
        create_call="CreateScheduleGroup",
        name=Name(property="Name", param="Name", max_length=64),
        attributes={"Arn": "ScheduleGroupArn"},
        tagging=Tagging(on={"ResourceArn": "{att[Arn]}"}),
        delete_call="DeleteScheduleGroup",
        delete_on={"Name": "{id}"},
        gone=_GONE,
    ),
}  # fmt: skip
