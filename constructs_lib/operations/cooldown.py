"""How long the alarm may stay red after a better model came."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from .._private.checks import Checks, known
from ..serving import ChampionEndpoint
from .values import Evaluation

_ALL_AT_ONCE = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class RedTime:
    """How long the live error's alarm may be red because of a model that is already replaced.

    A pause between trainings that is not longer would start a second one that nobody needs.

    Attributes:
        window_seconds: Period of the alarm.
        windows: Windows that the alarm looks at.
        ground_truth_delay_seconds: How long the truth may take to arrive.
        rollout_seconds: The canary's waits; those of a rollout all at once by default.

    """

    window_seconds: float
    windows: float
    ground_truth_delay_seconds: float
    rollout_seconds: float = _ALL_AT_ONCE

    @property
    def seconds(self) -> float:
        """All together."""
        return (
            self.windows * self.window_seconds
            + self.ground_truth_delay_seconds
            + self.rollout_seconds
        )

    def fault(self, label: str, cooldown: float) -> str | None:
        """What is wrong with a pause of so many seconds; nothing if it is long enough."""
        if cooldown > self.seconds:
            return None
        return (
            f"{label} must be more than {self.seconds:g} seconds, got {cooldown:g}: the alarm's "
            f"windows take {self.windows:g} x {self.window_seconds:g}, the truth may take "
            f"{self.ground_truth_delay_seconds:g}, the rollout waits {self.rollout_seconds:g}"
        )


def check_cooldown(check: Checks, cooldown: Duration, red: RedTime | None) -> None:
    """Refuse a pause that ends while the alarm may still be red; pass what a token hides."""
    if red is None or cooldown.is_unresolved():
        return
    fault = red.fault("cooldown", cooldown.to_seconds())
    if fault is not None:
        check.refuse("CooldownTooShort", fault)


def red_time(
    endpoint: ChampionEndpoint, evaluation: Evaluation, alarm: cloudwatch.IAlarm
) -> RedTime | None:
    """How long an alarm may stay red after a promotion; none if a token hides it.

    An alarm of your own, known by its name only, counts as one window of the evaluation.
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
    red = RedTime(window_seconds=window, windows=windows, ground_truth_delay_seconds=delay * 60)
    return replace(red, rollout_seconds=baking)
