"""Looking after running instances: pings every few seconds, usage every virtual minute."""

from __future__ import annotations

import threading
import time as wall
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.lifecycle import Lifecycle
    from sageloop.local_cloud.sagemaker.hosting.metrics import EndpointMetrics
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing

_USAGE_SECONDS = 60.0


class HealthChecks:
    """One thread that pings, one virtual timer that measures."""

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

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._ping, name="endpoint pings", daemon=True).start()
        self._schedule()

    def stop(self) -> None:
        """End."""
        self._stopped.set()

    def _ping(self) -> None:
        while not self._stopped.wait(self._timing().ping_every):
            for live in self._lifecycle.all():
                for variant in live.variants:
                    for instance in variant.instances:
                        instance.check()

    def _schedule(self) -> None:
        # A fast clock has thousands of minutes a second: an hour's step is enough then.
        step = max(_USAGE_SECONDS, min(self._cloud.clock.rate, 3600.0))
        self._cloud.clock.call_later(step, self._measure, label="endpoint usage")

    def _measure(self) -> None:
        self._schedule()
        # A process has no usage to speak of in less.
        if wall.monotonic() - self._measured < 1.0:
            return
        self._measured = wall.monotonic()
        for live in self._lifecycle.all():
            for variant in live.variants:
                self._metrics.processes(live.name, variant)
