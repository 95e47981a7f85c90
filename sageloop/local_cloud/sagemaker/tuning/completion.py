"""TuningJobCompletionCriteria: when a tuning job completes before its limits.

See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-progress.html. AWS does
not publish how it detects convergence. The local cloud detects it when, after at least 20 evaluated
training jobs, the last 10 have improved the best objective by less than 1 % in total.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sageloop.local_cloud.sagemaker.tuning.definitions import Objective

_SIGNIFICANT = 0.01
_EVALUATED = 20
_WITHOUT_PROGRESS = 10


class Completion:
    """Evaluates the criteria with the objectives of training jobs in the order they end."""

    def __init__(self, criteria: Mapping[str, Any]) -> None:
        self._target: float | None = criteria.get("TargetObjectiveMetricValue")
        improving = criteria.get("BestObjectiveNotImproving", {})
        self._max_not_improving: int | None = improving.get("MaxNumberOfTrainingJobsNotImproving")
        convergence = criteria.get("ConvergenceDetected", {})
        self._on_convergence = convergence.get("CompleteOnConvergence") == "Enabled"
        self._best: dict[Objective, float] = {}
        self._evaluated = 0
        self._not_improving = 0
        self._converged: datetime | None = None

    def observe(self, objective: Objective, value: float, now: datetime) -> bool:
        """Record an objective; return whether the tuning job is complete."""
        self._evaluated += 1
        best = self._best.get(objective)
        if best is None or improves(objective, value, best):
            self._best[objective] = value
            self._not_improving = 0
        else:
            self._not_improving += 1
        if self._converges() and self._converged is None:
            self._converged = now
        return self._complete(objective, value)

    def details(self) -> dict[str, Any]:
        """The value of TuningJobCompletionDetails."""
        result: dict[str, Any] = {"NumberOfTrainingJobsObjectiveNotImproving": self._not_improving}
        if self._converged is not None:
            result["ConvergenceDetectedTime"] = self._converged
        return result

    def _converges(self) -> bool:
        return self._evaluated >= _EVALUATED and self._not_improving >= _WITHOUT_PROGRESS

    def _complete(self, objective: Objective, value: float) -> bool:
        if self._target is not None and not objective.better(self._target, value):
            return True
        if self._max_not_improving is not None and self._not_improving >= self._max_not_improving:
            return True
        return self._on_convergence and self._converged is not None


def improves(objective: Objective, value: float, best: float) -> bool:
    """Whether a value improves the best value by 1 % or more."""
    if not objective.better(value, best):
        return False
    return abs(value - best) >= _SIGNIFICANT * abs(best)
