"""Automatic scaling of instances, copies and provisioned concurrency.

See https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Self

from aws_cdk import aws_cloudwatch as cloudwatch

from .._private.checks import Checks, known

_SCHEDULE = r"(at|cron|rate)\(.+\)"
_ADJUSTMENTS = ("ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity")
_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetKind:
    """Metric and limits of one kind of target value.

    Attributes:
        policy: Name of the policy.
        metric: Predefined metric; ``None`` for a customized metric.
        low: Minimum.
        high: Maximum; ``None`` for no limit.

    """

    policy: str
    metric: str | None
    low: float
    high: float | None = None


BACKLOG = "ApproximateBacklogSizePerInstance"

TARGETS = {
    "invocations_per_instance": TargetKind(
        policy="InvocationsPerInstance", metric="SageMakerVariantInvocationsPerInstance", low=1
    ),
    "concurrency_per_model": TargetKind(
        policy="ConcurrentRequestsPerModel",
        metric="SageMakerVariantConcurrentRequestsPerModelHighResolution", low=1,
    ),
    "provisioned_utilization": TargetKind(
        policy="ProvisionedConcurrencyUtilization",
        metric="SageMakerVariantProvisionedConcurrencyUtilization", low=0.01, high=1,
    ),
    "backlog_per_instance": TargetKind(policy="BacklogPerInstance", metric=None, low=0.01),
    "invocations_per_copy": TargetKind(
        policy="InvocationsPerCopy", metric="SageMakerInferenceComponentInvocationsPerCopy", low=1
    ),
    "concurrency_per_copy": TargetKind(
        policy="ConcurrentRequestsPerCopy",
        metric="SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution", low=1,
    ),
}  # fmt: skip
"""Targets by the field of ``Scaling`` that sets them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step adjustment of a step scaling policy.

    Attributes:
        lower: Lower bound, relative to the threshold; ``None`` for no bound.
        upper: Upper bound, relative to the threshold; ``None`` for no bound.
        change: Scaling adjustment, in the unit of the policy's ``adjustment``.

    See https://docs.aws.amazon.com/autoscaling/application/APIReference/API_StepAdjustment.html

    Example:
        >>> Step(lower=0, upper=20, change=1)

    """

    lower: float | None = None
    upper: float | None = None
    change: int

    def rendered(self) -> dict[str, Any]:
        """A ``StepAdjustment``."""
        bounds = {
            "MetricIntervalLowerBound": self.lower,
            "MetricIntervalUpperBound": self.upper,
        }
        known_bounds = {name: value for name, value in bounds.items() if value is not None}
        return {**known_bounds, "ScalingAdjustment": self.change}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepScaling:
    """Step scaling policy with its alarm.

    Attributes:
        metric: Name of a metric of the variant or component, or a metric.
        statistic: CloudWatch statistic of a metric that is given by name.
        threshold: Threshold of the alarm.
        steps: Step adjustments, which must not overlap.
        below: Whether the alarm fires below the threshold, to scale in.
        adjustment: ``ChangeInCapacity``, ``PercentChangeInCapacity`` or ``ExactCapacity``.
        period_seconds: Period of the metric.
        evaluation_periods: Evaluation periods of the alarm.
        cooldown_seconds: Cooldown after a step.

    See https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-step-scaling-policies.html

    Example:
        >>> StepScaling(metric="CPUUtilization", threshold=70,
        ...             steps=[Step(lower=0, upper=20, change=1), Step(lower=20, change=3)])

    """

    metric: str | cloudwatch.IMetric
    threshold: float
    steps: Sequence[Step]
    statistic: str = "Average"
    below: bool = False
    adjustment: str = "ChangeInCapacity"
    period_seconds: int = 60
    evaluation_periods: int = 2
    cooldown_seconds: int = 300

    def check(self, check: Checks) -> None:
        """Refuse steps that overlap or leave a gap."""
        check.one_of("step.adjustment", self.adjustment, _ADJUSTMENTS)
        check.whole("step.evaluation_periods", self.evaluation_periods, 1, 1440)
        check.whole("step.cooldown_seconds", self.cooldown_seconds, 0, 86_400)
        check.alarm("step", self.period_seconds, self.evaluation_periods)
        check.not_empty("step.steps", self.steps)
        ordered = sorted(self.steps, key=_lower)
        for one, next_one in pairwise(ordered):
            if one.upper is None or next_one.lower != one.upper:
                message = (
                    "steps must join without gap or overlap: one ends at "
                    f"{one.upper}, the next begins at {next_one.lower}"
                )
                check.refuse("StepsApart", message)

    def policy(self, name: str) -> dict[str, Any]:
        """A ``PutScalingPolicy`` request without the scalable target."""
        return step_policy(
            name, self.steps, adjustment=self.adjustment, cooldown=self.cooldown_seconds
        )


def step_policy(
    name: str, steps: Sequence[Step], *, adjustment: str, cooldown: int
) -> dict[str, Any]:
    """A step policy without the scalable target."""
    return {
        "PolicyName": name,
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": adjustment,
            "Cooldown": cooldown,
            "MetricAggregationType": "Average",
            "StepAdjustments": [step.rendered() for step in sorted(steps, key=_lower)],
        },
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledScaling:
    """Scheduled action that changes the capacity limits.

    Attributes:
        schedule: ``cron(...)``, ``rate(...)`` or ``at(...)``.
        minimum: New minimum; unchanged by default.
        maximum: New maximum; unchanged by default.
        timezone: IANA name of the time zone of ``cron`` and ``at``, for example ``Europe/Berlin``.

    See https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scheduled-scaling.html

    Example:
        >>> ScheduledScaling(schedule="cron(0 7 ? * MON-FRI *)", minimum=4, maximum=12)

    """

    schedule: str
    minimum: int | None = None
    maximum: int | None = None
    timezone: str = "UTC"

    def check(self, check: Checks, lowest: int) -> None:
        """Refuse an invalid schedule, and a minimum above the maximum."""
        check.matches("schedule", self.schedule, _SCHEDULE, 1600)
        check.timezone("schedule.timezone", self.timezone)
        if self.minimum is None and self.maximum is None:
            check.refuse("ValueMissing", f"schedule {self.schedule} needs a minimum or a maximum")
        if self.minimum is not None:
            check.whole("schedule.minimum", self.minimum, lowest, _MOST)
        if self.maximum is not None:
            least = lowest if self.minimum is None else self.minimum
            check.whole("schedule.maximum", self.maximum, least, _MOST)

    def rendered(self, name: str) -> dict[str, Any]:
        """A ``ScheduledAction``."""
        bounds = {"MinCapacity": self.minimum, "MaxCapacity": self.maximum}
        return {
            "ScheduledActionName": name,
            "Schedule": self.schedule,
            "Timezone": self.timezone,
            "ScalableTargetAction": {
                key: value for key, value in bounds.items() if value is not None
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Capacity limits and scaling policies of instances, copies or provisioned concurrency.

    Each target belongs to a kind of endpoint: invocations or concurrency to real-time inference,
    backlog to asynchronous inference, utilization of provisioned concurrency to serverless
    inference, and values per copy to inference components.

    Attributes:
        minimum: Minimum capacity; 0 only for asynchronous endpoints and inference components.
        maximum: Maximum capacity.
        invocations_per_instance: Target invocations per minute and instance.
        concurrency_per_model: Target concurrent requests per model.
        provisioned_utilization: Target utilization of provisioned concurrency, up to 1.
        backlog_per_instance: Target backlog per instance of an asynchronous endpoint.
        invocations_per_copy: Target invocations per minute and copy.
        concurrency_per_copy: Target concurrent requests per copy.
        steps: Additional step scaling policies.
        schedules: Scheduled actions.
        scale_in_seconds: Scale-in cooldown.
        scale_out_seconds: Scale-out cooldown.
        scale_in: Whether target tracking scales in.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling.html

    Example:
        >>> Scaling(minimum=2, maximum=8, invocations_per_instance=3000,
        ...         schedules=[ScheduledScaling(schedule="cron(0 7 * * ? *)", minimum=4)])

    """

    minimum: int
    maximum: int
    invocations_per_instance: float | None = None
    concurrency_per_model: float | None = None
    provisioned_utilization: float | None = None
    backlog_per_instance: float | None = None
    invocations_per_copy: float | None = None
    concurrency_per_copy: float | None = None
    steps: Sequence[StepScaling] = ()
    schedules: Sequence[ScheduledScaling] = ()
    scale_in_seconds: int = 300
    scale_out_seconds: int = 60
    scale_in: bool = True

    @classmethod
    def from_requests_per_second(
        cls, rps: float, *, minimum: int, maximum: int, safety: float = 0.5, **options: Any
    ) -> Self:
        """Scaling from the measured throughput of one instance.

        Args:
            rps: Requests per second that one instance can serve.
            minimum: Minimum number of instances.
            maximum: Maximum number of instances.
            safety: Safety factor, 0 to 1; AWS recommends to start with 0.5.
            options: The other attributes.

        Raises:
            ConfigurationError: If a number is out of range.

        See https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-loadtest.html

        Example:
            >>> Scaling.from_requests_per_second(120, minimum=2, maximum=6)  # 3600 a minute

        """
        with Checks("Scaling") as check:
            check.literal("rps", rps)
            check.literal("safety", safety)
            check.between("safety", safety, 0.01, 1)
            check.between("rps", rps, 0.01)
        target = rps * safety * 60
        return cls(minimum=minimum, maximum=maximum, invocations_per_instance=target, **options)

    @property
    def targets(self) -> dict[str, float]:
        """Target values by name."""
        names = [each.name for each in fields(self) if each.name in TARGETS]
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def reaches_zero(self) -> bool:
        """Whether the capacity can be zero."""
        lows = [self.minimum, *[each.minimum for each in self.schedules]]
        return any(low is not None and known(low) and low == 0 for low in lows)

    def check(self, check: Checks, *, targets: Sequence[str], zero: bool, kind: str) -> None:
        """Refuse invalid limits, and targets that the kind does not have.

        Args:
            check: Collects the errors.
            targets: Names of the targets that the kind has.
            zero: Whether the kind can scale to zero.
            kind: Name of the kind in error messages.

        """
        lowest = 0 if zero else 1
        if self.reaches_zero and not zero:
            check.refuse("ZeroNotAllowed", "scaling.minimum must be between 1 and 1000: only "
                         "asynchronous endpoints and inference components go to zero, got 0 on "
                         f"{kind}")  # fmt: skip
        else:
            check.whole("scaling.minimum", self.minimum, lowest, _MOST)
        check.whole("scaling.maximum", self.maximum, max(lowest, 1), _MOST)
        if known(self.minimum, self.maximum):
            check.whole("scaling.maximum", self.maximum, self.minimum, _MOST)
        for name, value in self.targets.items():
            if name not in targets:
                check.refuse("TargetNotOfKind", f"scaling.{name} does not exist for {kind}; use "
                             f"{', '.join(targets)}")  # fmt: skip
            check.between(f"scaling.{name}", value, TARGETS[name].low, TARGETS[name].high)
        if not self.targets and not self.steps and not self.schedules:
            allowed = ", ".join(targets)
            message = f"scaling needs a target ({allowed}), steps or schedules, got none"
            check.refuse("ValueMissing", message)
        for step in self.steps:
            step.check(check)
        for schedule in self.schedules:
            schedule.check(check, lowest)

    def policies(self, endpoint_name: str = "") -> list[dict[str, Any]]:
        """Target tracking: ``PutScalingPolicy`` requests without the scalable target.

        Args:
            endpoint_name: Name of the endpoint, for customized metrics.

        """
        return [self._tracking(name, value, endpoint_name) for name, value in self.targets.items()]

    def _tracking(self, name: str, value: float, endpoint_name: str) -> dict[str, Any]:
        kind = TARGETS[name]
        configuration: dict[str, Any] = {"TargetValue": value}
        if kind.metric is None:
            configuration["CustomizedMetricSpecification"] = {
                "MetricName": BACKLOG,
                "Namespace": "AWS/SageMaker",
                "Dimensions": [{"Name": "EndpointName", "Value": endpoint_name}],
                "Statistic": "Average",
            }
        else:
            configuration["PredefinedMetricSpecification"] = {"PredefinedMetricType": kind.metric}
        configuration |= {
            "ScaleInCooldown": self.scale_in_seconds,
            "ScaleOutCooldown": self.scale_out_seconds,
        }
        if not self.scale_in:
            configuration["DisableScaleIn"] = True
        return {
            "PolicyName": kind.policy,
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": configuration,
        }


def _lower(step: Step) -> float:
    return float("-inf") if step.lower is None else step.lower
