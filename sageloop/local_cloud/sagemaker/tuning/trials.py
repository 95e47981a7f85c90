"""Trials: the training jobs of a tuning job, and their summaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sageloop.local_cloud.sagemaker.tuning.definitions import Definition

_COUNTED = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")
_RETRYABLE = ("InternalServerError", "CapacityError")


@dataclass(eq=False)
class Trial:
    """A training job of a tuning job."""

    name: str
    arn: str
    definition: Definition
    index: int  # of the definition
    suggestion_id: int  # of the suggestion
    values: Mapping[str, str]
    created: datetime
    resources: int = 0  # index of its instance configuration in the definition
    reported: list[float] = field(default_factory=list)
    launched: bool = False
    stopping: bool = False
    replaced: bool = False  # by one with the next instance configuration
    document: Mapping[str, Any] | None = None  # the training job's final document

    @property
    def status(self) -> str:
        """The status of the training job as the tuning job knows it."""
        if self.document is None:
            return "Stopping" if self.stopping else "InProgress"
        return str(self.document["TrainingJobStatus"])

    @property
    def value(self) -> float | None:
        """The final objective; ``None`` for a failed training job."""
        if self.document is None or self.status == "Failed":
            return None
        metric = self.definition.objective.metric
        for final in self.document.get("FinalMetricDataList", ()):
            if final["MetricName"] == metric:
                return float(final["Value"])
        return None

    @property
    def objective_status(self) -> str:
        """Pending, Succeeded or Failed."""
        if self.document is None:
            return "Pending"
        return "Failed" if self.value is None else "Succeeded"

    @property
    def no_capacity(self) -> bool:
        """Whether the training job ended because no instances of its type were available."""
        reason = "" if self.document is None else self.document.get("FailureReason", "")
        return self.status == "Failed" and reason.startswith("CapacityError")

    def summary(self, live: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The HyperParameterTrainingJobSummary; ``live`` is the current training job document."""
        document = self.document if self.document is not None else live
        described: dict[str, Any] = {
            "TrainingJobName": self.name,
            "TrainingJobArn": self.arn,
            "CreationTime": self.created,
            "TrainingJobStatus": self.status,
            "TunedHyperParameters": dict(self.values),
            "ObjectiveStatus": self.objective_status,
        }
        if self.definition.name is not None:
            described["TrainingJobDefinitionName"] = self.definition.name
        if document is not None:
            members = ("TrainingStartTime", "TrainingEndTime", "FailureReason", "CreationTime")
            described |= {m: document[m] for m in members if document.get(m) is not None}
            described["TrainingJobStatus"] = document["TrainingJobStatus"]
        if self.value is not None:
            described["FinalHyperParameterTuningJobObjectiveMetric"] = {
                "Type": self.definition.objective.type,
                "MetricName": self.definition.objective.metric,
                "Value": self.value,
            }
        return described


def best_of(trials: Iterable[Trial]) -> Trial | None:
    """The trial with the best objective; of equal ones the first."""
    evaluated = [(trial, trial.value) for trial in trials]
    best: tuple[Trial, float] | None = None
    for trial, value in evaluated:
        if value is None:
            continue
        if best is None or trial.definition.objective.better(value, best[1]):
            best = trial, value
    return None if best is None else best[0]


def counters(trials: Sequence[Trial]) -> dict[str, dict[str, int]]:
    """TrainingJobStatusCounters and ObjectiveStatusCounters."""
    kinds = [_counted(trial) for trial in trials]
    objectives = [trial.objective_status for trial in trials]
    return {
        "TrainingJobStatusCounters": {kind: kinds.count(kind) for kind in _COUNTED},
        "ObjectiveStatusCounters": {
            kind: objectives.count(kind) for kind in ("Succeeded", "Pending", "Failed")
        },
    }


def _counted(trial: Trial) -> str:
    if trial.document is None:
        return "InProgress"
    if trial.status != "Failed":
        return trial.status
    reason = str(trial.document.get("FailureReason", ""))
    return "RetryableError" if reason.startswith(_RETRYABLE) else "NonRetryableError"
