"""The reconciler: repairs on a schedule what a lost event or a person left undone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sageloop_runtime.aws.alarms import described_alarms
from sageloop_runtime.aws.alerts import AlertPublisher, alert
from sageloop_runtime.aws.invocation import invoke_function
from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.config import ReconcileConfig
from sageloop_runtime.jobs.dispatch import backoff, is_backing_off, start_job
from sageloop_runtime.jobs.kinds import Kind, kind_of
from sageloop_runtime.jobs.triggers import Trigger, alarm_key, first_trigger, retry_of
from sageloop_runtime.log import log
from sageloop_runtime.reconciliation.loop_checks import LoopChecks
from sageloop_runtime.times import event_time


class Reconciler:
    """Compares the state table with SageMaker and CloudWatch, and takes missing steps.

    Args:
        config: the function's settings.
        table: the state table.
        sagemaker: a SageMaker client.
        cloudwatch: a CloudWatch client.
        functions: a Lambda client.
        promote: takes the next steps of the promotion at a time; the name of the last one.
        checks: compares the loop with what is there.
        alerts: publishes alerts.

    """

    def __init__(
        self,
        config: ReconcileConfig,
        *,
        table: StateTable,
        sagemaker: Any,
        cloudwatch: Any,
        functions: Any,
        promote: Callable[[float], str],
        checks: LoopChecks,
        alerts: AlertPublisher,
    ) -> None:
        self._config = config
        self._job = config.start.job
        self._loop_id = f"loop#{config.start.job}"
        self._table = table
        self._sagemaker = sagemaker
        self._cloudwatch = cloudwatch
        self._functions = functions
        self._promote = promote
        self._checks = checks
        self._alerts = alerts

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Reconcile each part; an error in one does not prevent the others.

        Raises:
            ExceptionGroup: with the errors of the parts.

        """
        now = event_time(event)
        steps: dict[str, Any] = {}
        errors: list[Exception] = []
        parts: dict[str, Callable[[float], str]] = {
            "promotion": self._promote,
            "training": self._training,
            "comparison": self._checks.run,
            "alerts": self._publish_alerts,
        }
        for name, part in parts.items():
            try:
                steps[name] = part(now)
            except Exception as error:
                log("reconciliation failed", part=name, error=repr(error))
                errors.append(error)
        log("reconciled", job=self._job, **steps)
        if errors:
            raise ExceptionGroup("reconciliation failed", errors)
        return steps

    def _publish_alerts(self, now: float) -> str:
        sent = [
            self._alerts.publish(row_id, self._table.get(row_id), {"Job": self._job}, now)
            for row_id in (self._loop_id, self._checks.row_id)
        ]
        return "sent" if any(sent) else "none"

    def _training(self, now: float) -> str:
        loop = self._table.get(self._loop_id) or {}
        latest = loop.get("latest_event_time")
        if latest is None or latest < now:
            change, expect = {"latest_event_time": now}, {"latest_event_time": latest}
            self._table.swap(self._loop_id, change=change, expect=expect)
        job = self._table.get(f"job#{self._job}")
        if job is None:
            return "no job"
        kind = kind_of(json.loads(job["document"]))
        if loop.get("in_flight"):
            return self._in_flight(kind, loop, now)
        if loop.get("pending"):
            return self._pending(loop, now)
        return self._next_attempt(kind, loop, now)

    # a job in flight

    def _in_flight(self, kind: Kind, loop: Row, now: float) -> str:
        name = loop["in_flight"]
        job = kind.find(self._sagemaker, name)
        if job is None:
            # The function was interrupted between taking the lock and creating the job.
            return self._start(Trigger.of(json.loads(loop["trigger"])), now)
        if not kind.has_ended(job):
            return "running"
        detail = {kind.name_member: name, kind.status_member: kind.status(job)}
        function = self._config.on_job_change_function
        invoke_function(self._functions, function, {"detail": detail}, now)
        return "concluding"

    # no job in flight

    def _pending(self, loop: Row, now: float) -> str:
        if is_backing_off(loop, self._config.backoff_seconds, now):
            return "backing off"
        return self._start(Trigger.of(json.loads(loop["pending"])), now)

    def _next_attempt(self, kind: Kind, loop: Row, now: float) -> str:
        alarm = self._alarm()
        firing = alarm is not None and alarm["StateValue"] == "ALARM"
        attempts = int(loop.get("attempts", 0))
        if not firing and not loop.get("retry"):
            if attempts and alarm is not None and alarm["StateValue"] == "OK":
                self._reset_attempts(loop)
            return "nothing"
        last = Trigger.of(json.loads(loop["trigger"])) if loop.get("trigger") else None
        wait = backoff(self._config.backoff_seconds, attempts)
        if not loop.get("retry") or (last is not None and last.alarm is not None):
            wait = max(wait, self._config.start.cooldown_seconds)
        if now - loop.get("last_started_at", float("-inf")) < wait:
            return "cooling down"
        counted = last is not None and (last.alarm is not None or bool(loop.get("retry")))
        if counted and attempts >= self._config.start.max_attempts:
            return self._stop_retrying(kind, loop, attempts)
        if last is not None and (loop.get("retry") or (attempts and last.alarm is not None)):
            return self._start(retry_of(last, attempt=attempts + 1, at=now), now)
        return self._start(_of_alarm(alarm or {}, last if attempts else None, now), now)

    def _alarm(self) -> dict[str, Any] | None:
        name = self._config.start.alarm_name
        return None if name is None else described_alarms(self._cloudwatch, [name]).get(name)

    def _reset_attempts(self, loop: Row) -> None:
        expect = {key: loop.get(key) for key in ("attempts", "in_flight")}
        self._table.swap(
            self._loop_id, change={"attempts": 0, "alerted_series": None}, expect=expect
        )

    def _stop_retrying(self, kind: Kind, loop: Row, attempts: int) -> str:
        series = Trigger.of(json.loads(loop["trigger"])).series
        if loop.get("alerted_series") != series:
            text = (
                f"{self._job}: no success after {attempts} {kind.label}s. The last one: "
                f"{loop.get('outcome')}, {loop.get('reason', 'no reason given')}. No more "
                "are started until the alarm is OK, new data arrives or an operator starts one."
            )
            change = {"alerted_series": series, **alert(text)}
            expect = {"alerted_series": loop.get("alerted_series")}
            self._table.swap(self._loop_id, change=change, expect=expect)
        return "attempts exhausted"

    # other functions

    def _start(self, trigger: Trigger, now: float) -> str:
        start_job(self._functions, self._config.start_function, trigger, now)
        return "starting"


def _of_alarm(alarm: Mapping[str, Any], last: Trigger | None, now: float) -> Trigger:
    """The trigger of the alarm's event, or a retry of it after another job."""
    key = alarm_key(alarm["AlarmArn"], alarm["StateUpdatedTimestamp"])
    if last is not None:
        key = f"retry|{key}|after {last.key}"
    return first_trigger("alarm", key, now, alarm=alarm["AlarmName"])
