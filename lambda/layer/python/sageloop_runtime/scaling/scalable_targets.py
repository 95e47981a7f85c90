"""Scalable targets of an endpoint's variants, read before they are deregistered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sageloop_runtime.scaling.deletion import deregister
from sageloop_runtime.scaling.policy_alarms import PolicyAlarms

_SERVICE = {"ServiceNamespace": "sagemaker"}
_TARGET = ("ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity", "SuspendedState")
_POLICY = ("PolicyName", "PolicyType", "StepScalingPolicyConfiguration",
           "TargetTrackingScalingPolicyConfiguration")  # fmt: skip
_ACTION = ("ScheduledActionName", "Schedule", "Timezone", "ScalableTargetAction")


class ScalableTargets:
    """Scalable targets with their policies and scheduled actions.

    Args:
        autoscaling: an Application Auto Scaling client.
        endpoint: the endpoint's name.
        variants: names of its variants.
        alarms: attaches recreated step policies to their alarms; None to leave them.

    """

    def __init__(
        self,
        autoscaling: Any,
        endpoint: str,
        variants: Sequence[str],
        *,
        alarms: PolicyAlarms | None = None,
    ) -> None:
        self._autoscaling = autoscaling
        self._alarms = alarms
        self._ids = [f"endpoint/{endpoint}/variant/{variant}" for variant in variants]

    def read(self) -> list[dict[str, Any]]:
        """Each registered target, as the requests that register it again."""
        response = self._autoscaling.describe_scalable_targets(**_SERVICE, ResourceIds=self._ids)
        return [self._describe(target) for target in response["ScalableTargets"]]

    def deregister(self, targets: Sequence[Mapping[str, Any]]) -> None:
        """Deregister targets; AWS deletes their policies and actions."""
        for each in targets:
            deregister(self._autoscaling, {**_SERVICE, **_key(each["target"])})

    def register(self, targets: Sequence[Mapping[str, Any]]) -> None:
        """Register targets with their policies and actions; idempotent."""
        for each in targets:
            key = _key(each["target"])
            self._autoscaling.register_scalable_target(**_SERVICE, **each["target"])
            for policy in each["policies"]:
                self._put(key, policy, each.get("alarms", {}).get(policy["PolicyName"], []))
            for action in each["actions"]:
                self._autoscaling.put_scheduled_action(**_SERVICE, **key, **action)

    def _put(self, key: Mapping[str, Any], policy: Mapping[str, Any], alarms: list[str]) -> None:
        created = self._autoscaling.put_scaling_policy(**_SERVICE, **key, **policy)
        if self._alarms is not None:
            for alarm in alarms:
                self._alarms.attach(alarm, created["PolicyARN"])

    def _describe(self, target: Mapping[str, Any]) -> dict[str, Any]:
        key = _key(target)
        policies = self._autoscaling.describe_scaling_policies(**_SERVICE, **key)
        actions = self._autoscaling.describe_scheduled_actions(**_SERVICE, **key)
        return {
            "target": _select(target, _TARGET),
            "policies": [_select(policy, _POLICY) for policy in policies["ScalingPolicies"]],
            "actions": [_select(action, _ACTION) for action in actions["ScheduledActions"]],
            "alarms": {
                policy["PolicyName"]: [alarm["AlarmName"] for alarm in policy.get("Alarms", [])]
                for policy in policies["ScalingPolicies"]
                if policy["PolicyType"] == "StepScaling"
            },
        }


def _key(target: Mapping[str, Any]) -> dict[str, Any]:
    return _select(target, ("ResourceId", "ScalableDimension"))


def _select(members: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: members[key] for key in keys if key in members}
