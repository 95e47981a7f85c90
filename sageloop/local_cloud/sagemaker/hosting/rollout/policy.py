"""Deployment plans from DeploymentConfig: traffic shares, baking periods and batches. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sageloop.local_cloud.core.errors import AwsError

Counts = Mapping[str, int]
_UNGUARDED = "ml.inf1."
_BOTH_POLICIES = "DeploymentConfig must have BlueGreenUpdatePolicy or RollingUpdatePolicy, not both"
_MIN_PERCENT = {
    "CanarySize": 1, "LinearStepSize": 10, "MaximumBatchSize": 5, "RollbackMaximumBatchSize": 5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """Traffic on a number of new instances for each variant, followed by a baking period.

    ``wait`` is virtual seconds, ``waits_for`` the AWS member that specifies it.
    """

    capacity: Literal["canary", "linear", "full"]
    instances: dict[str, int]
    wait: int
    waits_for: str


@dataclass(frozen=True, slots=True)
class Batches:
    """A rolling deployment: new instances for each variant after each batch."""

    steps: tuple[dict[str, int], ...]
    rollback_steps: tuple[dict[str, int], ...]
    wait: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of an update: blue/green ``stages``, or rolling ``batches``."""

    stages: tuple[Stage, ...]
    batches: Batches | None
    alarms: tuple[str, ...]
    budget: int | None

    @property
    def total_wait(self) -> int:
        """The sum of the baking periods in virtual seconds."""
        if self.batches is not None:
            return len(self.batches.steps) * self.batches.wait
        return sum(stage.wait for stage in self.stages)


def plan(config: Mapping[str, Any] | None, counts: Counts) -> Plan:
    """The plan of an update to ``counts`` instances for each variant.

    Without a policy AWS deploys blue/green, all at once. Raises ``AwsError``
    (``ValidationException``) for what AWS refuses: two policies, a size outside its limits, baking
    periods longer than the execution timeout.
    """
    config_document = config or {}
    blue_green, rolling = (
        config_document.get("BlueGreenUpdatePolicy"),
        config_document.get("RollingUpdatePolicy"),
    )
    if blue_green is not None and rolling is not None:
        raise _invalid(_BOTH_POLICIES)
    alarms = config_document.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    policy = rolling if rolling is not None else (blue_green or {})
    result = Plan(
        stages=() if rolling is not None else _stages(blue_green, counts),
        batches=None if rolling is None else _batches(rolling, counts),
        alarms=tuple(alarm["AlarmName"] for alarm in alarms),
        budget=policy.get("MaximumExecutionTimeoutInSeconds"),
    )
    if result.budget is not None and result.budget <= result.total_wait:
        raise _invalid(
            f"MaximumExecutionTimeoutInSeconds ({result.budget}) must be above the sum of the "
            f"deployment's waits ({result.total_wait})"
        )
    return result


def check(config: Mapping[str, Any] | None) -> None:
    """Refuse a deployment configuration that is invalid for all fleet sizes."""
    config_document = config or {}
    alarms = config_document.get("AutoRollbackConfiguration", {}).get("Alarms")
    if alarms is not None and not 1 <= len(alarms) <= 10:
        raise _invalid(f"AutoRollbackConfiguration must have 1 to 10 alarms, got {len(alarms)}")
    blue_green = config_document.get("BlueGreenUpdatePolicy", {})
    rolling = config_document.get("RollingUpdatePolicy", {})
    if blue_green and rolling:
        raise _invalid(_BOTH_POLICIES)
    routing = blue_green.get("TrafficRoutingConfiguration", {})
    _check_seconds(routing, "WaitIntervalInSeconds", 0, 3600)
    _check_seconds(blue_green, "TerminationWaitInSeconds", 0, 3600)
    _check_seconds(rolling, "WaitIntervalInSeconds", 0, 3600)
    for policy in (blue_green, rolling):
        _check_seconds(policy, "MaximumExecutionTimeoutInSeconds", 600, 28_800)
    _percent(routing.get("CanarySize"), "CanarySize", 50)
    _percent(routing.get("LinearStepSize"), "LinearStepSize", 50)
    _percent(rolling.get("MaximumBatchSize"), "MaximumBatchSize", 50)
    _percent(rolling.get("RollbackMaximumBatchSize"), "RollbackMaximumBatchSize", 100)


def check_names(
    deployment: Mapping[str, Any] | None, current: Iterable[str], desired: Iterable[str]
) -> None:
    """Refuse a deployment with guardrails that changes the names of production variants.

    Without a deployment configuration an update may add, remove and rename variants.
    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
    """
    old, new = sorted(current), sorted(desired)
    if deployment is None or old == new:
        return
    # AWS documents the rule, not the message; the message is the local cloud's own.
    raise _invalid(
        "A deployment with a DeploymentConfig must keep the names of the production variants: the "
        f"endpoint has {', '.join(old)}, the new endpoint configuration has {', '.join(new)}. "
        "Names can change in an update without a DeploymentConfig"
    )


