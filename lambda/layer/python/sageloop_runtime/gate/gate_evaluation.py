"""Evaluates the model of a training job, or of a tuning job's best trial, and registers it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.config import GateEvaluationConfig
from sageloop_runtime.gate.decision import (
    GateDecision,
    decide_by_champion,
    decide_by_threshold,
    error_function,
    final_metric,
)
from sageloop_runtime.gate.hold_out import HoldOut, UnreadableError
from sageloop_runtime.jobs.candidates import Candidate
from sageloop_runtime.jobs.kinds import TRAINING, TUNING, Kind
from sageloop_runtime.jobs.outcomes import LONGEST_REASON
from sageloop_runtime.serving.model_registry import ModelRegistry, artifact_error


class GateEvaluator:
    """Decides whether a model may become champion, and registers it either way.

    What cannot be read or computed does not pass.

    Args:
        config: the gate's settings.
        job: name of the job.
        table: the state table.
        sagemaker: a SageMaker client.
        s3: an S3 client.
        hold_out: reads the hold-out and invokes the endpoint.
        registry: the model registry.

    """

    def __init__(
        self,
        config: GateEvaluationConfig,
        *,
        job: str,
        table: StateTable,
        sagemaker: Any,
        s3: Any,
        hold_out: HoldOut,
        registry: ModelRegistry,
    ) -> None:
        self._config = config
        self._job = job
        self._table = table
        self._sagemaker = sagemaker
        self._s3 = s3
        self._hold_out = hold_out
        self._registry = registry

    def candidate(self, kind: Kind, name: str, job: dict[str, Any]) -> Candidate | None:
        """The model of a completed job; None if it has none."""
        metric_name = self._config.gate.metric
        if kind is TRAINING:
            return Candidate(name=name, training_job=job, metric=final_metric(job, metric_name))
        best = job.get("BestTrainingJob", {}) if kind is TUNING else {}
        if not best.get("TrainingJobName"):
            return None
        trial = TRAINING.find(self._sagemaker, best["TrainingJobName"])
        if trial is None:
            return None
        metric = _objective(best, metric_name)
        if metric is None:
            metric = final_metric(trial, metric_name)
        return Candidate(name=name, training_job=trial, metric=metric)

    def evaluate(self, candidate: Candidate | None) -> Row | None:
        """The attributes of the result; None while the champion is rolled out or stopped."""
        decision = self._decide(candidate)
        if decision is None:
            return None
        return {
            "outcome": "promoted" if decision.passed else "rejected",
            "reason": decision.reason[:LONGEST_REASON],
            "challenger": decision.challenger,
            "champion": decision.champion,
            "registrable": decision.has_artifact,
        }

    def _decide(self, candidate: Candidate | None) -> GateDecision | None:
        if candidate is None:
            return GateDecision(passed=False, reason="the job has no model", has_artifact=False)
        fault = artifact_error(self._s3, candidate.training_job)
        if fault is not None:
            return GateDecision(passed=False, reason=fault, has_artifact=False)
        gate, challenger = self._config.gate, candidate.metric
        champion = self._table.get(f"champion#{self._config.endpoint_name}") or {}
        if challenger is None or not champion.get("live_config"):
            return decide_by_threshold(gate, challenger)
        if champion.get("state") == "promoting" or champion.get("stopped"):
            return None
        compute_error = error_function(gate.metric)
        if compute_error is None:
            reason = f"the champion's {gate.metric} cannot be computed: only mae and rmse can"
            return GateDecision(passed=False, reason=reason, challenger=challenger)
        row = self._table.get(f"job#{self._job}")
        if row is None:
            reason = "the job document does not exist"
            return GateDecision(passed=False, reason=reason, challenger=challenger)
        try:
            rows = self._hold_out.rows(json.loads(row["document"]), candidate.name)
            features = [features for _, features in rows]
            predictions = self._hold_out.predictions(
                self._config.endpoint_name, candidate.name, features
            )
        except UnreadableError as error:
            return GateDecision(passed=False, reason=str(error), challenger=challenger)
        error = compute_error([label for label, _ in rows], predictions)
        return decide_by_champion(gate, challenger, error)

    def register(self, candidate: Candidate | None, result: Row, *, fresh: bool) -> str | None:
        """Register the model of a result, unless it is registered or there is no model.

        Args:
            candidate: the model.
            result: the attributes of the result.
            fresh: whether the result was written now, so that no earlier attempt registered it.

        """
        if result.get("package_arn") or not result.get("registrable") or candidate is None:
            return result.get("package_arn")
        package = None if fresh else self._registry.find(candidate.name)
        if package is None:
            package = self._registry.register(
                candidate.name,
                candidate.training_job,
                approval=self._approval(result),
                reason=result["reason"],
                metrics={key: result.get(key) for key in ("challenger", "champion")},
                content_type=self._config.content_type,
            )
        self._table.swap(f"result#{candidate.name}", change={"package_arn": package})
        return package

    def _approval(self, result: Row) -> str:
        if result["outcome"] != "promoted":
            return "Rejected"
        return "PendingManualApproval" if self._config.gate.manual_approval else "Approved"


def _objective(best: Mapping[str, Any], name: str) -> float | None:
    """The final objective of the best trial, if it is the metric ``name`` and finite."""
    objective = best.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    if objective.get("MetricName") != name:
        return None
    value = float(objective["Value"])
    return value if math.isfinite(value) else None
