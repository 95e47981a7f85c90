"""Alarms by name, metric and composite ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_MOST_NAMES = 100  # of one DescribeAlarms request


def described_alarms(cloudwatch: Any, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The alarms of these names that exist, by name.

    Without ``AlarmTypes`` CloudWatch returns metric alarms only.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html

    Args:
        cloudwatch: a CloudWatch client.
        names: names of alarms.

    """
    described: dict[str, dict[str, Any]] = {}
    distinct = sorted(set(names))
    for first in range(0, len(distinct), _MOST_NAMES):
        response = cloudwatch.describe_alarms(
            AlarmNames=distinct[first : first + _MOST_NAMES],
            AlarmTypes=["CompositeAlarm", "MetricAlarm"],
            MaxRecords=_MOST_NAMES,
        )
        for kind in ("MetricAlarms", "CompositeAlarms"):
            described |= {alarm["AlarmName"]: dict(alarm) for alarm in response.get(kind, [])}
    return described
