"""Rolling update of an inference component's copies, with rollback on an alarm.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceComponentRollingUpdatePolicy.html
"""

from __future__ import annotations

import math
import time as wall
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.sagemaker.hosting.components.desired_components import Plan
from sageloop.local_cloud.sagemaker.hosting.instances.fleet import StartFailure
from sageloop.local_cloud.sagemaker.hosting.requests import invalid

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.hosting.components.fleet import ComponentFleet
    from sageloop.local_cloud.sagemaker.hosting.rollout.bake import AlarmWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The rolling update policy of a component.

    ``batch`` is the number of copies in a batch (``None``: all). ``wait`` is the virtual seconds
    after each batch, ``budget`` the maximum seconds of the update.
    """

    batch: int | None = None
    wait: int = 0
    budget: int | None = None
    alarms: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any] | None, copies: int) -> Rollout:
        """The rolling update policy in a DeploymentConfig. Raises ``AwsError``."""
        if not config:
            return cls()
        policy = config["RollingUpdatePolicy"]
        alarms = config.get("AutoRollbackConfiguration", {}).get("Alarms", [])
        rollout = cls(
            batch=_size(policy["MaximumBatchSize"], copies),
            wait=int(policy["WaitIntervalInSeconds"]),
            budget=policy.get("MaximumExecutionTimeoutInSeconds"),
            alarms=tuple(alarm["AlarmName"] for alarm in alarms),
        )
        waits = rollout.wait * len(rollout.batches(copies))
        if rollout.budget is not None and rollout.budget <= waits:
            raise invalid(
                f"MaximumExecutionTimeoutInSeconds ({rollout.budget}) must be above the sum of the "
                f"deployment's waits ({waits})"
            )
        return rollout

    def batches(self, copies: int) -> list[int]:
        """The number of new copies after each batch."""
        step = max(1, copies if self.batch is None else self.batch)
        return [min(copies, n) for n in range(step, copies + step, step)]


@dataclass(frozen=True, slots=True)
class Change:
    """An update from copies of ``old`` to ``copies`` copies of ``new``."""

    old: Plan
    new: Plan
    copies: int


def run(fleet: ComponentFleet, change: Change, rollout: Rollout, watch: AlarmWatch) -> None:
    """Replace the copies of a component: new copies start before old ones stop.

    Raises :class:`StartFailure`, or the exception of the watch; :func:`roll_back` undoes the
    update.
    """
    old, new, copies = change.old, change.new, change.copies
    began, waited = wall.monotonic(), 0.0
    watch.check()
    for number in rollout.batches(copies):
        fleet.ensure_copies(new, number)
        _stop_surplus(fleet, old, copies - number)
        before = wall.monotonic()
        watch.bake(rollout.wait, f"bake of inference component {new.component}")
        waited += wall.monotonic() - before
        working = wall.monotonic() - began - waited
        if rollout.budget is not None and working > rollout.budget:
            raise StartFailure(
                "The deployment was not completed within MaximumExecutionTimeoutInSeconds "
                f"({rollout.budget})."
            )
    _stop_surplus(fleet, old, 0)


def roll_back(fleet: ComponentFleet, change: Change, copies: int) -> None:
    """Restore the copies of the old plan. Raises :class:`StartFailure` if they do not start."""
    old, new = change.old, change.new
    try:
        fleet.ensure_copies(old, copies)
    except StartFailure:
        # Stopping the new copies releases their resources.
        _stop_surplus(fleet, new, 0)
        fleet.ensure_copies(old, copies)
    _stop_surplus(fleet, new, 0)


def _stop_surplus(fleet: ComponentFleet, plan: Plan, number: int) -> None:
    current = [copy for copy in fleet.copies(plan.component) if copy.plan is plan]
    fleet.stop_copies(current[max(0, number) :])


def _size(size: Mapping[str, Any], copies: int) -> int:
    value = int(size["Value"])
    if size["Type"] == "COPY_COUNT":
        return max(1, value)
    if not 5 <= value <= 100:
        raise invalid(f"MaximumBatchSize must be 5 to 100 percent of the capacity, got {value}")
    return max(1, math.floor(copies * value / 100))
