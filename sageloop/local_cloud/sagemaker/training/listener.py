"""What a job's containers print, heard: metrics, and the faults that wait for a line."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.sagemaker.training.attempt import Attempt, Ending
from sageloop.local_cloud.sagemaker.training.host import LOG_GROUP, Host
from sageloop.local_cloud.sagemaker.training.metrics import MetricReader, Observation

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)


class Listener:
    """Hears all hosts of a job, one after another."""

    def __init__(
        self, cloud: Cloud, job: dict[str, Any], on_metric: Callable[[str, float], None] | None
    ) -> None:
        self._cloud = cloud
        self._name: str = job["TrainingJobName"]
        self._spot: bool = job["EnableManagedSpotTraining"]
        self._on_metric = on_metric
        self._lock = threading.Lock()
        self._attempt: Attempt | None = None
        self._breaks_down = False
        self.metrics = MetricReader(job["AlgorithmSpecification"].get("MetricDefinitions", ()))

    @contextmanager
    def listening(self, attempt: Attempt) -> Iterator[None]:
        """Let ordered faults strike an attempt while the body runs it."""
        faults = self._cloud.faults
        self._attempt = attempt
        self._breaks_down = faults.kills_process(f"training:{self._name}") or (
            faults.fails_internally(self._name)
        )
        if self._spot and faults.spot_interrupted(self._name):
            attempt.end(Ending.INTERRUPTION)
        yield
        if self._breaks_down:
            # A program that has printed nothing breaks down at its end.
            attempt.ending, attempt.failure = Ending.MACHINE, None

    def hear(self, host: Host, lines: list[str]) -> None:
        """Take in lines of one host, control characters escaped."""
        with self._lock:
            now = self._cloud.clock.now()
            for line in lines:
                for observed in self.metrics.read(line, now):
                    self._publish(observed)
                self._strike(line)

    def _strike(self, line: str) -> None:
        if self._attempt is None:
            return
        if self._breaks_down:
            self._attempt.end(Ending.MACHINE)
        elif self._spot and self._cloud.faults.spot_interrupted(self._name, line):
            self._attempt.end(Ending.INTERRUPTION)

    def _publish(self, observed: Observation) -> None:
        if self._cloud.services.has("cloudwatch"):
            put, named = self._cloud.services.cloudwatch.put, {"TrainingJobName": self._name}
            put(LOG_GROUP, observed.name, observed.value, dimensions=named)
        if self._on_metric is None:
            return
        try:
            self._on_metric(observed.name, observed.value)
        except Exception:  # nobody would read the container's output any more
            log.exception("whoever hears metrics of training job %s broke", self._name)
