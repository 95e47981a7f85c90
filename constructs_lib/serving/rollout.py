"""Rollouts of models and configurations, with the limits of SageMaker.

See https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .._private.checks import Checks, known

_WAIT_LIMIT = 3600
_EXECUTION = (600, 28_800)


class Rollout(ABC):
    """Base class of the rollouts.

    The rollouts are ``AllAtOnce``, ``Canary``, ``Linear`` and ``Rolling``.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html

    Attributes:
        maximum_seconds: Time limit of the rollout, 600 to 28800, more than its waits.

    """

    __slots__ = ()
    maximum_seconds: int
    NAME: ClassVar[str] = ""
    SINGLE_VARIANT: ClassVar[bool] = False
    GUARDED: ClassVar[bool] = True

    @abstractmethod
    def bake_seconds(self, counts: Sequence[int]) -> int:
        """The sum of all waits in seconds.

        Args:
            counts: Instances of each variant.

        """

    @abstractmethod
    def rendered(self) -> dict[str, Any]:
        """A ``DeploymentConfig`` without alarms."""

    @abstractmethod
    def check_sizes(self, check: Checks, counts: Sequence[int]) -> None:
        """Refuse steps that are too large for the smallest variant.

        Args:
            check: Collects the errors.
            counts: Minimum number of instances of each variant.

        """

    def check(self, check: Checks, counts: Sequence[int]) -> None:
        """Refuse steps that are too large, invalid waits, and a time limit below the waits.

        Args:
            check: Collects the errors.
            counts: Minimum number of instances of each variant.

        """
        for label, seconds in self._waits().items():
            check.whole(f"rollout.{label}", seconds, 0, _WAIT_LIMIT)
        check.whole("rollout.maximum_seconds", self.maximum_seconds, *_EXECUTION)
        self.check_sizes(check, counts)
        if not self.is_known or not known(self.maximum_seconds):
            return
        waits = self.bake_seconds(counts)
        if self.maximum_seconds <= waits:
            message = f"rollout.maximum_seconds must exceed the waits ({waits}), got "
            check.refuse("RolloutTooShort", f"{message}{self.maximum_seconds}")

    @property
    def is_known(self) -> bool:
        """Whether no wait or size is a token."""
        return known(*self._waits().values(), *self._sizes())

    def _waits(self) -> dict[str, int]:
        named = ("wait_seconds", "termination_wait_seconds")
        return {name: getattr(self, name) for name in named if hasattr(self, name)}

    def _sizes(self) -> list[Any]:
        named = ("instances", "percent")
        return [size for name in named if (size := getattr(self, name, None)) is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllAtOnce(Rollout):
    """Blue/green deployment that shifts all traffic at once.

    Attributes:
        termination_wait_seconds: Seconds that the old fleet runs and alarms are evaluated after
            the traffic shift, 0 to 3600.
        maximum_seconds: Time limit of the rollout, 600 to 28800, more than its wait.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green-all-at-once.html

    Example:
        >>> AllAtOnce(termination_wait_seconds=300, maximum_seconds=3600)

    """

    NAME: ClassVar[str] = "all at once"
    GUARDED: ClassVar[bool] = False
    termination_wait_seconds: int = 120
    maximum_seconds: int = 1800

    def bake_seconds(self, counts: Sequence[int]) -> int:
        """The termination wait."""
        del counts
        return self.termination_wait_seconds

    def check_sizes(self, check: Checks, counts: Sequence[int]) -> None:
        """Does nothing: all traffic is shifted in one step."""

    def rendered(self) -> dict[str, Any]:
        """A ``DeploymentConfig`` without alarms."""
        routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
        return _blue_green(routing, self.termination_wait_seconds, self.maximum_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary(Rollout):
    """Blue/green deployment that shifts a part of the traffic first.

    Attributes:
        instances: Size of the canary in instances, at most half of a variant; 1 by default.
        percent: Size of the canary in percent, 1 to 50, in place of ``instances``.
        wait_seconds: Baking period of the canary in seconds, 0 to 3600.
        termination_wait_seconds: Seconds that the old fleet runs after the traffic shift.
        maximum_seconds: Time limit of the rollout, 600 to 28800, more than its waits.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green-canary.html

    Example:
        >>> Canary(percent=10, wait_seconds=600, maximum_seconds=3600)

    """

    NAME: ClassVar[str] = "canary"
    instances: int | None = None
    percent: int | None = None
    wait_seconds: int = 300
    termination_wait_seconds: int = 120
    maximum_seconds: int = 1800

    def bake_seconds(self, counts: Sequence[int]) -> int:
        """The sum of both waits."""
        del counts
        return self.wait_seconds + self.termination_wait_seconds

    def check_sizes(self, check: Checks, counts: Sequence[int]) -> None:
        """Refuse a canary of more than half of the smallest variant."""
        _check_size(check, self, counts, what="a canary", low=1)

    def rendered(self) -> dict[str, Any]:
        """A ``DeploymentConfig`` without alarms."""
        routing = {
            "Type": "CANARY",
            "WaitIntervalInSeconds": self.wait_seconds,
            "CanarySize": _size(self.instances, self.percent),
        }
        return _blue_green(routing, self.termination_wait_seconds, self.maximum_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Rollout):
    """Blue/green deployment that shifts the traffic in equal steps.

    Attributes:
        instances: Instances in a step, 10 to 50 percent of a variant; 1 by default.
        percent: Size of a step in percent, 10 to 50, in place of ``instances``.
        wait_seconds: Baking period of each step in seconds, 0 to 3600.
        termination_wait_seconds: Seconds that the old fleet runs after the traffic shift.
        maximum_seconds: Time limit of the rollout, 600 to 28800, more than all its waits.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green-linear.html

    Example:
        >>> Linear(percent=25, wait_seconds=120)  # four steps

    """

    NAME: ClassVar[str] = "linear"
    instances: int | None = None
    percent: int | None = None
    wait_seconds: int = 120
    termination_wait_seconds: int = 120
    maximum_seconds: int = 3600

    def bake_seconds(self, counts: Sequence[int]) -> int:
        """The waits of all steps, and the termination wait."""
        steps = _steps(counts, self.instances, self.percent)
        return steps * self.wait_seconds + self.termination_wait_seconds

    def check_sizes(self, check: Checks, counts: Sequence[int]) -> None:
        """Refuse steps outside 10 to 50 percent of a variant."""
        _check_size(check, self, counts, what="a linear rollout", low=10)

    def rendered(self) -> dict[str, Any]:
        """A ``DeploymentConfig`` without alarms."""
        routing = {
            "Type": "LINEAR",
            "WaitIntervalInSeconds": self.wait_seconds,
            "LinearStepSize": _size(self.instances, self.percent),
        }
        return _blue_green(routing, self.termination_wait_seconds, self.maximum_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling(Rollout):
    """Rolling deployment, which replaces instances in batches.

    SageMaker allows it for endpoints of one variant only.

    Attributes:
        instances: Instances in a batch, 5 to 50 percent of the variant; 1 by default.
        percent: Size of a batch in percent, 5 to 50, in place of ``instances``.
        wait_seconds: Baking period of each batch in seconds, 0 to 3600.
        rollback_instances: Instances in a batch of a rollback; all by default.
        rollback_percent: Size of a batch of a rollback in percent, 5 to 100.
        maximum_seconds: Time limit of the rollout, 600 to 28800, more than all its waits.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-rolling.html

    Example:
        >>> Rolling(percent=25, wait_seconds=300, rollback_percent=100, maximum_seconds=7200)

    """

    NAME: ClassVar[str] = "rolling"
    SINGLE_VARIANT: ClassVar[bool] = True
    instances: int | None = None
    percent: int | None = None
    wait_seconds: int = 120
    rollback_instances: int | None = None
    rollback_percent: int | None = None
    maximum_seconds: int = 3600

    def bake_seconds(self, counts: Sequence[int]) -> int:
        """The waits of all batches."""
        return _steps(counts, self.instances, self.percent) * self.wait_seconds

    def check_sizes(self, check: Checks, counts: Sequence[int]) -> None:
        """Refuse batches outside of 5 to 50 percent, and invalid batches of a rollback."""
        _check_size(check, self, counts, what="a rolling rollout", low=5)
        both = (self.rollback_instances, self.rollback_percent)
        if None not in both:
            check.refuse("SizeTwice", "rollout.rollback_instances and rollback_percent are "
                         f"mutually exclusive, got {both[0]} and {both[1]}")  # fmt: skip
        if self.rollback_instances is not None:
            most = min(counts, default=None)
            check.whole("rollout.rollback_instances", self.rollback_instances, 1, most)
        if self.rollback_percent is not None:
            check.whole("rollout.rollback_percent", self.rollback_percent, 5, 100)

    def rendered(self) -> dict[str, Any]:
        """A ``DeploymentConfig`` without alarms."""
        policy: dict[str, Any] = {
            "MaximumBatchSize": _size(self.instances, self.percent),
            "WaitIntervalInSeconds": self.wait_seconds,
            "MaximumExecutionTimeoutInSeconds": self.maximum_seconds,
        }
        if self.rollback_instances is not None or self.rollback_percent is not None:
            back = _size(self.rollback_instances, self.rollback_percent)
            policy["RollbackMaximumBatchSize"] = back
        return {"RollingUpdatePolicy": policy}


def _blue_green(routing: dict[str, Any], termination: int, maximum: int) -> dict[str, Any]:
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": termination,
            "MaximumExecutionTimeoutInSeconds": maximum,
        }
    }


def _size(instances: int | None, percent: int | None) -> dict[str, Any]:
    if percent is not None:
        return {"Type": "CAPACITY_PERCENT", "Value": percent}
    return {"Type": "INSTANCE_COUNT", "Value": 1 if instances is None else instances}


def _steps(counts: Sequence[int], instances: int | None, percent: int | None) -> int:
    """The number of steps of the largest variant."""
    if percent is not None:
        return math.ceil(100 / max(percent, 1))
    return math.ceil(max(counts, default=1) / max(1 if instances is None else instances, 1))


def _check_size(
    check: Checks,
    rollout: Canary | Linear | Rolling,
    counts: Sequence[int],
    *,
    what: str,
    low: int,
) -> None:
    """Refuse a step outside ``low`` to 50 percent of a variant."""
    instances, percent = rollout.instances, rollout.percent
    if instances is not None and percent is not None:
        check.refuse("SizeTwice", "rollout.instances and rollout.percent are mutually exclusive, "
                     f"got {instances} and {percent}")  # fmt: skip
        return
    least = min(counts, default=None)
    if least is not None and least < 2:
        code = "CanaryNeedsTwoInstances" if what == "a canary" else "RolloutNeedsTwoInstances"
        message = f"{what} needs at least 2 instances in each variant, got {least}"
        check.refuse(code, message)
    elif percent is not None:
        check.whole("rollout.percent", percent, low, 50)
    else:
        fewest = math.ceil(max(counts, default=1) * low / 100)
        check.whole("rollout.instances", 1 if instances is None else instances, max(fewest, 1),
                    None if least is None else least // 2)  # fmt: skip
