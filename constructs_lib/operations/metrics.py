"""Sums of the project's custom metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch


def project_sum(
    label: str, name: str, by: Sequence[Mapping[str, str]], *, period: Duration | None
) -> cloudwatch.MathExpression:
    """The sum of a metric over several sets of dimensions; a set without data counts as 0.

    Args:
        label: Label of the sum.
        name: Name of the metric.
        by: Sets of dimensions.
        period: 5 minutes by default.

    """
    each = Duration.minutes(5) if period is None else period
    stem = name[0].lower() + name[1:]  # Ids must be unique within a graph.
    metrics = {
        f"{stem}{index}": cloudwatch.Metric(
            namespace="sageloop",
            metric_name=name,
            dimensions_map=dict(dimensions),
            statistic="Sum",
            period=each,
        )
        for index, dimensions in enumerate(by)
    }
    return cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({name}, 0)" for name in metrics),
        using_metrics=metrics,
        label=label,
        period=each,
    )
