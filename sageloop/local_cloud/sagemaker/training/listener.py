"""Processing of container output: metrics, and injected faults that are triggered by a line."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.sagemaker.training.attempt import Attempt, EndReason
from sageloop.local_cloud.sagemaker.training.host import LOG_GROUP, Host
from sageloop.local_cloud.sagemaker.training.metrics import MetricReader, Observation

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)


class OutputListener:
    """Processes the output lines of all hosts of a job, one host at a time."""

    def __init__(
        self, cloud: Cloud, job: dict[str, Any], on_metric: Callable[[str, float], None] | None
    ) -> None:
        self._cloud = cloud
        self._name: str = job["TrainingJobName"]
        self._spot: bool = job["EnableManagedSpotTraining"]
        self._on_metric = on_metric
        self._lock = threading.Lock()
        self._attempt: Attempt | None = None
        self._machine_fails = False
        self.metrics = MetricReader(job["AlgorithmSpecification"].get("MetricDefinitions", ()))

    @contextmanager
    def listening(self, attempt: Attempt) -> Iterator[None]:
        """Apply injected faults to an attempt in the ``with`` block."""
        faults = self._cloud.faults
        self._attempt = attempt
        self._machine_fails = faults.kills_process(f"training:{self._name}") or (
            faults.fails_internally(self._name)
        )
        if self._spot and faults.spot_interrupted(self._name):
            attempt.end(EndReason.INTERRUPTION)
        yield
        if self._machine_fails:
            # Without any output, the fault takes effect when the program ends.
            attempt.reason, attempt.failure = EndReason.MACHINE, None

    def receive(self, host: Host, lines: list[str]) -> None:
        """Process output lines of a host; control characters are escaped."""
        with self._lock:
            now = self._cloud.clock.now()
            for line in lines:
                for observed in self.metrics.read(line, now):
                    self._publish(observed)
                self._inject_faults(line)

    def _inject_faults(self, line: str) -> None:
        if self._attempt is None:
            return
        if self._machine_fails:
            self._attempt.end(EndReason.MACHINE)
        elif self._spot and self._cloud.faults.spot_interrupted(self._name, line):
            self._attempt.end(EndReason.INTERRUPTION)

    def _publish(self, observed: Observation) -> None:
        if self._cloud.services.has("cloudwatch"):
            put, named = self._cloud.services.cloudwatch.put, {"TrainingJobName": self._name}
            put(LOG_GROUP, observed.name, observed.value, dimensions=named)
        if self._on_metric is None:
            return
        try:
            self._on_metric(observed.name, observed.value)
        except Exception:  # an exception would stop the thread that reads the container's output
            log.exception("the metric callback of training job %s failed", self._name)
