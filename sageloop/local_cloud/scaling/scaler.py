"""Runs scaling policies: from an alarm to the change of capacity.

A target has one change at a time. CloudWatch runs a policy every minute while its alarm stays in
ALARM, which retries what a cooldown or a running change delayed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.scaling import capacity, decisions, policies
from sageloop.local_cloud.scaling.decisions import Direction, Last, NotScaled
from sageloop.local_cloud.scaling.model import Attached, Store, Target, TargetKey
from sageloop.local_cloud.scaling.policies import RequestedCapacity
from sageloop.local_cloud.scaling.turns import Turn

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.scaling.activities import ActivityLog
    from sageloop.local_cloud.scaling.readings import Alarms

_UNSCALABLE = NotScaled("TargetServicePutResourceAsUnscalable", {})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A capacity to set, its cause, and the cooldown after it."""

    capacity: int
    base: int
    cause: str
    direction: Direction
    cooldown: float = 0.0


class Scaler:
    """Sets the capacity of targets by policies and limits."""

    def __init__(
        self, cloud: Cloud, store: Store, log: ActivityLog, alarms: Alarms
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._store = store
        self._log = log
        self._alarms = alarms
        self._capacity = capacity.Capacity(cloud)
        self._lock = threading.Lock()
        self._turns: dict[TargetKey, Turn] = {}
        self._last: dict[TargetKey, Last] = {}

    def forget(self, key: TargetKey) -> None:
        """Delete the cooldown of a deregistered target."""
        with self._lock:
            self._last.pop(key, None)

    def run_policy(self, arn: str, alarm: str, state: str) -> None:
        """Run a policy as the action of an alarm, called by CloudWatch.

        Raises ``AwsError`` if the policy does not exist, or the alarm is not the policy's own.
        """
        policy = self._store.policy(arn)
        target = None if policy is None else self._store.targets.get(policy.key)
        if policy is None or target is None:
            raise AwsError("ObjectNotFoundException", f"No scaling policy found: {arn}")
        if policy.tracking is not None and alarm not in policy.alarms:
            raise AwsError(
                "ValidationException",
                f"A target tracking policy is run by its own alarms only, got {alarm}",
            )
        with self._turn_of(policy.key).taken(patient=False) as mine:
            # A target that is being changed is evaluated at the next run of the policy.
            if mine:
                cause = f"monitor alarm {alarm} in state {state} triggered policy {policy.name}"
                self._run(policy, target, alarm, cause)

    def adjust(self, key: TargetKey, *, wait: bool) -> None:
        """Bring the capacity within the target's limits, in the background.

        Args:
            key: the target.
            wait: whether to wait for a resource that is being changed; otherwise it is not changed.

        """
        if wait or self._within_reach(key):
            self._cloud.activity.spawn(f"scale {key.resource}", lambda: self._adjust(key, wait))

    def _within_reach(self, key: TargetKey) -> bool:
        target = self._store.targets.get(key)
        standing = target and self._capacity.standing(key, target.role)
        if target is None or not standing or not standing.active:
            return False
        return bool(_bounded(target, standing.capacity) != standing.capacity)

    def _adjust(self, key: TargetKey, wait: bool) -> None:
        with self._turn_of(key).taken(patient=True):
            if wait:
                self._capacity.rest(key)
            target = self._store.targets.get(key)
            standing = target and self._capacity.standing(key, target.role)
            if target is None or not standing or not standing.active:
                return
            desired = _bounded(target, standing.capacity)
            if desired == standing.capacity:
                return
            out = desired > standing.capacity
            limit = "minimum" if out else "maximum"
            self._set(target, _Change(
                capacity=desired, base=standing.capacity, direction="out" if out else "in",
                cause=f"{limit} capacity was set to {desired}",
            ))  # fmt: skip

    def _run(self, policy: Attached, target: Target, alarm: str, cause: str) -> None:
        key = policy.key
        standing = self._capacity.standing(key, target.role)
        if standing is None:
            self._log.failed(
                key, "Attempting to scale due to alarm triggered", cause,
                f"Failed to get the current capacity: {key.resource} could not be found.",
            )  # fmt: skip
            return
        if not standing.active:
            self._log.not_scaled(key, cause, _UNSCALABLE)
            return
        request = policies.policy_of_alarm(self._store, self._alarms, policy, alarm)
        if request is not None:
            self._act(policy, target, standing.capacity, request, cause)

    def _act(
        self, policy: Attached, target: Target, current: int,
        request: Callable[[int], RequestedCapacity | None], cause: str,
    ) -> None:  # fmt: skip
        requested = request(current)
        if requested is None:
            return
        limited = _bounded(target, requested.capacity)
        if limited == current:
            reason = requested.reason or decisions.blocked(
                requested.capacity, current, target.minimum, target.maximum
            )
            self._log.not_scaled(policy.key, cause, reason)
            return
        direction: Direction = "out" if limited > current else "in"
        base = self._after_cooldown(policy.key, direction, current)
        if base is None or target.suspended[_SUSPENDED[direction]]:
            return
        if base != current:
            # Within a cooldown only the capacity beyond that of the last change is added.
            again = request(base)
            limited = current if again is None else _bounded(target, again.capacity)
            if limited <= current:
                return
        self._set(target, _Change(
            capacity=limited, base=base, cause=cause, direction=direction,
            cooldown=policies.cooldown(policy, direction),
        ))  # fmt: skip

    def _after_cooldown(self, key: TargetKey, direction: Direction, current: int) -> int | None:
        last = self._last.get(key)
        if last is None or not decisions.cools(last, direction, self._cloud.clock.time()):
            return current
        return last.base if direction == "out" else None

    def _set(self, target: Target, change: _Change) -> None:
        key, what = target.key, capacity.words(target.key)
        self._turn_of(key).change()
        activity = self._log.begin(key, f"Setting {what} to {change.capacity}.", change.cause)
        try:
            self._capacity.request(key, target.role, change.capacity)
        except ClientError as error:
            message = error.response["Error"].get("Message", str(error))
            self._log.end(
                activity, "Failed",
                f"Failed to set {what} to {change.capacity}. Reason: {message}",
            )  # fmt: skip
            return
        completed = f"Successfully set {what} to {change.capacity}."
        activity.status = "InProgress"
        activity.message = f"{completed} Waiting for change to be fulfilled by sagemaker."
        self._capacity.rest(key)
        reached = self._capacity.standing(key, target.role)
        if reached is not None and reached.active and reached.capacity == change.capacity:
            self._log.end(
                activity, "Successful", f"{completed} Change successfully fulfilled by sagemaker."
            )
            self._note(key, change)
        else:
            state = "is gone" if reached is None else f"is {reached.status}"
            self._log.end(
                activity, "Unfulfilled",
                f"{completed} Change could not be fulfilled by sagemaker: {key.resource} {state}.",
            )  # fmt: skip

    def _note(self, key: TargetKey, change: _Change) -> None:
        with self._lock:
            self._last[key] = Last(
                direction=change.direction, ended=self._cloud.clock.time(),
                cooldown=change.cooldown, base=change.base,
            )  # fmt: skip

    def _turn_of(self, key: TargetKey) -> Turn:
        with self._lock:
            return self._turns.setdefault(key, Turn())


_SUSPENDED: dict[Direction, str] = {
    "out": "DynamicScalingOutSuspended",
    "in": "DynamicScalingInSuspended",
}


def _bounded(target: Target, desired: int) -> int:
    lowest = max(target.minimum, capacity.least(target.key))
    return decisions.within(desired, lowest, max(lowest, target.maximum))
