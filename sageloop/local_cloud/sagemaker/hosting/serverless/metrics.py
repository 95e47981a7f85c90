"""Metrics of serverless variants.

https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-monitoring.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_NAMESPACE = "AWS/SageMaker"
_PREFIX = "ServerlessProvisionedConcurrency"


class Load(NamedTuple):
    """Requests in progress and the maximum, in total and of provisioned environments."""

    running: int
    max_concurrency: int
    provisioned_running: int
    provisioned: int


class ServerlessMetrics:
    """Publishes the used concurrency of a variant."""

    def __init__(self, cloud: Cloud, endpoint: str, variant: str) -> None:
        self._cloud = cloud
        self._dimensions = {"EndpointName": endpoint, "VariantName": variant}

    def cold_start(self, seconds: float) -> None:
        """Publish the duration of a cold start."""
        self._put("ModelSetupTime", seconds * 1e6, "Microseconds")

    def load(self, load: Load) -> None:
        """Publish the used concurrency."""
        self._put(
            "ServerlessConcurrentExecutionsUtilization", load.running / load.max_concurrency, "None"
        )
        if load.provisioned:
            used = load.provisioned_running
            self._put(f"{_PREFIX}Executions", float(used), "Count")
            self._put(f"{_PREFIX}Utilization", used / load.provisioned, "None")

    def request_taken(self, load: Load, *, provisioned: bool) -> None:
        """Publish a request and whether a provisioned environment serves it."""
        self.load(load)
        if load.provisioned:
            name = "Invocations" if provisioned else "SpilloverInvocations"
            self._put(f"{_PREFIX}{name}", 1.0, "Count")

    def _put(self, name: str, value: float, unit: str) -> None:
        put = self._cloud.services.cloudwatch.put
        put(_NAMESPACE, name, value, dimensions=self._dimensions, unit=unit)
