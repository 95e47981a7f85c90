"""What follows a job's end: the gate if there is one, the lock, the next type, the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sageloop_runtime import handover
from sageloop_runtime.config import JobChangeConfig
from sageloop_runtime.errors import BadInputError, TryAgainError
from sageloop_runtime.gate import Verdict
from sageloop_runtime.instance_types import fallbacks_of, type_at, type_in
from sageloop_runtime.judging import Candidate, Judge
from sageloop_runtime.kinds import Kind, kind_of, named_in
from sageloop_runtime.log import log
from sageloop_runtime.metrics import Metrics
from sageloop_runtime.outcomes import (
    INTERNAL,
    LONGEST_REASON,
    failed_trials,
    lacked_capacity,
    samples_of,
    seconds_of,
    was_wanted,
    why,
)
from sageloop_runtime.paging import Pager
from sageloop_runtime.state import Row, StateTable
from sageloop_runtime.times import event_time
from sageloop_runtime.triggers import Trigger, fallback_of, retry_of

Answer = dict[str, Any]

_SCHEDULES = frozenset({"aws.events", "aws.scheduler"})


class JobChange:
    """Concludes jobs that ended.

    A job with a gate has a reconciler beside this function, which sends its pages and starts
    what is pending. A job without one has neither: then this function does both, and looks
    after the job when a schedule runs it.

    Args:
        config: the function's settings.
        table: the state table.
        sagemaker: a SageMaker client.
        metrics: where the jobs are counted.
        judge: the gate; None for a job without one.
        functions: a Lambda client; None where no start function is known.
        pager: who is told; None where the reconciler tells it.

    """

    def __init__(
        self,
        config: JobChangeConfig,
        *,
        table: StateTable,
        sagemaker: Any,
        metrics: Metrics,
        judge: Judge | None,
        functions: Any | None,
        pager: Pager | None,
    ) -> None:
        self._config = config
        self._loop_id = f"loop#{config.job}"
        self._table = table
        self._sagemaker = sagemaker
        self._metrics = metrics
        self._judge = judge
        self._functions = functions
        self._pager = pager

    def handle(self, event: Mapping[str, Any]) -> Answer:
        """Handle an event about a job; the job's present state decides, not the event's.

        Raises:
            BadInputError: if the event names no job.

        """
        now = event_time(event)
        if event.get("source") in _SCHEDULES:
            return self._look_after(now)
        detail = event.get("detail")
        found = named_in(detail) if isinstance(detail, Mapping) else None
        if found is None:
            raise BadInputError("the event names no job")
        kind, name = found
        if not kind.is_job_of(self._config.job, name):
            return {"status": "ignored", "reason": f"{name} is no job of {self._config.job}"}
        job = kind.find(self._sagemaker, name)
        if job is None:
            return {"status": "ignored", "reason": f"there is no {kind.words} {name}"}
        if not kind.has_ended(job):
            return {"status": "ignored", "reason": f"{name} is {kind.status(job)}"}
        answer = self._conclude(kind, name, job, now)
        self._afterwards(now)
        return answer

    # the end of a job

    def _conclude(self, kind: Kind, name: str, job: dict[str, Any], now: float) -> Answer:
        result = self._table.get(f"result#{name}")
        fresh = result is None
        candidate = self._candidate(kind, name, job, result)
        if result is None:
            result = self._result(kind, name, job, candidate)
            if result is None:
                return {"status": "waiting", "reason": "the champion is being rolled out"}
            if not self._table.put_new(f"result#{name}", result):
                return {"status": "duplicate", "reason": "another invocation concludes it"}
            self._count(kind, job, result, now)
        package = None
        if self._judge is not None:
            package = self._judge.register(candidate, result, fresh=fresh)
        self._release(kind, name, job, result, now)
        figures = {key: result.get(key) for key in ("verdict", "reason", "challenger", "champion")}
        log("job concluded", name=name, kind=kind.name, package=package, **figures)
        return {"status": result["verdict"], "reason": result["reason"], "package_arn": package}

    def _candidate(
        self, kind: Kind, name: str, job: dict[str, Any], result: Row | None
    ) -> Candidate | None:
        """The job's model, where there is a gate and something is left to do with it."""
        done = result is not None and (
            result.get("package_arn") is not None or not result.get("registrable")
        )
        if self._judge is None or done or kind.status(job) != "Completed":
            return None
        return self._judge.candidate(kind, name, job)

    def _result(
        self, kind: Kind, name: str, job: dict[str, Any], candidate: Candidate | None
    ) -> Row | None:
        """The row that concludes the job; None if it cannot be concluded yet."""
        status = kind.status(job)
        facts: Row = {
            "kind": kind.name,
            "seconds": seconds_of(kind, job),
            "instance_types": self._types(kind, name, job),
        }
        if status != "Completed":
            trials = failed_trials(kind, self._sagemaker, name, status)
            alone = self._judge is None and status != "Failed"
            return facts | {
                "verdict": "stopped" if alone else "failed",
                "reason": why(kind, job, trials),
                "capacity": True if lacked_capacity(job, trials) else None,
                "wanted": True if was_wanted(kind, job) else None,
            }
        if self._judge is None:
            return facts | {"verdict": "completed", "reason": "the job completed"}
        verdict = self._judge.judge(candidate)
        return None if verdict is None else facts | _result_of(verdict)

    def _types(self, kind: Kind, name: str, job: dict[str, Any]) -> list[str] | None:
        """The instance types tried, the job's own last."""
        loop = self._table.get(self._loop_id) or {}
        own = type_in(kind, job)
        tried = list(loop.get("instance_types", [])) if loop.get("in_flight") == name else []
        if own is None or own in tried:
            return tried or None
        return [*tried, own]

    def _count(self, kind: Kind, job: dict[str, Any], result: Row, now: float) -> None:
        samples = samples_of(kind, job)
        if result["verdict"] == "rejected":
            samples["ChallengersRejected"] = 1.0
        self._metrics.note(samples, {"Job": self._config.job}, at=now)

    # the lock

    def _release(self, kind: Kind, name: str, job: dict[str, Any], result: Row, now: float) -> None:
        """Give the lock back; with it goes what is to be started next, or the page.

        Raises:
            TryAgainError: if others kept changing the loop's state meanwhile.

        """
        for _ in range(3):
            loop = self._table.get(self._loop_id) or {}
            if loop.get("in_flight") != name:
                return
            change = self._released(kind, job, result, loop, now)
            expect = {"in_flight": name, "pending": loop.get("pending")}
            if self._table.swap(self._loop_id, change={**change, "in_flight": None}, expect=expect):
                return
        raise TryAgainError("the loop's state is changing all the time")

    def _released(self, kind: Kind, job: dict[str, Any], result: Row, loop: Row, now: float) -> Row:
        """The change of the loop's row but the lock."""
        trigger = Trigger.of(json.loads(loop["trigger"]))
        change: Row = {"outcome": result["verdict"], "reason": result["reason"], "retry": None}
        if result["verdict"] not in {"failed", "stopped"}:
            return change
        following = self._fallback(kind, job, result, trigger, now)
        if following is not None:
            # What became pending meanwhile is later data or a later wish, and goes first.
            return change | {"pending": loop.get("pending", following.to_json())}
        blameless = bool(result.get("capacity")) or INTERNAL in result["reason"]
        if self._judge is None:
            return change | self._alone(kind, job, result, loop, now, again=blameless)
        if blameless:
            return change | {"retry": True}
        return change if trigger.alarm is not None else change | self._page_for(kind, job, result)

    def _alone(
        self, kind: Kind, job: dict[str, Any], result: Row, loop: Row, now: float, *, again: bool
    ) -> Row:
        """What follows a failure where there is no reconciler: one more attempt, or the page."""
        if result.get("wanted"):
            return {}
        trigger = Trigger.of(json.loads(loop["trigger"]))
        if not again or loop.get("pending") or trigger.attempt >= self._config.max_attempts:
            return self._page_for(kind, job, result)
        following = retry_of(trigger, attempt=trigger.attempt + 1, at=now)
        return {"pending": following.to_json(), "tries": trigger.attempt, "tried_at": now}

    def _page_for(self, kind: Kind, job: dict[str, Any], result: Row) -> Row:
        text = f"The {kind.words} {job[kind.name_member]} failed: {result['reason']}"
        types = result.get("instance_types") or []
        if result.get("capacity") and len(types) > 1:
            text += f" (tried: {', '.join(types)})"
        return {"page": text[:LONGEST_REASON]}

    def _fallback(
        self, kind: Kind, job: dict[str, Any], result: Row, trigger: Trigger, now: float
    ) -> Trigger | None:
        """The trigger of the next instance type, if capacity lacked and one is left."""
        row = self._table.get(f"job#{self._config.job}")
        if row is None or not result.get("capacity"):
            return None
        document = json.loads(row["document"])
        types = [type_at(document, i) for i in range(len(fallbacks_of(document)) + 1)]
        own = type_in(kind, job)
        used = types.index(own) if own in types else trigger.instance
        if kind is not kind_of(document) or used + 1 >= len(types):
            return None
        log("no capacity: the next instance type follows", tried=own, following=types[used + 1])
        return fallback_of(trigger, instance=used + 1, at=now)

    # what comes after it

    def _afterwards(self, now: float) -> None:
        """Start what may start now, and tell what is to be told."""
        loop = self._table.get(self._loop_id) or {}
        if self._pager is not None:
            self._pager.flush(self._loop_id, loop, {"Job": self._config.job}, now)
        function = self._config.start_function
        if function is None or loop.get("in_flight") or not loop.get("pending"):
            return
        trigger = Trigger.of(json.loads(loop["pending"]))
        # With a gate, the reconciler starts the rest: it lets a rollout and a cooldown pass.
        ours = self._judge is None or trigger.kind == "fallback"
        if ours and not handover.is_backing_off(loop, self._config.backoff_seconds, now):
            handover.start(self._functions, function, trigger, now)

    def _look_after(self, now: float) -> Answer:
        """Find what an event lost: the end of a job, a start that died half way, a page."""
        loop = self._table.get(self._loop_id) or {}
        name, row = loop.get("in_flight"), self._table.get(f"job#{self._config.job}")
        done = "nothing"
        if name and row is not None:
            kind = kind_of(json.loads(row["document"]))
            job = kind.find(self._sagemaker, name)
            if job is None and self._config.start_function is not None:
                trigger = Trigger.of(json.loads(loop["trigger"]))
                handover.start(self._functions, self._config.start_function, trigger, now)
                done = "starting"
            elif job is not None and kind.has_ended(job):
                self._conclude(kind, name, job, now)
                done = "concluded"
        self._afterwards(now)
        return {"status": done}


def _result_of(verdict: Verdict) -> Row:
    return {
        "verdict": "promoted" if verdict.passed else "rejected",
        "reason": verdict.reason[:LONGEST_REASON],
        "challenger": verdict.challenger,
        "champion": verdict.champion,
        "registrable": verdict.artifact,
    }
