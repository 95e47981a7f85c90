"""How long a job may run and wait, and what of it is billed."""

from __future__ import annotations

import math
import time as wall
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Prices are not modelled: a spot hour is counted as three tenths of an on-demand hour, so
# that the saving a user computes from the two times is of the usual size.
_SPOT_SHARE = 0.3


class StoppingCondition:
    """Wall seconds that a job has run and virtual seconds that it has waited for capacity.

    MaxRuntimeInSeconds counts what all attempts run, MaxWaitTimeInSeconds that and waiting.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        limits = job["StoppingCondition"]
        self._max_runtime: int = limits["MaxRuntimeInSeconds"]
        self._max_wait: int | None = limits.get("MaxWaitTimeInSeconds")
        self._spot: bool = job["EnableManagedSpotTraining"]
        self._ran = 0.0
        self._waited = 0.0
        self._waited_since_start = 0.0
        self._started = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the body as time on the instances."""
        self._started = True
        began = wall.monotonic()
        try:
            yield
        finally:
            self._ran += wall.monotonic() - began

    def wait(self, seconds: float) -> None:
        """Count virtual seconds without instances."""
        self._waited += seconds
        if self._started:
            self._waited_since_start += seconds

    def may_wait(self, seconds: float) -> float:
        """How much of ``seconds`` of waiting is left, at least 0."""
        if self._max_wait is None:
            return seconds
        return max(0.0, min(seconds, self._max_wait - self._waited - self._ran))

    def may_run(self) -> tuple[float, str]:
        """Seconds left to run, and the secondary status of a job that takes longer."""
        by_run = self._max_runtime - self._ran
        by_wait = math.inf if self._max_wait is None else self.may_wait(math.inf)
        if by_wait < by_run:
            return by_wait, "MaxWaitTimeExceeded"
        return max(0.0, by_run), "MaxRuntimeExceeded"

    def times(self) -> dict[str, int]:
        """TrainingTimeInSeconds and BillableTimeInSeconds, if the job has ever started."""
        if not self._started:
            return {}
        trained = max(1, math.ceil(self._ran + self._waited_since_start))
        share = _SPOT_SHARE if self._spot else 1.0
        billed = self._ran * share if self._spot else trained
        return {"TrainingTimeInSeconds": trained, "BillableTimeInSeconds": max(1, round(billed))}
