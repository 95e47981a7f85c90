"""Values of a CloudWatch metric in a period that CloudWatch has, by any number of requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_DAY = 86_400
_PERIODS = ((15 * _DAY, 60), (63 * _DAY, 300))


def metric_values(
    cloudwatch: Any,
    *,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, str],
    statistic: str,
    start: float,
    end: float,
    most: int = 100_800,
) -> list[tuple[float, float]]:
    """Times and values of a metric, oldest first.

    The period is one minute, five minutes for data older than 15 days, and one hour for data
    older than 63 days: CloudWatch has no shorter ones.

    Args:
        cloudwatch: A CloudWatch client.
        namespace: Namespace of the metric.
        metric: Name of the metric.
        dimensions: Dimensions of the metric.
        statistic: CloudWatch statistic.
        start: Start of the time range in epoch seconds.
        end: End of the time range in epoch seconds, which is about now.
        most: Datapoints of one request, 100,800 at most.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html

    """
    period = next((each for age, each in _PERIODS if end - start <= age), 3600)
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    query = {"Id": "m", "MetricStat": {
        "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": named},
        "Period": period, "Stat": statistic}}  # fmt: skip
    answers = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query], ScanBy="TimestampAscending", MaxDatapoints=most,
        StartTime=datetime.fromtimestamp(start, UTC), EndTime=datetime.fromtimestamp(end, UTC),
    )  # fmt: skip
    return [
        (time.timestamp(), float(value))
        for answer in answers
        for result in answer["MetricDataResults"]
        for time, value in zip(result["Timestamps"], result["Values"], strict=True)
    ]
