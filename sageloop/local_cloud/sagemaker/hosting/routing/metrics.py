"""Metrics of endpoints as SageMaker publishes them."""

from __future__ import annotations

import time as wall
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sageloop.local_cloud.core.samples import Series
from sageloop.local_cloud.sagemaker.hosting.instances.usage import UsageMeter

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.invocation.serving import NoResponse, ServedResponse

_REQUESTS = "AWS/SageMaker"
_INSTANCES = "/aws/sagemaker/Endpoints"
_NAMES = (
    "Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors",
    "InvocationsPerInstance", "ModelLatency", "OverheadLatency",
)  # fmt: skip
_UNITS = ("None",) * 5 + ("Microseconds",) * 2
_USAGE = ("CPUUtilization", "MemoryUtilization", "DiskUtilization")


class RequestMeasurement(NamedTuple):
    """The measured values of one request.

    ``status`` is that of the model's response (0: no response). Times are wall seconds.
    """

    status: int
    instance: str
    model: float
    overhead: float

    @classmethod
    def served(cls, served: ServedResponse, began: float) -> RequestMeasurement:
        """The measurement of a request with a response."""
        model = served.received - served.sent
        overhead = wall.perf_counter() - began - model
        return cls(served.response.status, served.instance, model, overhead)

    @classmethod
    def failed(cls, failed: NoResponse, began: float) -> RequestMeasurement:
        """The measurement of a request without a response."""
        model = wall.perf_counter() - failed.sent
        return cls(0, failed.instance, model, failed.sent - began)


class EndpointMetrics:
    """Publishes metrics of requests, and periodically of processes.

    Variants with enhanced metrics get a copy of each metric with the instance id.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._meter = UsageMeter()

    def invoked(self, variant: VariantFleet, request: RequestMeasurement) -> None:
        """Publish the metrics of one request."""
        status = request.status
        values = (
            1.0,
            float(400 <= status < 500),
            float(status >= 500),
            float(not 200 <= status < 300),
            1 / max(1, variant.count),
            request.model * 1e6,
            request.overhead * 1e6,
        )
        spec = variant.spec
        store = self._cloud.services.cloudwatch.metrics
        now = self._cloud.clock.time()
        of = (spec.blueprint.endpoint, spec.name)
        store.put_each(now, _series(*of, "", ""), values, _UNITS)
        store.put_each(now, _series(*of, spec.config_name, ""), values, _UNITS)
        if spec.enhanced_metrics:
            store.put_each(now, _series(*of, "", request.instance), values, _UNITS)

    def first_chunk(
        self, variant: VariantFleet, first: float | None, *, sent: float, began: float
    ) -> None:
        """Publish the time to the first part of a streamed response (``perf_counter`` seconds)."""
        if first is None:
            return
        spec = variant.spec
        dimensions = {"EndpointName": spec.blueprint.endpoint, "VariantName": spec.name}
        values = {
            "FirstChunkLatency": first - began, "FirstChunkModelLatency": first - sent,
            "FirstChunkOverheadLatency": sent - began,
        }  # fmt: skip
        put = self._cloud.services.cloudwatch.put
        for name, seconds in values.items():
            put(_REQUESTS, name, seconds * 1e6, dimensions=dimensions, unit="Microseconds")

    def processes(self, variant: VariantFleet) -> None:
        """Publish the resource usage of a variant's processes, averaged over its instances."""
        spec = variant.spec
        dimensions = {"EndpointName": spec.blueprint.endpoint, "VariantName": spec.name}
        usage = [
            (i.id, used) for i in variant.instances if (used := self._meter.read(i)) is not None
        ]  # fmt: skip
        if not usage:
            return
        put = self._cloud.services.cloudwatch.put
        for at, name in enumerate(_USAGE):
            mean = sum(used[at] for _, used in usage) / len(usage)
            put(_INSTANCES, name, mean, dimensions=dimensions, unit="Percent")
            for instance, used in usage if spec.enhanced_metrics else ():
                series = dimensions | {"InstanceId": instance}
                put(_INSTANCES, name, used[at], dimensions=series, unit="Percent")


@lru_cache(maxsize=1024)
def _series(endpoint: str, variant: str, config: str, instance: str) -> tuple[Series, ...]:
    names = ("EndpointName", "VariantName", "EndpointConfigName", "InstanceId")
    pairs = zip(names, (endpoint, variant, config, instance), strict=True)
    selected = {name: value for name, value in pairs if value}
    return tuple(Series.of(_REQUESTS, name, selected) for name in _NAMES)
