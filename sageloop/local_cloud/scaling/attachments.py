"""Scaling policies and scheduled actions of a target."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.scaling import checks
from sageloop.local_cloud.scaling.model import Attached, Store, TargetKey
from sageloop.local_cloud.scaling.paging import page

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_POLICY = ("StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration")
_ACTION = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")
_Book = dict[tuple[TargetKey, str], Attached]


class AttachmentApi:
    """Puts, describes and deletes them; nothing acts on them yet."""

    def __init__(self, cloud: Cloud, store: Store) -> None:
        self._cloud = cloud
        self._store = store

    @operation("PutScalingPolicy")
    def put_scaling_policy(self, call: Call) -> dict[str, Any]:
        """Create a policy or replace its configuration."""
        given = call.params
        checks.check_policy(given, call.operation)
        key = self._registered(call)
        content = {"PolicyType": given.get("PolicyType", "StepScaling")}
        content |= {m: given[m] for m in _POLICY if given.get(m) is not None}
        kept = self._put(self._store.policies, call, key, given["PolicyName"], content)
        return {"PolicyARN": kept.arn, "Alarms": []}

    @operation("DescribeScalingPolicies")
    def describe_scaling_policies(self, call: Call) -> dict[str, Any]:
        """Policies of a namespace, narrowed by name, resource and dimension."""
        found = [
            {
                **a.key.members(), **a.content, "PolicyName": a.name, "PolicyARN": a.arn,
                "CreationTime": a.created, "Alarms": [],
            }
            for a in self._matching(self._store.policies, call, "PolicyNames")
        ]  # fmt: skip
        return page("ScalingPolicies", found, call)

    @operation("DeleteScalingPolicy")
    def delete_scaling_policy(self, call: Call) -> None:
        """Forget a policy."""
        key = TargetKey.of(call.params, call.region)
        name = call.params["PolicyName"]
        if self._store.policies.pop((key, name), None) is None:
            raise checks.missing(_none("scaling policy", key, f", policy name: {name}"))

    @operation("PutScheduledAction")
    def put_scheduled_action(self, call: Call) -> None:
        """Create a scheduled action or change the members given."""
        given = call.params
        key = self._registered(call)
        name = given["ScheduledActionName"]
        old = self._store.actions.get((key, name))
        content = dict(old.content) if old else {}
        content |= {m: given[m] for m in _ACTION if given.get(m) is not None}
        checks.check_schedule(content.get("Schedule"))
        self._put(self._store.actions, call, key, name, content)

    @operation("DescribeScheduledActions")
    def describe_scheduled_actions(self, call: Call) -> dict[str, Any]:
        """Scheduled actions of a namespace, narrowed by name, resource and dimension."""
        found = [
            {
                **a.key.members(), **a.content, "ScheduledActionName": a.name,
                "ScheduledActionARN": a.arn, "CreationTime": a.created,
            }
            for a in self._matching(self._store.actions, call, "ScheduledActionNames")
        ]  # fmt: skip
        return page("ScheduledActions", found, call)

    @operation("DeleteScheduledAction")
    def delete_scheduled_action(self, call: Call) -> None:
        """Forget a scheduled action."""
        key = TargetKey.of(call.params, call.region)
        name = call.params["ScheduledActionName"]
        if self._store.actions.pop((key, name), None) is None:
            raise checks.missing(_none("scheduled action", key, f", scheduled action name: {name}"))

    def _registered(self, call: Call) -> TargetKey:
        key = TargetKey.of(call.params, call.region)
        if key not in self._store.targets:
            raise checks.missing(
                f"No scalable target registered for service namespace: {key.namespace}, resource "
                f"ID: {key.resource}, scalable dimension: {key.dimension}"
            )
        return key

    def _put(
        self, book: _Book, call: Call, key: TargetKey, name: str, content: Mapping[str, Any]
    ) -> Attached:
        with self._store.lock:
            old = book.get((key, name))
            kind = "scalingPolicy" if book is self._store.policies else "scheduledAction"
            word = "policyName" if kind == "scalingPolicy" else "scheduledActionName"
            arn = (
                f"arn:aws:autoscaling:{key.region}:{call.account_id}:{kind}:{uuid.uuid4()}:"
                f"resource/{key.namespace}/{key.resource}:{word}/{name}"
            )
            made = Attached(
                key, name, old.arn if old else arn,
                old.created if old else self._cloud.clock.now(), content,
            )  # fmt: skip
            book[key, name] = made
            return made

    def _matching(self, book: _Book, call: Call, names_member: str) -> list[Attached]:
        given = call.params
        names = given.get(names_member)
        with self._store.lock:
            return [
                a
                for a in book.values()
                if a.key.region == call.region
                and a.key.namespace == given["ServiceNamespace"]
                and (not names or a.name in names)
                and given.get("ResourceId") in (None, a.key.resource)
                and given.get("ScalableDimension") in (None, a.key.dimension)
            ]


def _none(what: str, key: TargetKey, more: str) -> str:
    return (
        f"No {what} found for service namespace: {key.namespace}, resource ID: {key.resource}, "
        f"scalable dimension: {key.dimension}{more}"
    )
