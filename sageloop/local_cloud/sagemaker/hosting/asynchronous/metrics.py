"""Metrics of asynchronous endpoints: all that AWS documents for them, and no others.

https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.samples import Sample, Series

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet

_NAMESPACE = "AWS/SageMaker"
# AWS's spelling.
PROCESSED = "InvocationsProcesssed"


class AsyncMetrics:
    """Publishes metrics of requests and of the queue."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def count(self, endpoint: str, variant: str, name: str) -> None:
        """Add 1 to a counter: a failure, an expired request or a processed request."""
        self._put(endpoint, variant, name, 1.0, "Count")

    def duration(self, endpoint: str, variant: str, name: str, seconds: float) -> None:
        """Publish a duration in microseconds, TotalProcessingTime in milliseconds, as AWS does."""
        if name == "TotalProcessingTime":
            self._put(endpoint, variant, name, seconds * 1e3, "Milliseconds")
        else:
            self._put(endpoint, variant, name, seconds * 1e6, "Microseconds")

    def invoked(self, endpoint: str, variant: VariantFleet, status: int, seconds: float) -> None:
        """Publish the invocation metrics of real-time endpoints; status 0 means no response."""
        plain = {"EndpointName": endpoint, "VariantName": variant.spec.name}
        put = self._cloud.services.cloudwatch.put
        for dimensions in (plain, plain | {"EndpointConfigName": variant.spec.config_name}):
            for name, value, unit in (
                ("Invocation4XXErrors", float(400 <= status < 500), "None"),
                ("Invocation5XXErrors", float(status >= 500), "None"),
                ("ModelLatency", seconds * 1e6, "Microseconds"),
            ):
                put(_NAMESPACE, name, value, dimensions=dimensions, unit=unit)

    def backlog(
        self, endpoint: str, *, size: int, instances: int, age: float, moments: Sequence[float]
    ) -> None:
        """Publish the queue's state at some times; ``age`` of the oldest in virtual seconds."""
        values = [
            ("ApproximateBacklogSize", float(size), "Count"),
            ("ApproximateAgeOfOldestRequest", age, "Seconds"),
            ("HasBacklogWithoutCapacity", float(size > 0 and instances == 0), "Count"),
        ]
        if instances > 0:
            values.append(("ApproximateBacklogSizePerInstance", size / instances, "Count"))
        put = self._cloud.services.cloudwatch.metrics.put
        for name, value, unit in values:
            series = Series.of(_NAMESPACE, name, {"EndpointName": endpoint})
            for moment in moments:
                put(series, Sample.one(moment, value), unit)

    def _put(self, endpoint: str, variant: str, name: str, value: float, unit: str) -> None:
        dimensions = {"EndpointName": endpoint, "VariantName": variant}
        self._cloud.services.cloudwatch.put(
            _NAMESPACE, name, value, dimensions=dimensions, unit=unit
        )
