"""Concludes a job that ended: result, gate, lock, next instance type, alert."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from sageloop_runtime.aws.alerts import AlertPublisher, alert
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.config import JobChangeConfig
from sageloop_runtime.errors import BadInputError, TryAgainError
from sageloop_runtime.jobs.candidates import Candidate
from sageloop_runtime.jobs.dispatch import is_backing_off, start_job
from sageloop_runtime.jobs.instance_types import fallbacks_of, type_at, type_in
from sageloop_runtime.jobs.kinds import Kind, job_in_event, kind_of
from sageloop_runtime.jobs.outcomes import (
    INTERNAL_ERROR,
    LONGEST_REASON,
    duration_of,
    end_samples,
    failed_trials,
    failure_reason,
    is_capacity_error,
    is_stopped_on_request,
)
from sageloop_runtime.jobs.triggers import Trigger, fallback_of, retry_of
from sageloop_runtime.log import log
from sageloop_runtime.times import event_time

Response = dict[str, Any]

_SCHEDULES = frozenset({"aws.events", "aws.scheduler"})


class Gate(Protocol):
    """The gate of the job's models, as this module uses it."""

    def candidate(self, kind: Kind, name: str, job: dict[str, Any]) -> Candidate | None:
        """The model of a completed job; None if it has none."""

    def evaluate(self, candidate: Candidate | None) -> Row | None:
        """The attributes of the result; None while the champion cannot be evaluated."""

    def register(self, candidate: Candidate | None, result: Row, *, fresh: bool) -> str | None:
        """Register the model of a result; the ARN of its package, if it has one."""


