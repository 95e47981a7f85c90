"""How many instances an endpoint has, who changed that, and what waited meanwhile."""

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
    """Instances of one variant of an endpoint, as AWS's API tells of them.

    Attributes:
        counts: What was seen, virtual epoch seconds and instances, one entry a change.

    """

    cloud: LocalCloud
    endpoint: str
    variant: str = "AllTraffic"
    counts: list[tuple[float, int]] = field(default_factory=list)

    @property
    def most(self) -> int:
        """The most instances that were seen."""
        return max((count for _, count in self.counts), default=0)

    def see(self) -> int:
        """Instances that serve now."""
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
        """Wait until no instance is left; the virtual seconds that took.

        Raises:
            NotSeenError: After so many seconds on the wall's clock.

        """
        began = self.cloud.time()
        until("no instance left", lambda: self.see() == 0 or None, seconds=seconds)
        return self.cloud.time() - began

    def activities(self) -> list[Moment]:
        """What Application Auto Scaling did, oldest first, each with the policy behind it."""
        pages = (
            self.cloud.client("application-autoscaling")
            .get_paginator("describe_scaling_activities")
            .paginate(
                ServiceNamespace="sagemaker",
                ResourceId=f"endpoint/{self.endpoint}/variant/{self.variant}",
            )
        )
        return [_told(each) for page in pages for each in page["ScalingActivities"]][::-1]

    def largest(self, metric: str) -> float:
        """The largest value of a metric of the endpoint as a whole; 0 if there is none."""
        now = datetime.fromtimestamp(self.cloud.time(), UTC)
        found = self.cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=metric, Statistics=["Maximum"], Period=_DAY,
            StartTime=now - timedelta(days=2), EndTime=now + timedelta(days=1),
            Dimensions=[{"Name": "EndpointName", "Value": self.endpoint}],
        )["Datapoints"]  # fmt: skip
        return max((float(point["Maximum"]) for point in found), default=0.0)


def _told(activity: dict[str, Any]) -> Moment:
    policy = activity["Cause"].rpartition(" ")[2]
    said = f"{activity['StatusCode']}: {activity['Description']} ({policy})"
    return Moment(at=activity["StartTime"].timestamp(), said=said)
