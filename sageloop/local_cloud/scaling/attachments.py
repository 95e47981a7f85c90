"""Scaling policies and scheduled actions of scalable targets."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.scaling import checks, timetable, tracking
from sageloop.local_cloud.scaling.model import STEP, TRACKING, Attached, Store, TargetKey
from sageloop.local_cloud.scaling.paging import page
from sageloop.local_cloud.scaling.readings import ACTIONS, Alarms

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.scaling.publishing import Publisher
    from sageloop.local_cloud.scaling.timetable import Timetable

_POLICY = (STEP, TRACKING)
_KEPT = ("Schedule", "Timezone", "ScalableTargetAction")
_REPLACED = ("StartTime", "EndTime")
_ALARM = (
    "AlarmName", "AlarmDescription", "ActionsEnabled", *ACTIONS, "MetricName", "Namespace",
    "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit", "EvaluationPeriods",
    "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData", "Metrics",
    "EvaluateLowSampleCountPercentile", "ThresholdMetricId",
)  # fmt: skip
_Attachments = dict[tuple[TargetKey, str], Attached]


class AttachmentApi:
    """Operations on policies and scheduled actions, with the alarms and timers that run them."""

    def __init__(
        self, cloud: Cloud, store: Store, alarms: Alarms, timetable: Timetable,
        publisher: Publisher,
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._store = store
        self._alarms = alarms
        self._timetable = timetable
        self._publisher = publisher

    def release(self, key: TargetKey) -> None:
        """Remove the alarms and timers of a target that is deregistered."""
        for policy in self._store.policies_of(key):
            self._drop_alarms(policy)
        for action in self._store.actions_of(key):
            self._timetable.disarm(action.arn)

    @operation("PutScalingPolicy")
    def put_scaling_policy(self, call: Call) -> dict[str, Any]:
        """Create a policy or replace its configuration."""
        params = call.params
        checks.check_policy(params, call.operation)
        key = self._registered(call)
        content = {"PolicyType": params.get("PolicyType", "StepScaling")}
        content |= {m: params[m] for m in _POLICY if params.get(m) is not None}
        before = self._store.policies.get((key, params["PolicyName"]))
        kept = self._put(self._store.policies, call, key, params["PolicyName"], content)
        try:
            kept = self._with_alarms(kept, before)
        except ClientError as error:
            self._restore(kept, before)
            raise AwsError(
                "FailedResourceAccessException", f"Unable to create alarms for scaling: {error}"
            ) from error
        self._publisher.count()
        return {"PolicyARN": kept.arn, "Alarms": self._alarms_of(kept)}

    @operation("DescribeScalingPolicies")
    def describe_scaling_policies(self, call: Call) -> dict[str, Any]:
        """Return policies of a namespace, by name, resource and dimension."""
        policies = [
            {
                **a.key.members(), **a.content, "PolicyName": a.name, "PolicyARN": a.arn,
                "CreationTime": a.created, "Alarms": self._alarms_of(a),
            }
            for a in self._matching(self._store.policies, call, "PolicyNames")
        ]  # fmt: skip
        return page("ScalingPolicies", policies, call)

    @operation("DeleteScalingPolicy")
    def delete_scaling_policy(self, call: Call) -> None:
        """Delete a policy with its own alarms; other alarms lose the action."""
        key = TargetKey.of(call.params, call.region)
        name = call.params["PolicyName"]
        policy = self._store.policies.pop((key, name), None)
        if policy is None:
            raise checks.missing(_none("scaling policy", key, f", policy name: {name}"))
        self._drop_alarms(policy)

    @operation("PutScheduledAction")
    def put_scheduled_action(self, call: Call) -> None:
        """Create a scheduled action or change the specified members."""
        params = call.params
        key = self._registered(call)
        name = params["ScheduledActionName"]
        old = self._store.actions.get((key, name))
        content = {m: old.content[m] for m in _KEPT if m in old.content} if old else {}
        # Start and end are not retained: AWS deletes those that a call does not specify.
        content |= {m: params[m] for m in (*_KEPT, *_REPLACED) if params.get(m) is not None}
        _check_action(content, self._cloud.clock.time())
        self._timetable.arm(self._put(self._store.actions, call, key, name, content))

    @operation("DescribeScheduledActions")
    def describe_scheduled_actions(self, call: Call) -> dict[str, Any]:
        """Return scheduled actions of a namespace, by name, resource and dimension."""
        actions = [
            {
                **a.key.members(), **a.content, "ScheduledActionName": a.name,
                "ScheduledActionARN": a.arn, "CreationTime": a.created,
            }
            for a in self._matching(self._store.actions, call, "ScheduledActionNames")
        ]  # fmt: skip
        return page("ScheduledActions", actions, call)

    @operation("DeleteScheduledAction")
    def delete_scheduled_action(self, call: Call) -> None:
        """Delete a scheduled action."""
        key = TargetKey.of(call.params, call.region)
        name = call.params["ScheduledActionName"]
        action = self._store.actions.pop((key, name), None)
        if action is None:
            raise checks.missing(_none("scheduled action", key, f", scheduled action name: {name}"))
        self._timetable.disarm(action.arn)

    def _restore(self, policy: Attached, before: Attached | None) -> None:
        with self._store.lock:
            if before is None:
                del self._store.policies[policy.key, policy.name]
            else:
                self._store.policies[policy.key, policy.name] = before

    def _with_alarms(self, policy: Attached, before: Attached | None) -> Attached:
        config = policy.tracking
        sides = () if config is None else tracking.sides(config)
        known = () if before is None else before.alarms
        names = tuple(
            next((n for n in known if n.startswith(prefix)), f"{prefix}{uuid.uuid4()}")
            for prefix in (tracking.alarm_prefix(policy.key, side) for side in sides)
        )
        for side, name in zip(sides, names, strict=True):
            request = tracking.alarm(
                name=name, side=side, key=policy.key, policy_arn=policy.arn,
                config=policy.content[TRACKING],
            )  # fmt: skip
            self._alarms.put(policy.key, request)
        self._alarms.delete(policy.key, tuple(n for n in known if n not in names))
        made = replace(policy, alarms=names)
        with self._store.lock:
            self._store.policies[policy.key, policy.name] = made
        return made

    def _alarms_of(self, policy: Attached) -> list[dict[str, str]]:
        if policy.tracking is None:
            names = [a["AlarmName"] for a in self._alarms.with_action(policy.key, policy.arn)]
        else:
            names = list(policy.alarms)
        region, account = policy.key.region, self._cloud.account_id
        return [
            {
                "AlarmName": n,
                "AlarmARN": regional_arn("cloudwatch", region, account, f"alarm:{n}"),
            }
            for n in names
        ]

    def _drop_alarms(self, policy: Attached) -> None:
        self._alarms.delete(policy.key, policy.alarms)
        if policy.tracking is not None:
            return
        for alarm in self._alarms.with_action(policy.key, policy.arn):
            request = {m: alarm[m] for m in _ALARM if alarm.get(m) not in (None, [])}
            for member in ACTIONS:
                request[member] = [a for a in alarm.get(member, ()) if a != policy.arn]
            self._alarms.put(policy.key, request)

    def _registered(self, call: Call) -> TargetKey:
        key = TargetKey.of(call.params, call.region)
        if key not in self._store.targets:
            raise checks.missing(
                f"No scalable target registered for service namespace: {key.namespace}, resource "
                f"ID: {key.resource}, scalable dimension: {key.dimension}"
            )
        return key

    def _put(
        self,
        attachments: _Attachments,
        call: Call,
        key: TargetKey,
        name: str,
        content: Mapping[str, Any],
    ) -> Attached:
        with self._store.lock:
            old = attachments.get((key, name))
            kind = "scalingPolicy" if attachments is self._store.policies else "scheduledAction"
            word = "policyName" if kind == "scalingPolicy" else "scheduledActionName"
            arn = regional_arn(
                "autoscaling",
                key.region,
                call.account_id,
                f"{kind}:{uuid.uuid4()}:resource/{key.namespace}/{key.resource}:{word}/{name}",
            )
            made = Attached(
                key, name, old.arn if old else arn,
                old.created if old else self._cloud.clock.now(), content,
            )  # fmt: skip
            attachments[key, name] = made
            return made

    def _matching(self, attachments: _Attachments, call: Call, names_member: str) -> list[Attached]:
        params = call.params
        names = params.get(names_member)
        with self._store.lock:
            return [
                a
                for a in attachments.values()
                if a.key.region == call.region
                and a.key.namespace == params["ServiceNamespace"]
                and (not names or a.name in names)
                and params.get("ResourceId") in (None, a.key.resource)
                and params.get("ScalableDimension") in (None, a.key.dimension)
            ]


def _check_action(content: Mapping[str, Any], now: float) -> None:
    schedule = content.get("Schedule")
    if schedule is None:
        raise checks.invalid("Schedule must be specified: at(...), rate(...) or cron(...)")
    timetable.schedule_of(content, now)
    limits = content.get("ScalableTargetAction")
    if not limits:
        raise checks.invalid("ScalableTargetAction needs MinCapacity, MaxCapacity or both")
    if "MinCapacity" in limits and "MaxCapacity" in limits:
        checks.check_capacity(limits["MinCapacity"], limits["MaxCapacity"])
    start, end = content.get("StartTime"), content.get("EndTime")
    if start is not None and end is not None and end <= start:
        raise checks.invalid(f"EndTime must be after StartTime, got {start} to {end}")


def _none(what: str, key: TargetKey, more: str) -> str:
    return (
        f"No {what} found for service namespace: {key.namespace}, resource ID: {key.resource}, "
        f"scalable dimension: {key.dimension}{more}"
    )
