"""The maximum time in ALARM of the model quality alarm after a promotion."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from .._private.checks import Checks, known
from ..serving import ChampionEndpoint
from .values import Evaluation

_ALL_AT_ONCE = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDuration:
    """The time for which the model quality alarm can stay in ALARM after a promotion.

    A shorter cooldown would start a second, unnecessary training job.

    Attributes:
        window_seconds: Period of the alarm.
        windows: Evaluation periods of the alarm.
        ground_truth_delay_seconds: Maximum delay of ground truth.
        rollout_seconds: Waits of the rollout; by default those of an all-at-once rollout.

    """

    window_seconds: float
    windows: float
    ground_truth_delay_seconds: float
    rollout_seconds: float = _ALL_AT_ONCE

    @property
    def seconds(self) -> float:
        """The sum of windows, ground truth delay and rollout, in seconds."""
        return (
            self.windows * self.window_seconds
            + self.ground_truth_delay_seconds
            + self.rollout_seconds
        )

    def fault(self, label: str, cooldown: float) -> str | None:
        """The error message for a cooldown that is too short; ``None`` if it is long enough."""
        if cooldown > self.seconds:
            return None
        return (
            f"{label} must be more than {self.seconds:g} seconds, got {cooldown:g}: the alarm's "
            f"windows take {self.windows:g} x {self.window_seconds:g}, ground truth may take "
            f"{self.ground_truth_delay_seconds:g}, the rollout waits {self.rollout_seconds:g}"
        )


def check_cooldown(check: Checks, cooldown: Duration, longest: AlarmDuration | None) -> None:
    """Refuse a cooldown that ends while the alarm may be in ALARM; tokens are not checked."""
    if longest is None or cooldown.is_unresolved():
        return
    fault = longest.fault("cooldown", cooldown.to_seconds())
    if fault is not None:
        check.refuse("CooldownTooShort", fault)


def alarm_duration(
    endpoint: ChampionEndpoint, evaluation: Evaluation, alarm: cloudwatch.IAlarm
) -> AlarmDuration | None:
    """How long an alarm can stay in ALARM after a promotion; ``None`` if a token hides it.

    An imported alarm counts as one evaluation window.
    """
    window, windows = evaluation.window_minutes * 60.0, 1.0
    if isinstance(alarm, cloudwatch.Alarm):
        resource = alarm.node.default_child
        assert isinstance(resource, cloudwatch.CfnAlarm)
        windows = resource.evaluation_periods or 1.0
        if isinstance(alarm.metric, cloudwatch.Metric | cloudwatch.MathExpression):
            window = alarm.metric.period.to_seconds()
    baking, delay = endpoint.setup.bake_seconds, evaluation.ground_truth_delay_minutes
    if baking is None or not known(evaluation.window_minutes, windows, delay):
        return None
    longest = AlarmDuration(
        window_seconds=window, windows=windows, ground_truth_delay_seconds=delay * 60
    )
    return replace(longest, rollout_seconds=baking)
