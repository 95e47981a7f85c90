"""CloudWatch alarms that roll back a rollout."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.acknowledge import acknowledge, acknowledge_packs
from .._private.alarm_duties import ROLLBACK, claim
from .base import EndpointBase
from .variants import Variant

_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_UNTOLD = "SageMaker reads the alarm during a rollout and acts on it itself"
_QUIET = cloudwatch.TreatMissingData.NOT_BREACHING


def rollback_alarms(
    scope: Construct,
    endpoint: EndpointBase,
    variants: Sequence[Variant],
    *,
    latency: Duration | None,
    alert_topic: sns.ITopic | None,
    queued: bool = False,
) -> list[cloudwatch.Alarm]:
    """Two alarms per variant: a 5xx response within a minute, and high latency for two minutes.

    The model quality alarm is never one of them: it is in ALARM before the rollout.

    Args:
        scope: Parent.
        endpoint: Endpoint to monitor.
        variants: Variants of the endpoint.
        latency: p99 latency above which a rollout is rolled back; ``None`` defines no alarm.
        alert_topic: SNS topic that is notified in addition.
        queued: Whether the endpoint is asynchronous.

    """
    alarms = []
    for index, variant in enumerate(variants):
        failures = endpoint.metric_invocation_failures if queued else endpoint.metric_server_errors
        errors = cloudwatch.Alarm(
            scope,
            f"Errors{index}",
            alarm_description=f"Variant {variant.name} returns 5xx responses",
            metric=failures(variant=variant.name),
            threshold=0,
            evaluation_periods=1,
            comparison_operator=_ABOVE,
            treat_missing_data=_QUIET,
        )
        alarms.append(errors)
        if latency is not None:
            alarms.append(_slow(scope, f"Latency{index}", endpoint, variant, latency))
    if alert_topic is not None:
        for alarm in alarms:
            alarm.add_alarm_action(actions.SnsAction(alert_topic))
    else:
        for alarm in alarms:
            acknowledge_packs(alarm, "CloudWatchAlarmAction", _UNTOLD, packs="nist hipaa")
            acknowledge(alarm, ["CT.CLOUDWATCH.PR.1"], _UNTOLD)
    claim(scope, alarms, ROLLBACK)
    return alarms


def _slow(
    scope: Construct, construct_id: str, endpoint: EndpointBase, variant: Variant, latency: Duration
) -> cloudwatch.Alarm:
    return cloudwatch.Alarm(
        scope,
        construct_id,
        alarm_description=f"Variant {variant.name} has a high latency (p99, microseconds)",
        metric=endpoint.metric_model_latency(variant=variant.name),
        threshold=latency.to_milliseconds() * 1000,
        evaluation_periods=2,
        comparison_operator=_ABOVE,
        treat_missing_data=_QUIET,
    )
