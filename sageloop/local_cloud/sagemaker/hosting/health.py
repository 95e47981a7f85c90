"""Health checks of running instances, and measurement of their resource usage."""

from __future__ import annotations

import logging
import threading
import time as wall
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
    from sageloop.local_cloud.sagemaker.hosting.lifecycle import Lifecycle
    from sageloop.local_cloud.sagemaker.hosting.routing.metrics import EndpointMetrics
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing

log = logging.getLogger(__name__)
_USAGE_SECONDS = 60.0
_SLACK_SECONDS = 1.0
_MIN_WALL_SECONDS = 1.0


class HealthChecks:
    """A thread that pings instances, and a virtual timer that measures their usage."""

    def __init__(
        self, cloud: Cloud, lifecycle: Lifecycle, metrics: EndpointMetrics,
        timing: Callable[[], Timing],
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._timing = timing
        self._stopped = threading.Event()
        self._measured = 0.0
        self._published: dict[tuple[str, str, str], float] = {}

    def start(self) -> None:
        """Start health checks and measurements."""
        threading.Thread(target=self._ping, name="endpoint pings", daemon=True).start()
        self._schedule()

    def stop(self) -> None:
        """Stop health checks and measurements."""
        self._stopped.set()

    def _ping(self) -> None:
        while not self._stopped.wait(self._timing().ping_interval):
            for live in self._lifecycle.all():
                for variant in live.variants:
                    for instance in variant.instances:
                        self._check(instance)

    def _check(self, instance: Instance) -> None:
        # A failing check must not end the checks of the other instances.
        try:
            instance.check()
        except Exception:
            log.exception("instance %s cannot be checked", instance.id)

    def _schedule(self) -> None:
        periods = [variant.spec.metrics_every for _, variant in self._variants()]
        # With a fast clock (thousands of virtual minutes a second) an hour's interval is enough.
        step = max(min([_USAGE_SECONDS, *periods]), min(self._cloud.clock.rate, 3600.0))
        self._cloud.clock.call_later(step, self._measure, label="endpoint usage")

    def _measure(self) -> None:
        self._schedule()
        # The usage of a process within less time is not meaningful.
        if wall.monotonic() - self._measured < _MIN_WALL_SECONDS:
            return
        self._measured = wall.monotonic()
        now = self._cloud.clock.time()
        last, self._published = self._published, {}
        for endpoint, variant in self._variants():
            key = (endpoint, variant.spec.name, variant.spec.config_name)
            due = now - last.get(key, 0.0) >= variant.spec.metrics_every - _SLACK_SECONDS
            self._published[key] = now if due else last[key]
            if due:
                self._metrics.processes(variant)

    def _variants(self) -> list[tuple[str, VariantFleet]]:
        return [(live.name, v) for live in self._lifecycle.all() for v in live.variants]
