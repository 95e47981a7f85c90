"""The StoppingCondition of a training job and its billable time."""

from __future__ import annotations

import math
import time as wall
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Prices are not modelled: a spot hour counts as 0.3 on-demand hours, which gives the savings
# that a user computes from training and billable time a realistic value.
_SPOT_SHARE = 0.3


class StoppingCondition:
    """Tracks the wall seconds a job has run and the virtual seconds it has waited for capacity.

    MaxRuntimeInSeconds limits the run time of all attempts. MaxWaitTimeInSeconds limits the run
    time and the waiting time together.
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
        """Count the time in the ``with`` block as time on instances."""
        self._started = True
        began = wall.monotonic()
        try:
            yield
        finally:
            self._ran += wall.monotonic() - began

    def wait(self, seconds: float) -> None:
        """Count virtual seconds of waiting for instances."""
        self._waited += seconds
        if self._started:
            self._waited_since_start += seconds

    def may_wait(self, seconds: float) -> float:
        """The part of ``seconds`` that the job may still wait, at least 0."""
        if self._max_wait is None:
            return seconds
        return max(0.0, min(seconds, self._max_wait - self._waited - self._ran))

    def may_run(self) -> tuple[float, str]:
        """Remaining run time in seconds, and the secondary status when it is exceeded."""
        by_run = self._max_runtime - self._ran
        by_wait = math.inf if self._max_wait is None else self.may_wait(math.inf)
        if by_wait < by_run:
            return by_wait, "MaxWaitTimeExceeded"
        return max(0.0, by_run), "MaxRuntimeExceeded"

    def times(self) -> dict[str, int]:
        """TrainingTimeInSeconds and BillableTimeInSeconds, if the job has started."""
        if not self._started:
            return {}
        trained = max(1, math.ceil(self._ran + self._waited_since_start))
        share = _SPOT_SHARE if self._spot else 1.0
        billed = self._ran * share if self._spot else trained
        return {"TrainingTimeInSeconds": trained, "BillableTimeInSeconds": max(1, round(billed))}
