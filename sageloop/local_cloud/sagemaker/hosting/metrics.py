"""Metrics of endpoints, as SageMaker publishes them."""

from __future__ import annotations

import time as wall
from contextlib import suppress
from typing import TYPE_CHECKING

from sageloop.local_cloud.sagemaker.hosting.instance import Instance

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.fleet import VariantFleet

_REQUESTS = "AWS/SageMaker"
_INSTANCES = "/aws/sagemaker/Endpoints"


class EndpointMetrics:
    """Publishes per request, and per virtual minute about the processes."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._cpu: dict[int, tuple[float, float]] = {}

    def invoked(
        self, endpoint: str, variant: VariantFleet, status: int, *, model: float, overhead: float
    ) -> None:
        """One request. ``status`` is the model's (0: none came); latencies in seconds."""
        failed = not 200 <= status < 300
        values = (
            ("Invocations", 1.0, "None"),
            ("Invocation4XXErrors", float(400 <= status < 500), "None"),
            ("Invocation5XXErrors", float(status >= 500), "None"),
            ("InvocationModelErrors", float(failed), "None"),
            ("InvocationsPerInstance", 1 / max(1, variant.count), "None"),
            ("ModelLatency", model * 1e6, "Microseconds"),
            ("OverheadLatency", overhead * 1e6, "Microseconds"),
        )
        plain = {"EndpointName": endpoint, "VariantName": variant.spec.name}
        put = self._cloud.service("cloudwatch").put
        for dimensions in (plain, plain | {"EndpointConfigName": variant.spec.config_name}):
            for name, value, unit in values:
                put(_REQUESTS, name, value, dimensions=dimensions, unit=unit)

    def processes(self, endpoint: str, variant: VariantFleet) -> None:
        """CPU and memory of a variant's processes, in percent, averaged over instances."""
        dimensions = {"EndpointName": endpoint, "VariantName": variant.spec.name}
        usage = [u for u in map(self._usage, variant.instances) if u is not None]
        if not usage:
            return
        put = self._cloud.service("cloudwatch").put
        for name, values in (
            ("CPUUtilization", [cpu for cpu, _ in usage]),
            ("MemoryUtilization", [memory for _, memory in usage]),
        ):
            mean = sum(values) / len(values)
            put(_INSTANCES, name, mean, dimensions=dimensions, unit="Percent")

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
