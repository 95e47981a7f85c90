"""Application Auto Scaling resources, and the alarms of step policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_applicationautoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct, IDependable

from .._private.l1 import arguments
from .scaling import Scaling, Step, StepScaling, step_policy

_AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
_AT_MOST = cloudwatch.ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD

_OF_INSTANCES = {"CPUUtilization", "DiskUtilization", "GPUMemoryUtilization", "GPUUtilization",
                 "MemoryUtilization"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Scale-out from zero: the metric that starts the first instance.

    Attributes:
        metric: Metric of 1 or more while requests wait without capacity.
        periods: Evaluation periods.

    """

    metric: cloudwatch.Metric
    periods: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """A scalable target.

    Attributes:
        resource_id: Resource id of Application Auto Scaling.
        dimension: Scalable dimension.
        endpoint_name: Name of the endpoint.
        dimensions: Dimensions of the metrics.
        after: Resources that must exist before.
        wake: Scale-out from zero, if the minimum is 0.

    """

    resource_id: str
    dimension: str
    endpoint_name: str
    dimensions: Mapping[str, str]
    after: Sequence[IDependable]
    wake: Wake | None = None


def declare(scope: Construct, suffix: str, scaling: Scaling, scaled: Scaled) -> None:
    """Define scalable target, policies, scheduled actions and alarms of step policies.

    Args:
        scope: Parent.
        suffix: End of the ids, free of values.
        scaling: Capacity and policies.
        scaled: Scalable target.

    """
    target = _target(scope, f"Target{suffix}", scaling, scaled)
    for number, policy in enumerate(scaling.policies(scaled.endpoint_name)):
        _policy(scope, f"Policy{suffix}{number or ''}", target, policy)
    for number, step in enumerate(scaling.steps):
        construct_id = f"Step{suffix}-{number}"
        made = _policy(scope, construct_id, target, step.policy(construct_id))
        step_alarm(scope, construct_id, step, scaled.dimensions, made.ref)
    if scaling.reaches_zero and scaled.wake is not None:
        made = _policy(scope, f"Wake{suffix}", target, leave_zero())
        wake_alarm(scope, f"Wake{suffix}", scaled.wake, made.ref)


def _target(
    scope: Construct, construct_id: str, scaling: Scaling, scaled: Scaled
) -> autoscaling.CfnScalableTarget:
    actions = [each.rendered(f"Schedule{number}") for number, each in enumerate(scaling.schedules)]
    properties: dict[str, Any] = {
        "MinCapacity": scaling.minimum,
        "MaxCapacity": scaling.maximum,
        "ResourceId": scaled.resource_id,
        "ScalableDimension": scaled.dimension,
        "ServiceNamespace": "sagemaker",
    }
    if actions:
        properties["ScheduledActions"] = actions
    kind = autoscaling.CfnScalableTarget
    target = kind(scope, construct_id, **arguments(kind, properties))
    target.node.add_dependency(*scaled.after)
    return target


def _policy(
    scope: Construct,
    construct_id: str,
    target: autoscaling.CfnScalableTarget,
    policy: Mapping[str, Any],
) -> autoscaling.CfnScalingPolicy:
    kind = autoscaling.CfnScalingPolicy
    properties = {**policy, "ScalingTargetId": target.ref}
    return kind(scope, construct_id, **arguments(kind, properties))


def step_alarm(
    scope: Construct,
    construct_id: str,
    step: StepScaling,
    dimensions: Mapping[str, str],
    action: str,
    *,
    name: str | None = None,
) -> cloudwatch.Alarm:
    """The alarm that invokes a step policy.

    Args:
        scope: Parent.
        construct_id: Id of the policy; the alarm's ends in ``Alarm``.
        step: Step policy with its metric.
        dimensions: Dimensions of a metric that is given by name.
        action: ARN of the policy.
        name: Name of the alarm, CloudFormation's by default.

    """
    metric = step.metric
    if isinstance(metric, str):
        metric = cloudwatch.Metric(
            namespace=_namespace(metric), metric_name=metric, dimensions_map=dict(dimensions),
            statistic=step.statistic, period=Duration.seconds(step.period_seconds),
        )  # fmt: skip
    alarm = cloudwatch.Alarm(
        scope,
        f"{construct_id}Alarm",
        alarm_name=name,
        alarm_description=f"Scales {next(iter(dimensions.values()))}",
        metric=metric,
        threshold=step.threshold,
        evaluation_periods=step.evaluation_periods,
        comparison_operator=_AT_MOST if step.below else _AT_LEAST,
        treat_missing_data=cloudwatch.TreatMissingData.MISSING,
    )
    return _act(alarm, action)


def wake_alarm(
    scope: Construct, construct_id: str, wake: Wake, action: str, *, name: str | None = None
) -> cloudwatch.Alarm:
    """The alarm that invokes ``leave_zero``: requests wait and there is no capacity."""
    alarm = cloudwatch.Alarm(
        scope,
        f"{construct_id}Alarm",
        alarm_name=name,
        alarm_description="Requests wait and there is no capacity",
        metric=wake.metric,
        threshold=1,
        evaluation_periods=wake.periods,
        datapoints_to_alarm=wake.periods,
        comparison_operator=_AT_LEAST,
        treat_missing_data=cloudwatch.TreatMissingData.MISSING,
    )
    return _act(alarm, action)


def leave_zero() -> dict[str, Any]:
    """A step policy that adds one unit, without the target's three names."""
    steps = [Step(lower=0, change=1)]
    return step_policy("LeaveZero", steps, adjustment="ChangeInCapacity", cooldown=300)


def _act(alarm: cloudwatch.Alarm, action: str) -> cloudwatch.Alarm:
    resource = alarm.node.default_child
    assert isinstance(resource, cloudwatch.CfnAlarm)
    resource.alarm_actions = [action]
    return alarm


def _namespace(metric: str) -> str:
    return "/aws/sagemaker/Endpoints" if metric in _OF_INSTANCES else "AWS/SageMaker"
