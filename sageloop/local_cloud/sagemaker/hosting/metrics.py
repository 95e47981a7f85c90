"""Metrics of endpoints, as SageMaker publishes them."""

from __future__ import annotations

import time as wall
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from sageloop.local_cloud.cloudwatch.metrics import Series
from sageloop.local_cloud.sagemaker.hosting.instance import Instance

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.serving import NoAnswer, Served

_REQUESTS = "AWS/SageMaker"
_INSTANCES = "/aws/sagemaker/Endpoints"
_NAMES = (
    "Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors",
    "InvocationsPerInstance", "ModelLatency", "OverheadLatency",
)  # fmt: skip
_UNITS = ("None",) * 5 + ("Microseconds",) * 2


class Request(NamedTuple):
    """What is told of one request. ``status`` is the model's (0: none came); wall seconds."""

    status: int
    instance: str
    model: float
    overhead: float

    @classmethod
    def served(cls, served: Served, began: float) -> Request:
        """A request that was answered."""
        model = served.answered - served.sent
        overhead = wall.perf_counter() - began - model
        return cls(served.answer.status, served.instance, model, overhead)

    @classmethod
    def broken(cls, broken: NoAnswer, began: float) -> Request:
        """A request that nothing came of."""
        model = wall.perf_counter() - broken.sent
        return cls(0, broken.instance, model, broken.sent - began)


class EndpointMetrics:
    """Publishes per request, and every minute or so about the processes.

    Variants with enhanced metrics get a copy of each metric with the instance's id.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._cpu: dict[int, tuple[float, float]] = {}
        self._series: dict[tuple[str, str, str, str], tuple[Series, ...]] = {}

    def invoked(self, variant: VariantFleet, request: Request) -> None:
        """One request."""
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
        store = self._cloud.service("cloudwatch").metrics
        now = self._cloud.clock.time()
        of = (spec.blueprint.endpoint, spec.name)
        store.put_each(now, self._of(*of, "", ""), values, _UNITS)
        store.put_each(now, self._of(*of, spec.config_name, ""), values, _UNITS)
        if spec.enhanced_metrics:
            store.put_each(now, self._of(*of, "", request.instance), values, _UNITS)

    def first_chunk(
        self, variant: VariantFleet, first: float | None, *, sent: float, began: float
    ) -> None:
        """How long the first piece of a streamed answer took; ``perf_counter`` seconds."""
        if first is None:
            return
        spec = variant.spec
        dimensions = {"EndpointName": spec.blueprint.endpoint, "VariantName": spec.name}
        values = {
            "FirstChunkLatency": first - began, "FirstChunkModelLatency": first - sent,
            "FirstChunkOverheadLatency": sent - began,
        }  # fmt: skip
        put = self._cloud.service("cloudwatch").put
        for name, seconds in values.items():
            put(_REQUESTS, name, seconds * 1e6, dimensions=dimensions, unit="Microseconds")

    def _of(self, endpoint: str, variant: str, config: str, instance: str) -> tuple[Series, ...]:
        key = (endpoint, variant, config, instance)
        known = self._series.get(key)
        if known is None:
            names = ("EndpointName", "VariantName", "EndpointConfigName", "InstanceId")
            given = {name: value for name, value in zip(names, key, strict=True) if value}
            known = tuple(Series.of(_REQUESTS, name, given) for name in _NAMES)
            self._series[key] = known
        return known

    def processes(self, variant: VariantFleet) -> None:
        """CPU and memory of a variant's processes, in percent, averaged over instances."""
        spec = variant.spec
        dimensions = {"EndpointName": spec.blueprint.endpoint, "VariantName": spec.name}
        usage = [
            (i.id, used) for i in variant.instances if (used := self._usage(i)) is not None
        ]  # fmt: skip
        if not usage:
            return
        put = self._cloud.service("cloudwatch").put
        for at, name in enumerate(("CPUUtilization", "MemoryUtilization")):
            mean = sum(used[at] for _, used in usage) / len(usage)
            put(_INSTANCES, name, mean, dimensions=dimensions, unit="Percent")
            for instance, used in usage if spec.enhanced_metrics else ():
                own = dimensions | {"InstanceId": instance}
                put(_INSTANCES, name, used[at], dimensions=own, unit="Percent")

    def _usage(self, instance: Instance) -> tuple[float, float] | None:
        import psutil

        if instance.process is None:
            return None
        with suppress(psutil.Error):
            seen = psutil.Process(instance.process.pid)
            times = seen.cpu_times()
            now, spent = wall.monotonic(), times.user + times.system
            before = self._cpu.get(instance.process.pid, (now, spent))
            self._cpu[instance.process.pid] = (now, spent)
            passed = now - before[0]
            cpu = 100 * (spent - before[1]) / passed if passed > 0 else 0.0
            return cpu, float(seen.memory_percent())
        return None
