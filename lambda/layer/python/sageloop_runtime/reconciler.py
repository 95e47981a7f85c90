"""The reconciler: finds on a schedule what an event lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sageloop_runtime import handover
from sageloop_runtime.config import ReconcileConfig
from sageloop_runtime.handover import backoff, is_backing_off
from sageloop_runtime.kinds import Kind, kind_of
from sageloop_runtime.log import log
from sageloop_runtime.paging import Pager
from sageloop_runtime.promotion import Promoter
from sageloop_runtime.state import Row, StateTable
from sageloop_runtime.times import event_time
from sageloop_runtime.triggers import Trigger, alarm_key, first, retry_of


class Reconciler:
    """Compares what the state says with what is, and starts what is missing.

    Args:
        config: the function's settings.
        table: the state table.
        sagemaker: a SageMaker client.
        cloudwatch: a CloudWatch client.
        functions: a Lambda client.
        promoter: moves the endpoint.
        pager: who is told.

    """

    def __init__(
        self,
        config: ReconcileConfig,
        *,
        table: StateTable,
        sagemaker: Any,
        cloudwatch: Any,
        functions: Any,
        promoter: Promoter,
        pager: Pager,
    ) -> None:
        self._config = config
        self._job = config.start.job
        self._loop_id = f"loop#{config.start.job}"
        self._table = table
        self._sagemaker = sagemaker
        self._cloudwatch = cloudwatch
        self._functions = functions
        self._promoter = promoter
        self._pager = pager

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """One pass; a part that fails does not keep the other from being done.

        Raises:
            ExceptionGroup: of what the parts raised.

        """
        now = event_time(event)
        done: dict[str, Any] = {}
        errors: list[Exception] = []
        parts: dict[str, Callable[[float], str]] = {
            "promotion": self._promoter.converge,
            "training": self._training,
            "pages": self._pages,
        }
        for name, part in parts.items():
            try:
                done[name] = part(now)
            except Exception as error:
                log("reconciliation failed", part=name, error=repr(error))
                errors.append(error)
        log("reconciled", job=self._job, **done)
        if errors:
            raise ExceptionGroup("reconciliation failed", errors)
        return done

    def _pages(self, now: float) -> str:
        sent = self._pager.flush(
            self._loop_id, self._table.get(self._loop_id), {"Job": self._job}, now
        )
        return "sent" if sent else "none"

    def _training(self, now: float) -> str:
        loop = self._table.get(self._loop_id) or {}
        seen = loop.get("seen_at")
        if seen is None or seen < now:
            self._table.swap(self._loop_id, change={"seen_at": now}, expect={"seen_at": seen})
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
            # Its starter died between taking the lock and creating it.
            return self._start(Trigger.of(json.loads(loop["trigger"])), now)
        if not kind.has_ended(job):
            return "running"
        detail = {kind.name_member: name, kind.status_member: kind.status(job)}
        function = self._config.on_job_change_function
        handover.invoke(self._functions, function, {"detail": detail}, now)
        return "concluding"

    # no job in flight

    def _pending(self, loop: Row, now: float) -> str:
        if is_backing_off(loop, self._config.backoff_seconds, now):
            return "backing off"
        return self._start(Trigger.of(json.loads(loop["pending"])), now)

    def _next_attempt(self, kind: Kind, loop: Row, now: float) -> str:
        alarm = self._alarm()
        red = alarm is not None and alarm["StateValue"] == "ALARM"
        attempts = int(loop.get("attempts", 0))
        if not red and not loop.get("retry"):
            if attempts and alarm is not None and alarm["StateValue"] == "OK":
                self._forget_attempts(loop)
            return "nothing"
        last = Trigger.of(json.loads(loop["trigger"])) if loop.get("trigger") else None
        wait = backoff(self._config.backoff_seconds, attempts)
        if not loop.get("retry") or (last is not None and last.alarm is not None):
            wait = max(wait, self._config.start.cooldown_seconds)
        if now - loop.get("last_started_at", float("-inf")) < wait:
            return "cooling down"
        ours = last is not None and (last.alarm is not None or bool(loop.get("retry")))
        if ours and attempts >= self._config.start.max_attempts:
            return self._give_up(kind, loop, attempts)
        if last is not None and (loop.get("retry") or (attempts and last.alarm is not None)):
            return self._start(retry_of(last, attempt=attempts + 1, at=now), now)
        return self._start(_of_alarm(alarm or {}, last if attempts else None, now), now)

    def _alarm(self) -> dict[str, Any] | None:
        name = self._config.start.alarm_name
        if name is None:
            return None
        found = self._cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        if not found:
            log("the alarm is missing", alarm=name)
            return None
        return dict(found[0])

    def _forget_attempts(self, loop: Row) -> None:
        expect = {key: loop.get(key) for key in ("attempts", "in_flight")}
        self._table.swap(self._loop_id, change={"attempts": 0, "paged": None}, expect=expect)

    def _give_up(self, kind: Kind, loop: Row, attempts: int) -> str:
        series = Trigger.of(json.loads(loop["trigger"])).series
        if loop.get("paged") != series:
            text = (
                f"{self._job}: {attempts} {kind.words}s were started and none helped; "
                f"the last one: {loop.get('outcome')}, {loop.get('reason', 'no reason given')}. "
                "No more are started until the alarm was OK, or new data or a person starts one."
            )
            change = {"page": text, "paged": series}
            self._table.swap(self._loop_id, change=change, expect={"paged": loop.get("paged")})
        return "given up"

    # other functions

    def _start(self, trigger: Trigger, now: float) -> str:
        handover.start(self._functions, self._config.start_function, trigger, now)
        return "starting"


def _of_alarm(alarm: Mapping[str, Any], last: Trigger | None, now: float) -> Trigger:
    """The trigger that the alarm's event would have been; another one after other training."""
    key = alarm_key(alarm["AlarmArn"], alarm["StateUpdatedTimestamp"])
    if last is not None:
        key = f"retry|{key}|after {last.key}"
    return first("alarm", key, now, alarm=alarm["AlarmName"])
