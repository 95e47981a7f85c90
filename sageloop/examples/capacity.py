"""Observes the instance count of an endpoint and its scaling activities."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sageloop.examples.rollouts import Moment
from sageloop.local_cloud.client import LocalCloud
from sageloop.waiting import until

_DAY = 86_400


@dataclass(kw_only=True)
class Capacity:
    """The instances of one variant of an endpoint, read through AWS's API.

    Attributes:
        counts: Observed changes: virtual epoch seconds and number of instances.

    """

    cloud: LocalCloud
    endpoint: str
    variant: str = "AllTraffic"
    counts: list[tuple[float, int]] = field(default_factory=list)

    @property
    def most(self) -> int:
        """The largest observed number of instances."""
        return max((count for _, count in self.counts), default=0)

    def see(self) -> int:
        """Read the current number of instances."""
        described = self.cloud.client("sagemaker").describe_endpoint(EndpointName=self.endpoint)
        (count,) = (
            int(variant["CurrentInstanceCount"])
            for variant in described["ProductionVariants"]
            if variant["VariantName"] == self.variant
        )
        if not self.counts or self.counts[-1][1] != count:
            self.counts.append((self.cloud.time(), count))
        return count

    def await_zero(self, *, seconds: float = 120) -> float:
        """Wait until there is no instance; returns the elapsed virtual seconds.

        Raises:
            WaitTimeoutError: After so many wall seconds.

        """
        began = self.cloud.time()
        until("no instance left", lambda: self.see() == 0 or None, seconds=seconds)
        return self.cloud.time() - began

    def activities(self) -> list[Moment]:
        """Activities of Application Auto Scaling, oldest first, with their policies."""
        pages = (
            self.cloud.client("application-autoscaling")
            .get_paginator("describe_scaling_activities")
            .paginate(
                ServiceNamespace="sagemaker",
                ResourceId=f"endpoint/{self.endpoint}/variant/{self.variant}",
            )
        )
        return [_moment(each) for page in pages for each in page["ScalingActivities"]][::-1]

    def largest(self, metric: str) -> float:
        """The maximum of a metric of the endpoint; 0 without data."""
        now = datetime.fromtimestamp(self.cloud.time(), UTC)
        points = self.cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=metric, Statistics=["Maximum"], Period=_DAY,
            StartTime=now - timedelta(days=2), EndTime=now + timedelta(days=1),
            Dimensions=[{"Name": "EndpointName", "Value": self.endpoint}],
        )["Datapoints"]  # fmt: skip
        return max((float(point["Maximum"]) for point in points), default=0.0)


def _moment(activity: dict[str, Any]) -> Moment:
    policy = activity["Cause"].rpartition(" ")[2]
    text = f"{activity['StatusCode']}: {activity['Description']} ({policy})"
    return Moment(at=activity["StartTime"].timestamp(), text=text)