class JobChange:
    """Concludes jobs that ended.

    A job with a gate belongs to a loop, whose reconciler publishes alerts and starts pending
    triggers. For a standalone job this function does both, and reconciles on a schedule.

    Args:
        config: the function's settings.
        table: the state table.
        sagemaker: a SageMaker client.
        metrics: publishes the metrics of the job.
        gate: the gate; None for a standalone job.
        functions: a Lambda client; None without a start function.
        alerts: publishes alerts; None where the reconciler publishes them.

    """

    def __init__(
        self,
        config: JobChangeConfig,
        *,
        table: StateTable,
        sagemaker: Any,
        metrics: Metrics,
        gate: Gate | None,
        functions: Any | None,
        alerts: AlertPublisher | None,
    ) -> None:
        self._config = config
        self._loop_id = f"loop#{config.job}"
        self._table = table
        self._sagemaker = sagemaker
        self._metrics = metrics
        self._gate = gate
        self._functions = functions
        self._alerts = alerts

    def handle(self, event: Mapping[str, Any]) -> Response:
        """Handle an event of a job; the job's present status counts, not that of the event.

        Raises:
            BadInputError: if the event has no job.

        """
        now = event_time(event)
        if event.get("source") in _SCHEDULES:
            return self._reconcile(now)
        detail = event.get("detail")
        named = job_in_event(detail) if isinstance(detail, Mapping) else None
        if named is None:
            raise BadInputError("the event has no job")
        kind, name = named
        if not kind.is_job_of(self._config.job, name):
            return {"status": "ignored", "reason": f"{name} is no job of {self._config.job}"}
        job = kind.find(self._sagemaker, name)
        if job is None:
            return {"status": "ignored", "reason": f"there is no {kind.label} {name}"}
        if not kind.has_ended(job):
            return {"status": "ignored", "reason": f"{name} is {kind.status(job)}"}
        response = self._conclude(kind, name, job, now)
        self._continue(now)
        return response

    # the end of a job

    def _conclude(self, kind: Kind, name: str, job: dict[str, Any], now: float) -> Response:
        result = self._table.get(f"result#{name}")
        fresh = result is None
        candidate = self._candidate(kind, name, job, result)
        if result is None:
            result = self._result(kind, name, job, candidate)
            if result is None:
                return {
                    "status": "waiting",
                    "reason": "the champion is being rolled out or stopped",
                }
            if not self._table.put_new(f"result#{name}", result):
                return {"status": "duplicate", "reason": "another invocation concludes it"}
            self._count(kind, job, result, now)
        package = None
        if self._gate is not None:
            package = self._gate.register(candidate, result, fresh=fresh)
        self._release(kind, name, job, result, now)
        figures = {key: result.get(key) for key in ("outcome", "reason", "challenger", "champion")}
        log("job concluded", name=name, kind=kind.name, package=package, **figures)
        return {"status": result["outcome"], "reason": result["reason"], "package_arn": package}

    def _candidate(
        self, kind: Kind, name: str, job: dict[str, Any], result: Row | None
    ) -> Candidate | None:
        """The model of the job; None without a gate, or if it is registered already."""
        registered = result is not None and (
            result.get("package_arn") is not None or not result.get("registrable")
        )
        if self._gate is None or registered or kind.status(job) != "Completed":
            return None
        return self._gate.candidate(kind, name, job)

    def _result(
        self, kind: Kind, name: str, job: dict[str, Any], candidate: Candidate | None
    ) -> Row | None:
        """The result of the job; None while the gate cannot evaluate it."""
        status = kind.status(job)
        facts: Row = {
            "kind": kind.name,
            "seconds": duration_of(kind, job),
            "instance_types": self._types(kind, name, job),
        }
        if status != "Completed":
            trials = failed_trials(kind, self._sagemaker, name, status)
            stopped = self._gate is None and status != "Failed"
            return facts | {
                "outcome": "stopped" if stopped else "failed",
                "reason": failure_reason(kind, job, trials),
                "capacity_error": True if is_capacity_error(job, trials) else None,
                "stopped_on_request": True if is_stopped_on_request(kind, job) else None,
            }
        if self._gate is None:
            return facts | {"outcome": "completed", "reason": "the job completed"}
        decision = self._gate.evaluate(candidate)
        return None if decision is None else facts | decision

    def _types(self, kind: Kind, name: str, job: dict[str, Any]) -> list[str] | None:
        """The instance types tried; the type of the job is the last."""
        loop = self._table.get(self._loop_id) or {}
        own = type_in(kind, job)
        tried = list(loop.get("instance_types", [])) if loop.get("in_flight") == name else []
        if own is None or own in tried:
            return tried or None
        return [*tried, own]

    def _count(self, kind: Kind, job: dict[str, Any], result: Row, now: float) -> None:
        samples = end_samples(kind, job)
        if result["outcome"] == "rejected":
            samples["ChallengersRejected"] = 1.0
        self._metrics.put_optional(samples, {"Job": self._config.job}, at=now)

    # the lock

    def _release(self, kind: Kind, name: str, job: dict[str, Any], result: Row, now: float) -> None:
        """Release the lock, together with the next trigger or the alert.

        Raises:
            TryAgainError: if the row of the loop kept changing meanwhile.

        """
        for _ in range(3):
            loop = self._table.get(self._loop_id) or {}
            if loop.get("in_flight") != name:
                return
            change = self._released(kind, job, result, loop, now)
            expect = {"in_flight": name, "pending": loop.get("pending")}
            if self._table.swap(self._loop_id, change={**change, "in_flight": None}, expect=expect):
                return
        raise TryAgainError("the row of the loop kept changing")

    def _released(self, kind: Kind, job: dict[str, Any], result: Row, loop: Row, now: float) -> Row:
        """The change of the loop's row, without the lock."""
        trigger = Trigger.of(json.loads(loop["trigger"]))
        change: Row = {"outcome": result["outcome"], "reason": result["reason"], "retry": None}
        if result["outcome"] not in {"failed", "stopped"}:
            return change
        following = self._fallback(kind, job, result, trigger, now)
        if following is not None:
            # A trigger that became pending meanwhile is newer and has priority.
            return change | {"pending": loop.get("pending", following.to_json())}
        retryable = bool(result.get("capacity_error")) or INTERNAL_ERROR in result["reason"]
        if self._gate is None:
            return change | self._retry_standalone(kind, job, result, loop, now, retry=retryable)
        if retryable:
            return change | {"retry": True}
        return change if trigger.alarm is not None else change | self._alert_of(kind, job, result)

    def _retry_standalone(
        self, kind: Kind, job: dict[str, Any], result: Row, loop: Row, now: float, *, retry: bool
    ) -> Row:
        """The change after the failure of a standalone job: a retry, or the alert."""
        if result.get("stopped_on_request"):
            return {}
        trigger = Trigger.of(json.loads(loop["trigger"]))
        if not retry or loop.get("pending") or trigger.attempt >= self._config.max_attempts:
            return self._alert_of(kind, job, result)
        following = retry_of(trigger, attempt=trigger.attempt + 1, at=now)
        return {"pending": following.to_json(), "tries": trigger.attempt, "tried_at": now}

    def _alert_of(self, kind: Kind, job: dict[str, Any], result: Row) -> Row:
        text = f"The {kind.label} {job[kind.name_member]} failed: {result['reason']}"
        types = result.get("instance_types") or []
        if result.get("capacity_error") and len(types) > 1:
            text += f" (tried: {', '.join(types)})"
        return alert(text[:LONGEST_REASON])

    def _fallback(
        self, kind: Kind, job: dict[str, Any], result: Row, trigger: Trigger, now: float
    ) -> Trigger | None:
        """The trigger of the next instance type, after a capacity error."""
        row = self._table.get(f"job#{self._config.job}")
        if row is None or not result.get("capacity_error"):
            return None
        document = json.loads(row["document"])
        types = [type_at(document, i) for i in range(len(fallbacks_of(document)) + 1)]
        own = type_in(kind, job)
        used = types.index(own) if own in types else trigger.instance
        if kind is not kind_of(document) or used + 1 >= len(types):
            return None
        log("no capacity: next instance type", tried=own, following=types[used + 1])
        return fallback_of(trigger, instance=used + 1, at=now)

    # afterwards

    def _continue(self, now: float) -> None:
        """Publish the alert, and start the pending trigger if this function may."""
        loop = self._table.get(self._loop_id) or {}
        if self._alerts is not None:
            self._alerts.publish(self._loop_id, loop, {"Job": self._config.job}, now)
        function = self._config.start_function
        if function is None or loop.get("in_flight") or not loop.get("pending"):
            return
        trigger = Trigger.of(json.loads(loop["pending"]))
        # With a gate the reconciler starts the others, after rollout and cooldown.
        allowed = self._gate is None or trigger.kind == "fallback"
        if allowed and not is_backing_off(loop, self._config.backoff_seconds, now):
            start_job(self._functions, function, trigger, now)

    def _reconcile(self, now: float) -> Response:
        """Repair what a lost event left undone: an end, an interrupted start, an alert."""
        loop = self._table.get(self._loop_id) or {}
        name, row = loop.get("in_flight"), self._table.get(f"job#{self._config.job}")
        step = "nothing"
        if name and row is not None:
            kind = kind_of(json.loads(row["document"]))
            job = kind.find(self._sagemaker, name)
            if job is None and self._config.start_function is not None:
                trigger = Trigger.of(json.loads(loop["trigger"]))
                start_job(self._functions, self._config.start_function, trigger, now)
                step = "starting"
            elif job is not None and kind.has_ended(job):
                self._conclude(kind, name, job, now)
                step = "concluded"
        self._continue(now)
        return {"status": step}
