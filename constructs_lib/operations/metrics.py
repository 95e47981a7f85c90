"""Sums of the project's own metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch


def project_sum(
    label: str, name: str, by: Sequence[Mapping[str, str]], *, period: Duration | None
) -> cloudwatch.MathExpression:
    """One metric summed over several sets of dimensions; one without a sample counts as zero.

    Args:
        label: What the sum is called.
        name: Name of the metric.
        by: Sets of dimensions.
        period: 5 minutes by default.

    """
    each = Duration.minutes(5) if period is None else period
    stem = name[0].lower() + name[1:]  # ids must differ within a graph
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
