"""Validation of Application Auto Scaling requests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sageloop.local_cloud.core.errors import AwsError, not_supported
from sageloop.local_cloud.scaling.model import STEP, TRACKING, TargetKey
from sageloop.local_cloud.scaling.tracking import PREDEFINED

_MEMBERS = {"StepScaling": STEP, "TargetTrackingScaling": TRACKING}
_COOLDOWNS = ("Cooldown", "ScaleInCooldown", "ScaleOutCooldown")


def invalid(text: str) -> AwsError:
    """A ``ValidationException``."""
    return AwsError("ValidationException", text)


def missing(text: str) -> AwsError:
    """An ``ObjectNotFoundException``."""
    return AwsError("ObjectNotFoundException", text)


def check_dimension(key: TargetKey, operation: str) -> None:
    """Refuse a dimension that the namespace does not have; only SageMaker's are supported."""
    if key.dimension.split(":", 1)[0] != key.namespace:
        raise invalid(
            f"Unsupported service namespace, resource type or scalable dimension: "
            f"{key.namespace}, {key.resource}, {key.dimension}"
        )
    if not key.sagemaker:
        raise not_supported("application-autoscaling", f"{operation} of {key.dimension}")


def check_capacity(minimum: int | None, maximum: int | None) -> None:
    """Refuse missing or negative capacities, and a minimum above the maximum."""
    if minimum is None or maximum is None:
        raise invalid(
            "MinCapacity and MaxCapacity must both be specified when registering a new "
            f"scalable target, got MinCapacity={minimum} and MaxCapacity={maximum}"
        )
    if minimum < 0 or maximum < 0:
        raise invalid(f"Capacities must be 0 or more, got {minimum} and {maximum}")
    if maximum < minimum:
        raise invalid("Maximum capacity cannot be less than minimum capacity")


def check_policy(params: Mapping[str, Any], operation: str) -> None:
    """Refuse an unknown policy type, or one without its own configuration."""
    kind = params.get("PolicyType", "StepScaling")
    if kind == "PredictiveScaling" or params.get("PredictiveScalingPolicyConfiguration"):
        raise not_supported("application-autoscaling", f"{operation} with PredictiveScaling")
    if kind not in _MEMBERS:
        raise invalid(f"PolicyType must be one of {', '.join(_MEMBERS)}, got {kind}")
    config = params.get(_MEMBERS[kind])
    if config is None:
        raise invalid(f"A policy of type {kind} needs a {_MEMBERS[kind]}")
    other = next(m for k, m in _MEMBERS.items() if k != kind)
    if params.get(other) is not None:
        raise invalid(f"A policy of type {kind} cannot have a {other}")
    for member in _COOLDOWNS:
        if config.get(member, 0) < 0:
            raise invalid(f"{member} must be 0 or more seconds, got {config[member]}")
    if kind == "TargetTrackingScaling":
        _check_tracking(config, params["ScalableDimension"])
    else:
        _check_steps(config)


def _check_tracking(config: Mapping[str, Any], dimension: str) -> None:
    metrics = [
        m
        for m in ("PredefinedMetricSpecification", "CustomizedMetricSpecification")
        if config.get(m)
    ]
    if len(metrics) != 1:
        raise invalid(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification "
            f"must be specified, got {', '.join(metrics) or 'none'}"
        )
    if config.get("TargetValue") is None or config["TargetValue"] <= 0:
        raise invalid(f"TargetValue must be above 0, got {config.get('TargetValue')}")
    if config.get("PredefinedMetricSpecification"):
        _check_predefined(
            config["PredefinedMetricSpecification"]["PredefinedMetricType"], dimension
        )
    else:
        _check_customized(config["CustomizedMetricSpecification"])


def _check_predefined(kind: str, dimension: str) -> None:
    fitting = [name for name, metric in PREDEFINED.items() if metric.dimension == dimension]
    if kind not in fitting:
        raise invalid(
            f"Unsupported PredefinedMetricType for {dimension}: {kind}; supported are "
            f"{', '.join(fitting)}"
        )


def _check_customized(specification: Mapping[str, Any]) -> None:
    queries = specification.get("Metrics")
    if queries:
        shown = [query["Id"] for query in queries if query.get("ReturnData", True)]
        if len(shown) != 1:
            raise invalid(
                "Exactly one of the Metrics must have ReturnData true, got "
                f"{', '.join(shown) or 'none'}"
            )
        return
    absent = [m for m in ("MetricName", "Namespace", "Statistic") if not specification.get(m)]
    if absent:
        raise invalid(f"CustomizedMetricSpecification needs {', '.join(absent)}, or Metrics")


def _check_steps(config: Mapping[str, Any]) -> None:
    if not config.get("AdjustmentType"):
        raise invalid("AdjustmentType must be specified for a step scaling policy")
    steps = config.get("StepAdjustments")
    if not steps:
        raise invalid("At least one StepAdjustment must be specified")
    intervals = sorted(_interval(step) for step in steps)
    for (_, end), (begin, _) in pairwise(intervals):
        if end != begin:
            raise invalid(
                f"StepAdjustment intervals can't overlap or have a gap: got {_shown(intervals)}"
            )
    low, high = intervals[0][0], intervals[-1][1]
    if -math.inf < low < 0 or 0 < high < math.inf:
        raise invalid(
            "There must be a StepAdjustment with an unspecified bound on the side of a negative "
            f"lower or a positive upper bound: got {_shown(intervals)}"
        )
    if config["AdjustmentType"] == "ExactCapacity" and any(
        step["ScalingAdjustment"] < 0 for step in steps
    ):
        raise invalid("ScalingAdjustment must be 0 or more with ExactCapacity")


def _interval(step: Mapping[str, Any]) -> tuple[float, float]:
    low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
    if low is None and high is None:
        raise invalid("At least one bound must be specified for a StepAdjustment")
    interval = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
    if interval[0] >= interval[1]:
        raise invalid(
            f"The upper bound must be greater than the lower bound, got {_shown([interval])}"
        )
    return interval


def _shown(intervals: Sequence[tuple[float, float]]) -> str:
    return ", ".join(f"[{low:g}, {high:g}]" for low, high in intervals)
