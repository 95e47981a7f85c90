"""Reads CloudWatch metrics of an endpoint over the whole run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sageloop.local_cloud.client import LocalCloud

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Metrics of one variant of an endpoint."""

    cloud: LocalCloud
    endpoint: str
    variant: str = "AllTraffic"

    def of(
        self, name: str, statistic: str = "Sum", *, namespace: str = "AWS/SageMaker",
        config: str | None = None,
    ) -> float:  # fmt: skip
        """A statistic of a metric over the days of the run; 0 without data.

        ``config`` limits it to the metrics of an endpoint configuration.
        """
        dimensions = {"EndpointName": self.endpoint, "VariantName": self.variant}
        if config is not None:
            dimensions["EndpointConfigName"] = config
        now = datetime.fromtimestamp(self.cloud.time(), UTC)
        points = self.cloud.client("cloudwatch").get_metric_statistics(
            Namespace=namespace, MetricName=name, Statistics=[statistic], Period=_DAY,
            StartTime=now - timedelta(days=2), EndTime=now + timedelta(days=1),
            Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
        )["Datapoints"]  # fmt: skip
        values = [float(point[statistic]) for point in points]
        if not values:
            return 0.0
        return max(values) if statistic == "Maximum" else sum(values)
