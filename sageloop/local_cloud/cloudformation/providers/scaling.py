"""Application Auto Scaling."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import ApiResource, Step, Update, takes
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging

_GONE = names("ObjectNotFoundException")
_WHICH = "ResourceId ScalableDimension ServiceNamespace"
_TARGET = {name: f"{{prop[{name}]}}" for name in _WHICH.split()}
_LIMITS = "MaxCapacity MinCapacity RoleARN SuspendedState"
_POLICY = "PolicyType StepScalingPolicyConfiguration TargetTrackingScalingPolicyConfiguration"


def _schedule(context: ProviderContext) -> None:
    target = context.fill(_TARGET)
    before = {a["ScheduledActionName"] for a in context.previous.get("ScheduledActions") or ()}
    desired = context.properties.get("ScheduledActions") or ()
    for name in sorted(before - {a["ScheduledActionName"] for a in desired}):
        context.call("DeleteScheduledAction", ScheduledActionName=name, **target)
    for action in desired:
        context.call("PutScheduledAction", **target, **action)


def _which(context: ProviderContext) -> dict[str, Any]:
    properties = {**context.previous, **context.properties}
    target = properties.get("ScalingTargetId")
    if target is not None:
        return dict(zip(_WHICH.split(), str(target).split("|"), strict=True))
    return {name: properties[name] for name in _WHICH.split()}


def _of_target(context: ProviderContext, params: dict[str, Any]) -> None:
    params.pop("ScalingTargetId", None)
    params |= _which(context)


def _put_policy(context: ProviderContext) -> None:
    desired = {k: v for k, v in context.properties.items() if k in _POLICY.split()}
    name = context.properties["PolicyName"]
    context.call("PutScalingPolicy", PolicyName=name, **_which(context), **desired)


def _delete_policy(context: ProviderContext) -> None:
    name = {**context.previous, **context.properties}["PolicyName"]
    context.call("DeleteScalingPolicy", PolicyName=name, **_which(context))


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": ApiResource(
        service="application-autoscaling",
        create_call="RegisterScalableTarget",
        takes=takes(f"{_WHICH} {_LIMITS}"),
        ref="{prop[ResourceId]}|{prop[ScalableDimension]}|{prop[ServiceNamespace]}",
        attributes={"Id": "{id}", "ScalableTargetARN": "ScalableTargetARN"},
        steps=(Step(properties="ScheduledActions", apply=_schedule),),
        updates=(
            Update(call="RegisterScalableTarget", on=_TARGET, takes=takes(_LIMITS), whole=True),
        ),
        tagging=Tagging(as_map=True, on={"ResourceARN": "{att[ScalableTargetARN]}"}),
        delete_call="DeregisterScalableTarget",
        delete_on=_TARGET,
        gone=_GONE,
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ApiResource(
        service="application-autoscaling",
        create_call="PutScalingPolicy",
        takes=takes(f"{_WHICH} PolicyName ScalingTargetId {_POLICY}"),
        prepare=_of_target,
        ref="PolicyARN",
        attributes={"Arn": "{id}"},
        steps=(Step(properties=_POLICY, apply=_put_policy, on_create=False),),
        before_delete=_delete_policy,
        gone=_GONE,
    ),
}
