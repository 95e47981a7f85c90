"""The two alarms of a target tracking policy.

https://docs.aws.amazon.com/autoscaling/application/userguide/monitoring-cloudwatch.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sageloop.local_cloud.scaling.model import TargetKey

Side = Literal["AlarmHigh", "AlarmLow"]
_HIGH_DATAPOINTS = 3
_LOW_SECONDS = 900
_LOW_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Predefined:
    """A predefined metric: the name under which SageMaker publishes it, and its statistic."""

    dimension: str
    name: str
    statistic: str
    period: int = 60


PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": Predefined(
        "sagemaker:variant:DesiredInstanceCount", "InvocationsPerInstance", "Sum"
    ),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": Predefined(
        "sagemaker:variant:DesiredInstanceCount", "ConcurrentRequestsPerModel", "Maximum", 10
    ),
    "SageMakerVariantProvisionedConcurrencyUtilization": Predefined(
        "sagemaker:variant:DesiredProvisionedConcurrency",
        "ServerlessProvisionedConcurrencyUtilization", "Maximum",
    ),
    "SageMakerInferenceComponentInvocationsPerCopy": Predefined(
        "sagemaker:inference-component:DesiredCopyCount", "InvocationsPerCopy", "Sum"
    ),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": Predefined(
        "sagemaker:inference-component:DesiredCopyCount", "ConcurrentRequestsPerCopy", "Maximum",
        10,
    ),
}  # fmt: skip


def predefined_of(config: Mapping[str, Any]) -> Predefined | None:
    """The predefined metric of a target tracking configuration, or ``None``."""
    specification = config.get("PredefinedMetricSpecification")
    return PREDEFINED[specification["PredefinedMetricType"]] if specification else None


def sides(config: Mapping[str, Any]) -> tuple[Side, ...]:
    """The alarms of a policy; one that only scales out has no alarm for scale-in."""
    return ("AlarmHigh",) if config.get("DisableScaleIn", False) else ("AlarmHigh", "AlarmLow")


def alarm_prefix(key: TargetKey, side: Side) -> str:
    """The name of an alarm without its unique suffix."""
    return f"TargetTracking-{key.resource}-{side}-"


def alarm(
    *, name: str, side: Side, key: TargetKey, policy_arn: str, config: Mapping[str, Any]
) -> dict[str, Any]:
    """The PutMetricAlarm request of one of the alarms."""
    metric, period = _metric(key, config)
    target = float(config["TargetValue"])
    high = side == "AlarmHigh"
    return {
        "AlarmName": name,
        "AlarmDescription": (
            f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy_arn}."
        ),
        "ActionsEnabled": True,
        "AlarmActions": [policy_arn],
        "EvaluationPeriods": _HIGH_DATAPOINTS if high else _LOW_SECONDS // period,
        "Threshold": target if high else target * _LOW_SHARE,
        "ComparisonOperator": "GreaterThanThreshold" if high else "LessThanThreshold",
        **metric,
    }


def dimensions_of(key: TargetKey) -> dict[str, str]:
    """The dimensions of a target's metrics."""
    parts = key.resource.split("/")
    if parts[0] == "inference-component":
        return {"InferenceComponentName": parts[1]}
    return {"EndpointName": parts[1], "VariantName": parts[3]}


def _metric(key: TargetKey, config: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    known = predefined_of(config)
    if known is not None:
        listed = [{"Name": n, "Value": v} for n, v in dimensions_of(key).items()]
        return {
            "Namespace": "AWS/SageMaker", "MetricName": known.name, "Dimensions": listed,
            "Statistic": known.statistic, "Period": known.period,
        }, known.period  # fmt: skip
    specification = config["CustomizedMetricSpecification"]
    if specification.get("Metrics"):
        return {"Metrics": [_query(query) for query in specification["Metrics"]]}, 60
    members = ("Namespace", "MetricName", "Dimensions", "Statistic", "Unit")
    return {m: specification[m] for m in members if specification.get(m) is not None} | {
        "Period": 60
    }, 60


def _query(member: Mapping[str, Any]) -> dict[str, Any]:
    query = dict(member)
    if query.get("MetricStat"):
        query["MetricStat"] = {**query["MetricStat"], "Period": 60}
    return query