def is_guarded(config: Mapping[str, Any]) -> bool:
    """Whether an endpoint configuration supports deployment guardrails.

    Without support AWS ignores the deployment configuration: all traffic moves at once and no alarm
    is watched.
    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
    """
    return not any(
        "ServerlessConfig" in variant
        or "ModelName" not in variant
        or any(kind.startswith(_UNGUARDED) for kind in _instance_types(variant))
        for variant in config["ProductionVariants"]
    )


def _instance_types(variant: Mapping[str, Any]) -> list[str]:
    pools = [pool["InstanceType"] for pool in variant.get("InstancePools", [])]
    return [variant.get("InstanceType", ""), *pools]


def _stages(policy: Mapping[str, Any] | None, counts: Counts) -> tuple[Stage, ...]:
    routing_config = policy or {}
    routing = routing_config.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE"})
    kind = routing["Type"]
    wait = int(routing.get("WaitIntervalInSeconds", 0))
    last = Stage(
        "full", dict(counts), int(routing_config.get("TerminationWaitInSeconds", 0)),
        "TerminationWaitInSeconds",
    )  # fmt: skip
    if kind == "CANARY":
        size = _size(routing, "CanarySize", counts)
        return (Stage("canary", size, wait, "WaitIntervalInSeconds"), last)
    if kind == "LINEAR":
        size = _size(routing, "LinearStepSize", counts)
        steps = _cumulative_steps(size, counts)[:-1]
        return (*(Stage("linear", s, wait, "WaitIntervalInSeconds") for s in steps), last)
    if kind != "ALL_AT_ONCE":
        raise _invalid(f"traffic routing Type must be ALL_AT_ONCE, CANARY or LINEAR, got {kind}")
    return (last,)


def _batches(policy: Mapping[str, Any], counts: Counts) -> Batches:
    if len(counts) > 1:
        raise _invalid(
            "RollingUpdatePolicy is for endpoints with one production variant, got "
            f"{', '.join(counts)}"
        )
    size = {
        name: max(1, _instances(policy["MaximumBatchSize"], count))
        for name, count in counts.items()
    }
    for name, count in counts.items():
        if policy["MaximumBatchSize"]["Type"] == "INSTANCE_COUNT" and 2 * size[name] > count > 1:
            raise _invalid(
                f"MaximumBatchSize of {size[name]} instance(s) is above 50 % of variant {name} "
                f"({count} instance(s))"
            )
        _check_minimum(policy["MaximumBatchSize"], "MaximumBatchSize", name, count)
    back = policy.get("RollbackMaximumBatchSize", {"Type": "CAPACITY_PERCENT", "Value": 100})
    undo = {name: max(1, _instances(back, count)) for name, count in counts.items()}
    return Batches(
        tuple(_cumulative_steps(size, counts)), tuple(_cumulative_steps(undo, counts)),
        int(policy["WaitIntervalInSeconds"]),
    )  # fmt: skip


def _size(routing: Mapping[str, Any], member: str, counts: Counts) -> dict[str, int]:
    if member not in routing:
        raise _invalid(f"traffic routing of Type {routing['Type']} needs {member}")
    sizes = {}
    for name, count in counts.items():
        sizes[name] = max(1, _instances(routing[member], count))
        _check_minimum(routing[member], member, name, count)
        if 2 * sizes[name] > count:
            raise _invalid(
                f"{member} of {sizes[name]} instance(s) is above 50 % of variant {name} "
                f"({count} instance(s)); a canary or linear deployment needs at least 2 instances"
            )
    return sizes


def _check_minimum(size: Mapping[str, Any], member: str, variant: str, count: int) -> None:
    """Refuse a number of instances below the minimum share of a variant."""
    minimum = _MIN_PERCENT[member]
    if size["Type"] == "INSTANCE_COUNT" and 100 * size["Value"] < minimum * count:
        raise _invalid(
            f"{member} of {size['Value']} instance(s) is below {minimum} % of variant {variant} "
            f"({count} instance(s))"
        )


def _instances(size: Mapping[str, Any], count: int) -> int:
    value = int(size["Value"])
    if size["Type"] == "INSTANCE_COUNT":
        return value
    # Rounded down, because a share must not exceed the requested one; at least one instance.
    return math.floor(count * value / 100)


def _cumulative_steps(size: Mapping[str, int], counts: Counts) -> list[dict[str, int]]:
    steps: list[dict[str, int]] = []
    while not steps or steps[-1] != dict(counts):
        number = len(steps) + 1
        steps.append({name: min(count, size[name] * number) for name, count in counts.items()})
    return steps


def _percent(size: Mapping[str, Any] | None, member: str, high: int) -> None:
    if size is None:
        return
    value, kind, low = size["Value"], size["Type"], _MIN_PERCENT[member]
    if kind not in ("INSTANCE_COUNT", "CAPACITY_PERCENT"):
        raise _invalid(f"{member}.Type must be INSTANCE_COUNT or CAPACITY_PERCENT, got {kind}")
    if value < 1 or (kind == "CAPACITY_PERCENT" and not low <= value <= high):
        raise _invalid(f"{member} must be {low} to {high} percent of the capacity, got {value}")


def _check_seconds(policy: Mapping[str, Any], member: str, low: int, high: int) -> None:
    value = policy.get(member)
    if value is not None and not low <= value <= high:
        raise _invalid(f"{member} must be {low} to {high} seconds, got {value}")


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
