"""What follows a training job's end: the gate, the registry, the lock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.config import JobChangeConfig
from sageloop_runtime.errors import BadInputError, is_missing
from sageloop_runtime.gate import (
    Verdict,
    final_metric,
    judge_against,
    judge_alone,
    measure_for,
)
from sageloop_runtime.holdout import HoldOut, UnreadableError
from sageloop_runtime.log import log
from sageloop_runtime.metrics import Metrics
from sageloop_runtime.names import is_job_of
from sageloop_runtime.registry import Registry, artifact_fault
from sageloop_runtime.state import Row, StateTable
from sageloop_runtime.times import event_time
from sageloop_runtime.triggers import Trigger

Answer = dict[str, Any]

_TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
_RETRYABLE = "InternalServerError"
_LONGEST_REASON = 1024


class JobChange:
    """Judges finished training jobs and registers their models.

    Args:
        config: the function's settings.
        table: the state table.
        sagemaker: a SageMaker client.
        s3: an S3 client.
        hold_out: reads hold-outs and asks the endpoint.
        registry: the packages.
        metrics: where ChallengersRejected goes.

    """

    def __init__(
        self,
        config: JobChangeConfig,
        *,
        table: StateTable,
        sagemaker: Any,
        s3: Any,
        hold_out: HoldOut,
        registry: Registry,
        metrics: Metrics,
    ) -> None:
        self._config = config
        self._table = table
        self._sagemaker = sagemaker
        self._s3 = s3
        self._hold_out = hold_out
        self._registry = registry
        self._metrics = metrics

    def handle(self, event: Mapping[str, Any]) -> Answer:
        """Handle an event about a training job; the job's present state decides, not the event's.

        Raises:
            BadInputError: if the event names no training job.

        """
        name = (event.get("detail") or {}).get("TrainingJobName")
        if not isinstance(name, str):
            raise BadInputError("the event names no TrainingJobName")
        if not is_job_of(self._config.job, name):
            return {"status": "ignored", "reason": f"{name} is no job of {self._config.job}"}
        try:
            job = self._sagemaker.describe_training_job(TrainingJobName=name)
        except ClientError as error:
            if is_missing(error):
                return {"status": "ignored", "reason": f"there is no training job {name}"}
            raise
        if job["TrainingJobStatus"] not in _TERMINAL:
            return {"status": "ignored", "reason": f"{name} is {job['TrainingJobStatus']}"}
        return self._conclude(name, job, event_time(event))

    def _conclude(self, name: str, job: dict[str, Any], now: float) -> Answer:
        result = self._table.get(f"result#{name}")
        if result is None:
            if job["TrainingJobStatus"] == "Completed":
                verdict = self._judge(name, job)
                if verdict is None:
                    return {"status": "waiting", "reason": "the champion is being rolled out"}
                result = _result_of(verdict)
            else:
                result = {"verdict": "failed", "reason": _failure(job)}
            if not self._table.put_new(f"result#{name}", result):
                return {"status": "duplicate", "reason": "another invocation concludes it"}
            if result["verdict"] == "rejected":
                self._metrics.put("ChallengersRejected", 1.0, {"Job": self._config.job}, at=now)
            fresh = True
        else:
            fresh = False
        package = self._register(name, job, result, fresh=fresh)
        self._release(name, result)
        log("training job concluded", name=name, package=package, **_brief(result))
        return {"status": result["verdict"], "reason": result["reason"], "package_arn": package}

    def _judge(self, name: str, job: dict[str, Any]) -> Verdict | None:
        """The gate's verdict; None while the endpoint changes its champion."""
        fault = artifact_fault(self._s3, job)
        if fault is not None:
            return Verdict(passed=False, reason=fault, artifact=False)
        gate = self._config.gate
        challenger = final_metric(job, gate.metric)
        champion = self._table.get(f"champion#{self._config.endpoint_name}") or {}
        if challenger is None or not champion.get("live_config"):
            return judge_alone(gate, challenger)
        if champion.get("state") == "promoting":
            return None
        measure = measure_for(gate.metric)
        if measure is None:
            reason = f"the champion's {gate.metric} cannot be computed: mae and rmse can"
            return Verdict(passed=False, reason=reason, challenger=challenger)
        document = self._table.get(f"job#{self._config.job}")
        if document is None:
            return Verdict(passed=False, reason="the job document is gone", challenger=challenger)
        try:
            rows = self._hold_out.rows(json.loads(document["document"]), name)
            features = [row[1] for row in rows]
            answers = self._hold_out.answers(self._config.endpoint_name, name, features)
        except UnreadableError as error:
            return Verdict(passed=False, reason=str(error), challenger=challenger)
        return judge_against(gate, challenger, measure([row[0] for row in rows], answers))

    def _register(self, name: str, job: dict[str, Any], result: Row, *, fresh: bool) -> str | None:
        """Register the model unless an earlier try did, or there is none to register."""
        if result.get("package_arn") or not result.get("registrable"):
            return result.get("package_arn")
        package = None if fresh else self._registry.find(name)
        if package is None:
            verdict = Verdict(
                passed=result["verdict"] == "promoted",
                reason=result["reason"],
                challenger=result.get("challenger"),
                champion=result.get("champion"),
            )
            package = self._registry.register(job, verdict, self._config.content_type)
        self._table.swap(f"result#{name}", change={"package_arn": package})
        return package

    def _release(self, name: str, result: Row) -> None:
        """Give the lock back; what failed by no fault of its own is to be tried again."""
        loop_id = f"loop#{self._config.job}"
        loop = self._table.get(loop_id) or {}
        if loop.get("in_flight") != name:
            return
        failed = result["verdict"] == "failed"
        retryable = failed and _RETRYABLE in result["reason"]
        change: Row = {
            "in_flight": None,
            "outcome": result["verdict"],
            "reason": result["reason"],
            "retry": True if retryable else None,
        }
        trigger = Trigger.of(json.loads(loop["trigger"]))
        if failed and not retryable and trigger.alarm is None:
            change["page"] = f"The training job {name} failed: {result['reason']}"
        self._table.swap(loop_id, change=change, expect={"in_flight": name})


def _result_of(verdict: Verdict) -> Row:
    return {
        "verdict": "promoted" if verdict.passed else "rejected",
        "reason": verdict.reason[:_LONGEST_REASON],
        "challenger": verdict.challenger,
        "champion": verdict.champion,
        "registrable": verdict.artifact,
    }


def _brief(result: Row) -> Row:
    return {key: result.get(key) for key in ("verdict", "reason", "challenger", "champion")}


def _failure(job: Mapping[str, Any]) -> str:
    """Why a job did not complete: its reason, or how it was stopped."""
    reason = job.get("FailureReason") or job.get("SecondaryStatus") or job["TrainingJobStatus"]
    return f"{job['TrainingJobStatus']}: {reason}"[:_LONGEST_REASON]
