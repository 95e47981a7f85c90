"""The scaling of an endpoint's variants, read before it goes and put back when it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.errors import code_of
from sageloop_runtime.policy_alarms import PolicyAlarms

_SERVICE = {"ServiceNamespace": "sagemaker"}
_TARGET = ("ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity", "SuspendedState")
_POLICY = ("PolicyName", "PolicyType", "StepScalingPolicyConfiguration",
           "TargetTrackingScalingPolicyConfiguration")  # fmt: skip
_ACTION = ("ScheduledActionName", "Schedule", "Timezone", "ScalableTargetAction")


class Targets:
    """Scalable targets with their policies and scheduled actions.

    Args:
        autoscaling: an Application Auto Scaling client.
        endpoint: the endpoint's name.
        variants: its variants.
        alarms: what lets alarms run step policies made anew; none where there are no such.

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
        """Each target as the requests that make it again."""
        answer = self._autoscaling.describe_scalable_targets(**_SERVICE, ResourceIds=self._ids)
        return [self._whole(target) for target in answer["ScalableTargets"]]

    def remove(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Deregister targets; their policies and actions go with them."""
        for each in found:
            try:
                self._autoscaling.deregister_scalable_target(**_SERVICE, **_on(each["target"]))
            except ClientError as error:
                if code_of(error) != "ObjectNotFoundException":
                    raise

    def restore(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Register targets with what they had; repeating it changes nothing."""
        for each in found:
            on = _on(each["target"])
            self._autoscaling.register_scalable_target(**_SERVICE, **each["target"])
            for policy in each["policies"]:
                self._put(on, policy, each.get("alarms", {}).get(policy["PolicyName"], []))
            for action in each["actions"]:
                self._autoscaling.put_scheduled_action(**_SERVICE, **on, **action)

    def _put(self, on: Mapping[str, Any], policy: Mapping[str, Any], alarms: list[str]) -> None:
        made = self._autoscaling.put_scaling_policy(**_SERVICE, **on, **policy)
        if self._alarms is not None:
            for alarm in alarms:
                self._alarms.run(alarm, made["PolicyARN"])

    def _whole(self, target: Mapping[str, Any]) -> dict[str, Any]:
        on = _on(target)
        policies = self._autoscaling.describe_scaling_policies(**_SERVICE, **on)
        actions = self._autoscaling.describe_scheduled_actions(**_SERVICE, **on)
        return {
            "target": _some(target, _TARGET),
            "policies": [_some(policy, _POLICY) for policy in policies["ScalingPolicies"]],
            "actions": [_some(action, _ACTION) for action in actions["ScheduledActions"]],
            "alarms": {
                policy["PolicyName"]: [alarm["AlarmName"] for alarm in policy.get("Alarms", [])]
                for policy in policies["ScalingPolicies"]
                if policy["PolicyType"] == "StepScaling"
            },
        }


def _on(target: Mapping[str, Any]) -> dict[str, Any]:
    return _some(target, ("ResourceId", "ScalableDimension"))


def _some(given: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: given[key] for key in keys if key in given}
