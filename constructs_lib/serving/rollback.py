"""Alarms that end a bad rollout."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from .base import EndpointBase
from .values import Variant


def rollback_alarms(
    scope: Construct,
    endpoint: EndpointBase,
    variants: Sequence[Variant],
    *,
    latency: Duration,
    page_topic: sns.ITopic | None,
) -> list[cloudwatch.Alarm]:
    """Two alarms per variant: any answer 5xx in a minute, and slow answers for two minutes.

    The alarm that asks for retraining is never one of them: it is red before the rollout.
    """
    above = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
    quiet = cloudwatch.TreatMissingData.NOT_BREACHING
    alarms = []
    for index, variant in enumerate(variants):
        errors = cloudwatch.Alarm(
            scope,
            f"Errors{index}",
            alarm_description=f"Variant {variant.name} answers with errors",
            metric=endpoint.metric_server_errors(variant=variant.name),
            threshold=0,
            evaluation_periods=1,
            comparison_operator=above,
            treat_missing_data=quiet,
        )
        slow = cloudwatch.Alarm(
            scope,
            f"Latency{index}",
            alarm_description=f"Variant {variant.name} answers slowly (microseconds, p99)",
            metric=endpoint.metric_model_latency(variant=variant.name),
            threshold=latency.to_milliseconds() * 1000,
            evaluation_periods=2,
            comparison_operator=above,
            treat_missing_data=quiet,
        )
        alarms += [errors, slow]
    if page_topic is not None:
        for alarm in alarms:
            alarm.add_alarm_action(actions.SnsAction(page_topic))
    return alarms
