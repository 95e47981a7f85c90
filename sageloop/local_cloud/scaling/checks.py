"""What Application Auto Scaling accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.core.errors import AwsError, not_supported
from sageloop.local_cloud.scaling.model import TargetKey

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_PRINCIPAL = "application-autoscaling.amazonaws.com"
_VARIANT_DIMENSIONS = (
    "sagemaker:variant:DesiredInstanceCount",
    "sagemaker:variant:DesiredProvisionedConcurrency",
)
_VARIANT = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
_SCHEDULE = re.compile(
    r"(?:cron\(.+\)|rate\(\d+ (?:minute|hour|day)s?\)|at\(\d{4}-\d\d-\d\dT[\d:]+\))"
)


def invalid(text: str) -> AwsError:
    """A ``ValidationException``."""
    return AwsError("ValidationException", text)


def missing(text: str) -> AwsError:
    """An ``ObjectNotFoundException``."""
    return AwsError("ObjectNotFoundException", text)


def check_dimension(key: TargetKey) -> None:
    """The dimension must be one of the namespace's."""
    if key.dimension.split(":", 1)[0] != key.namespace:
        raise invalid(
            f"Unsupported service namespace, resource type or scalable dimension: "
            f"{key.namespace}, {key.resource}, {key.dimension}"
        )


def check_resource(cloud: Cloud, key: TargetKey) -> None:
    """A SageMaker variant must be there; resources of other services are taken as given."""
    if key.dimension not in _VARIANT_DIMENSIONS:
        return
    found = _VARIANT.fullmatch(key.resource)
    if found is None:
        raise invalid(
            f"Unsupported resource id: {key.resource} (wanted endpoint/<name>/variant/<name>)"
        )
    if "sagemaker" not in cloud.front.services:
        return
    endpoint, variant = found.groups()
    client = cloud.client("sagemaker", principal=_PRINCIPAL, region=key.region)
    try:
        described = client.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        raise _no_such_variant(key) from error
    variants = described.get("ProductionVariants") or []
    if variant not in [v["VariantName"] for v in variants]:
        raise _no_such_variant(key)


def check_capacity(minimum: int | None, maximum: int | None) -> None:
    """Both limits are given, none is negative, and they are in order."""
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
    """The policy's type must be one that is known, with its own configuration."""
    kind = params.get("PolicyType", "StepScaling")
    if kind == "PredictiveScaling" or params.get("PredictiveScalingPolicyConfiguration"):
        raise not_supported("application-autoscaling", f"{operation} with PredictiveScaling")
    members = {
        "StepScaling": "StepScalingPolicyConfiguration",
        "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    }
    if kind not in members:
        raise invalid(f"PolicyType must be one of {', '.join(members)}, got {kind}")
    if params.get(members[kind]) is None:
        raise invalid(f"A policy of type {kind} needs a {members[kind]}")
    other = next(m for k, m in members.items() if k != kind)
    if params.get(other) is not None:
        raise invalid(f"A policy of type {kind} cannot have a {other}")
    if kind == "TargetTrackingScaling":
        _check_tracking(params[members[kind]])
    elif not params[members[kind]].get("StepAdjustments"):
        raise invalid("At least one StepAdjustment must be specified")


def check_schedule(schedule: str | None) -> None:
    """A schedule is ``at(...)``, ``rate(...)`` or ``cron(...)``."""
    if schedule is None or not _SCHEDULE.fullmatch(schedule):
        raise invalid(f"Schedule must be an at, rate or cron expression, got {schedule}")


def _check_tracking(config: Mapping[str, Any]) -> None:
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


def _no_such_variant(key: TargetKey) -> AwsError:
    return invalid(f"SageMaker endpoint variant doesn't exist: {key.resource}")
