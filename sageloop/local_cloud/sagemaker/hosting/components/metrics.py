"""Metrics of inference components.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.components.copies import Copy
    from sageloop.local_cloud.sagemaker.hosting.components.hosts import Host

_REQUESTS = "AWS/SageMaker"
_COMPONENTS = "/aws/sagemaker/InferenceComponents"
_INSTANCES = "/aws/sagemaker/Endpoints"


class ComponentMetrics:
    """Publishes metrics with the dimension InferenceComponentName."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def refused(self, component: str) -> None:
        """Publish a request that was refused because the component has no copy."""
        self._put(_REQUESTS, component, "NoCapacityInvocationFailures", 1.0, "Count")

    def busy(self, component: str, copies: Sequence[Copy]) -> None:
        """Publish the requests in progress by copy."""
        if copies:
            running = sum(copy.outstanding for copy in copies) / len(copies)
            self._put(_REQUESTS, component, "ConcurrentRequestsPerCopy", running, "Count")

    def invoked(
        self, component: str, copies: int, *, status: int, model: float, overhead: float
    ) -> None:
        """Publish a request; ``status`` 0 means no response; times in wall seconds."""
        for name, value, unit in (
            ("Invocations", 1.0, "None"),
            ("Invocation4XXErrors", float(400 <= status < 500), "None"),
            ("Invocation5XXErrors", float(status >= 500), "None"),
            ("InvocationModelErrors", float(not 200 <= status < 300), "None"),
            ("InvocationsPerCopy", 1 / max(1, copies), "None"),
            ("ModelLatency", model * 1e6, "Microseconds"),
            ("OverheadLatency", overhead * 1e6, "Microseconds"),
        ):
            self._put(_REQUESTS, component, name, value, unit)

    def reserved(self, component: str, copies: Sequence[Copy]) -> None:
        """Publish the percentage of instance resources that a component's copies reserve."""
        if not copies:
            return
        for name, share in (
            ("CPUReservation", [c.plan.needs.cores / c.host.capacity.cores for c in copies]),
            (
                "MemoryReservation",
                [c.plan.needs.memory_mb / c.host.capacity.memory_mb for c in copies],
            ),
        ):
            value = 100 * sum(share) / len(share)
            self._put(_COMPONENTS, component, name, value, "Percent")

    def instances(self, endpoint: str, variant: str, hosts: Sequence[Host[Copy]]) -> None:
        """Publish the reserved percentage of a variant's instances."""
        if not hosts:
            return
        dimensions = {"EndpointName": endpoint, "VariantName": variant}
        put = self._cloud.services.cloudwatch.put
        for name, share in (
            ("CPUReservation", [1 - h.free.cores / h.capacity.cores for h in hosts]),
            ("MemoryReservation", [1 - h.free.memory_mb / h.capacity.memory_mb for h in hosts]),
        ):
            value = 100 * sum(share) / len(share)
            put(_INSTANCES, name, value, dimensions=dimensions, unit="Percent")

    def _put(self, namespace: str, component: str, name: str, value: float, unit: str) -> None:
        put = self._cloud.services.cloudwatch.put
        put(namespace, name, value, dimensions={"InferenceComponentName": component}, unit=unit)
