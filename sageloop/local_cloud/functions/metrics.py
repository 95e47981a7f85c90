"""Metrics of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


class FunctionMetrics:
    """Publishes metrics in ``AWS/Lambda``, if this cloud has CloudWatch."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def invoked(self, name: str, milliseconds: float, *, failed: bool) -> None:
        """Publish the metrics of one invocation."""
        self.put(name, "Invocations", 1)
        self.put(name, "Errors", 1 if failed else 0)
        self.put(name, "Throttles", 0)
        self.put(name, "Duration", milliseconds, unit="Milliseconds")

    def put(self, name: str, metric: str, value: float, *, unit: str = "Count") -> None:
        """Publish one sample of a function's metric."""
        if not self._cloud.services.has("cloudwatch"):
            return
        self._cloud.services.cloudwatch.put(
            "AWS/Lambda", metric, value, dimensions={"FunctionName": name}, unit=unit
        )
