"""The gate and the registry behind it, for a training job or for a tuning job's best trial."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sageloop_runtime.config import JudgeConfig
from sageloop_runtime.gate import (
    Verdict,
    final_metric,
    judge_against,
    judge_alone,
    measure_for,
)
from sageloop_runtime.holdout import HoldOut, UnreadableError
from sageloop_runtime.kinds import TRAINING, TUNING, Kind
from sageloop_runtime.registry import Registry, artifact_fault
from sageloop_runtime.state import Row, StateTable


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that asks to become champion.

    ``name`` is the job's that the loop started, ``model`` is the training job that made the
    model: the same, or the tuning job's best trial; ``metric`` is its final value of the gate's.
    """

    name: str
    model: dict[str, Any]
    metric: float | None


class Judge:
    """Lets a model through the gate, or not, and registers it either way.

    Args:
        config: the gate.
        job: whose models they are.
        table: the state table.
        sagemaker: a SageMaker client.
        s3: an S3 client.
        hold_out: reads hold-outs and asks the endpoint.
        registry: the packages.

    """

    def __init__(
        self,
        config: JudgeConfig,
        *,
        job: str,
        table: StateTable,
        sagemaker: Any,
        s3: Any,
        hold_out: HoldOut,
        registry: Registry,
    ) -> None:
        self._config = config
        self._job = job
        self._table = table
        self._sagemaker = sagemaker
        self._s3 = s3
        self._hold_out = hold_out
        self._registry = registry

    def candidate(self, kind: Kind, name: str, job: dict[str, Any]) -> Candidate | None:
        """The model of a completed job; None if it made none."""
        wanted = self._config.gate.metric
        if kind is TRAINING:
            return Candidate(name=name, model=job, metric=final_metric(job, wanted))
        best = job.get("BestTrainingJob", {}) if kind is TUNING else {}
        if not best.get("TrainingJobName"):
            return None
        trial = TRAINING.find(self._sagemaker, best["TrainingJobName"])
        if trial is None:
            return None
        metric = _objective(best, wanted)
        if metric is None:
            metric = final_metric(trial, wanted)
        return Candidate(name=name, model=trial, metric=metric)

    def judge(self, candidate: Candidate | None) -> Verdict | None:
        """The gate's verdict; None while the endpoint changes its champion, or is parked."""
        if candidate is None:
            return Verdict(passed=False, reason="the job made no model", artifact=False)
        fault = artifact_fault(self._s3, candidate.model)
        if fault is not None:
            return Verdict(passed=False, reason=fault, artifact=False)
        gate, challenger = self._config.gate, candidate.metric
        champion = self._table.get(f"champion#{self._config.endpoint_name}") or {}
        if challenger is None or not champion.get("live_config"):
            return judge_alone(gate, challenger)
        if champion.get("state") == "promoting" or champion.get("parked"):
            return None
        measure = measure_for(gate.metric)
        if measure is None:
            reason = f"the champion's {gate.metric} cannot be computed: mae and rmse can"
            return Verdict(passed=False, reason=reason, challenger=challenger)
        document = self._table.get(f"job#{self._job}")
        if document is None:
            return Verdict(passed=False, reason="the job document is gone", challenger=challenger)
        try:
            rows = self._hold_out.rows(json.loads(document["document"]), candidate.name)
            features = [row[1] for row in rows]
            answers = self._hold_out.answers(self._config.endpoint_name, candidate.name, features)
        except UnreadableError as error:
            return Verdict(passed=False, reason=str(error), challenger=challenger)
        return judge_against(gate, challenger, measure([row[0] for row in rows], answers))

    def register(self, candidate: Candidate | None, result: Row, *, fresh: bool) -> str | None:
        """Register the model unless an earlier try did, or there is none to register."""
        if result.get("package_arn") or not result.get("registrable") or candidate is None:
            return result.get("package_arn")
        package = None if fresh else self._registry.find(candidate.name)
        if package is None:
            verdict = Verdict(
                passed=result["verdict"] == "promoted",
                reason=result["reason"],
                challenger=result.get("challenger"),
                champion=result.get("champion"),
            )
            package = self._registry.register(
                candidate.name,
                candidate.model,
                verdict,
                self._config.content_type,
                by_hand=self._config.gate.by_hand,
            )
        self._table.swap(f"result#{candidate.name}", change={"package_arn": package})
        return package


def _objective(best: Mapping[str, Any], name: str) -> float | None:
    """The best trial's final objective, if it is the metric asked for and a finite number."""
    objective = best.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    if objective.get("MetricName") != name:
        return None
    value = float(objective["Value"])
    return value if math.isfinite(value) else None
