"""Starting a job: at most one in flight, each trigger once, at a decent distance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.config import StartConfig
from sageloop_runtime.data_window import (
    DataSet,
    choose_days,
    divide,
    keys_by_day,
    manifest_file,
)
from sageloop_runtime.errors import (
    BadInputError,
    TryAgainError,
    already_exists,
    code_of,
    message_of,
)
from sageloop_runtime.instance_types import fallbacks_of, type_at, with_type
from sageloop_runtime.job_request import job_request, refuse_hyperparameters
from sageloop_runtime.kinds import Kind, kind_of
from sageloop_runtime.log import log
from sageloop_runtime.metrics import Metrics
from sageloop_runtime.names import digest_of
from sageloop_runtime.paging import Pager
from sageloop_runtime.state import Row, StateTable
from sageloop_runtime.times import DAY
from sageloop_runtime.triggers import Trigger, read_trigger

Answer = dict[str, Any]

_TRIGGER_KEPT = 30 * DAY
_OLDEST_EVENT = DAY
_LIMITS = frozenset({"ResourceLimitExceeded"})
_TERMINAL = frozenset({"ValidationException", "ResourceNotFound", "AccessDeniedException"})


class Starter:
    """Turns triggers into jobs of the kind that the job's document says.

    Args:
        config: the function's settings.
        table: the state table.
        s3: an S3 client.
        sagemaker: a SageMaker client.
        cloudwatch: a CloudWatch client; only triggers of alarms need it.
        metrics: where JobsStarted and TriggersSuppressed go.
        pager: who is told; None where the reconciler tells it.

    """

    def __init__(
        self,
        config: StartConfig,
        *,
        table: StateTable,
        s3: Any,
        sagemaker: Any,
        cloudwatch: Any,
        metrics: Metrics,
        pager: Pager | None = None,
    ) -> None:
        self._config = config
        self._table = table
        self._s3 = s3
        self._sagemaker = sagemaker
        self._cloudwatch = cloudwatch
        self._metrics = metrics
        self._pager = pager
        self._loop_id = f"loop#{config.job}"

    def handle(self, event: Mapping[str, Any]) -> Answer:
        """Handle one event.

        Raises:
            BadInputError: if the event is malformed or of another alarm.

        """
        trigger = read_trigger(event)
        if trigger is None:
            return {"status": "ignored", "reason": "the alarm is not in ALARM"}
        expected = self._config.alarm_name
        if trigger.alarm is not None and expected is not None and trigger.alarm != expected:
            raise BadInputError(f"the alarm {trigger.alarm!r} is not ours: {expected!r} is")
        return self.start(trigger)

    def start(self, trigger: Trigger) -> Answer:
        """Start the trigger's job, unless something speaks against it.

        Raises:
            BadInputError: if there is no data to train on, or hyperparameters are given to a job
                that has none.
            TryAgainError: if others kept changing the loop's state meanwhile.

        """
        job = self._table.get(f"job#{self._config.job}")
        if job is None:
            return {"status": "ignored", "reason": f"there is no job {self._config.job!r}"}
        document = json.loads(job["document"])
        if trigger.hyperparameters:
            refuse_hyperparameters(document)
        name = trigger.name(kind_of(document), self._config.job)
        for _ in range(3):
            loop = self._table.get(self._loop_id) or {}
            if not self._is_ours(trigger, name, loop):
                reason = self._against(trigger, name, loop)
                if reason is not None:
                    return self._suppress(trigger, name, loop, reason)
            claimed = self._claim(trigger, name, loop, document)
            if claimed is not None:
                return self._create(claimed, name, document)
        raise TryAgainError("the loop's state is changing all the time")

    # why not

    def _is_ours(self, trigger: Trigger, name: str, loop: Row) -> bool:
        """Whether an earlier try of this very trigger holds the lock and did not finish."""
        return loop.get("in_flight") == name and (trigger.resumed or not self._handled(trigger))

    def _handled(self, trigger: Trigger) -> bool:
        return self._table.get(f"trigger#{digest_of(trigger.key, length=32)}") is not None

    def _against(self, trigger: Trigger, name: str, loop: Row) -> str | None:
        at, last = trigger.at, loop.get("last_started_at")
        if at is not None and loop.get("seen_at", at) - at > _OLDEST_EVENT:
            return "stale"
        if self._table.get(f"result#{name}") is not None:
            return "duplicate"
        if not trigger.resumed and self._handled(trigger):
            return "duplicate"
        if trigger.kind == "retry" and last is not None and at is not None and last >= at:
            return "stale"
        if trigger.kind == "alarm":
            if at is not None and last is not None and at - last < self._config.cooldown_seconds:
                return "cooldown"
            if not self._in_alarm(trigger):
                return "stale"
        return "in_flight" if loop.get("in_flight") else None

    def _in_alarm(self, trigger: Trigger) -> bool:
        found = self._cloudwatch.describe_alarms(
            AlarmNames=[trigger.alarm], AlarmTypes=["CompositeAlarm", "MetricAlarm"]
        )
        alarms = [*found.get("MetricAlarms", []), *found.get("CompositeAlarms", [])]
        return any(alarm["StateValue"] == "ALARM" for alarm in alarms)

    def _suppress(self, trigger: Trigger, name: str, loop: Row, reason: str) -> Answer:
        if reason == "in_flight" and trigger.kind != "retry":
            self._keep_pending(trigger, name)
        elif trigger.resumed and loop.get("pending"):
            expect = {"pending": loop["pending"]}
            if json.loads(loop["pending"])["key"] == trigger.key:
                self._table.swap(self._loop_id, change={"pending": None}, expect=expect)
        log("trigger suppressed", job=self._config.job, reason=reason, key=trigger.key)
        dimensions = {"Job": self._config.job, "Reason": reason}
        self._metrics.note({"TriggersSuppressed": 1.0}, dimensions, at=trigger.at)
        return {"status": "suppressed", "reason": reason}

    def _keep_pending(self, trigger: Trigger, name: str) -> None:
        """Remember the latest trigger of those that came while a job was in flight."""
        loop = self._table.get(self._loop_id) or {}
        known = loop.get("pending")
        if known is None or (Trigger.of(json.loads(known)).at or 0.0) <= (trigger.at or 0.0):
            change, expect = {"pending": trigger.to_json()}, {"pending": known}
            if not self._table.swap(self._loop_id, change=change, expect=expect):
                raise TryAgainError("another trigger became pending at the same time")
        self._remember(trigger, name)

    # doing it

    def _claim(
        self, trigger: Trigger, name: str, loop: Row, document: dict[str, Any]
    ) -> Trigger | None:
        """Take the lock; the trigger with its days, or None if the state has changed."""
        if self._is_ours(trigger, name, loop):
            return Trigger.of(json.loads(loop["trigger"]))
        if document.get("data") is not None:
            data = DataSet.of(document["data"])
            days = choose_days(self._s3, data, trigger.manifest)
            divide(keys_by_day(self._s3, data), days, data.validation_days)
            trigger = replace(trigger, days=days)
        seen = max(trigger.at or 0.0, loop.get("seen_at", 0.0))
        change: Row = {
            "in_flight": name,
            "trigger": trigger.to_json(),
            "attempts": trigger.attempt,
            "retry": None,
            "outcome": None,
            "seen_at": seen,
        }
        if trigger.at is not None:
            change |= {"started_at": trigger.at, "last_started_at": trigger.at}
        pending = loop.get("pending")
        if pending is not None and json.loads(pending)["key"] == trigger.key:
            change["pending"] = None
        expect = {key: loop.get(key) for key in ("in_flight", "last_started_at", "pending")}
        return trigger if self._table.swap(self._loop_id, change=change, expect=expect) else None

    def _create(self, trigger: Trigger, name: str, document: dict[str, Any]) -> Answer:
        kind = kind_of(document)
        request = job_request(document, name, trigger.hyperparameters)
        if document.get("data") is not None and trigger.days is not None:
            self._write_manifests(name, DataSet.of(document["data"]), trigger.days)
        last = len(fallbacks_of(document))
        for index in range(min(trigger.instance, last), last + 1):
            with_type(document, request, index)
            tried = [type_at(document, i) for i in range(index + 1)]
            error = self._refusal(kind, request, name)
            if error is None:
                return self._started(trigger, name, kind, tried)
            if code_of(error) not in _LIMITS:
                reason = f"{code_of(error)}: {message_of(error)}"
                return self._give_up(trigger, name, kind, reason)
            log("quota refuses a job", name=name, instance_type=tried[-1], reason=str(error))
        return self._wait_for_quota(trigger, name, kind, _told(message_of(error), tried))

    def _refusal(self, kind: Kind, request: dict[str, Any], name: str) -> ClientError | None:
        """Create the job; the error if quota, or SageMaker for good, does not let it be."""
        try:
            kind.create(self._sagemaker, request)
        except ClientError as error:
            if already_exists(error):
                log("job adopted", name=name)
                return None
            terminal = code_of(error) in _TERMINAL and "assume" not in message_of(error).lower()
            if terminal or code_of(error) in _LIMITS:
                return error
            raise
        return None

    def _started(self, trigger: Trigger, name: str, kind: Kind, tried: list[str | None]) -> Answer:
        self._remember(trigger, name)
        types = [item for item in tried if item is not None]
        change = {"tries": None, "instance_types": types or None}
        self._table.swap(self._loop_id, change=change, expect={"in_flight": name})
        self._metrics.note({"JobsStarted": 1.0}, {"Job": self._config.job}, at=trigger.at)
        log("job started", name=name, kind=kind.name, key=trigger.key, attempt=trigger.attempt,
            instance_type=tried[-1])  # fmt: skip
        return {"status": "started", "kind": kind.name, "job_name": name,
                "instance_type": tried[-1]}  # fmt: skip

    def _write_manifests(self, name: str, data: DataSet, days: tuple[str, str]) -> None:
        train, validation = divide(keys_by_day(self._s3, data), days, data.validation_days)
        for part, keys in (("train", train), ("validation", validation)):
            body = manifest_file(data.bucket, keys).encode()
            self._s3.put_object(Bucket=data.bucket, Key=data.run_key(name, part), Body=body)

    def _remember(self, trigger: Trigger, name: str) -> None:
        row: Row = {"job_name": name}
        if trigger.at is not None:
            row["expires"] = int(trigger.at + _TRIGGER_KEPT)
        self._table.put_new(f"trigger#{digest_of(trigger.key, length=32)}", row)

    def _give_up(self, trigger: Trigger, name: str, kind: Kind, reason: str) -> Answer:
        self._remember(trigger, name)
        page = f"The {kind.words} {name} cannot be started: {reason}"
        change: Row = {"in_flight": None, "page": page, "outcome": "failed", "reason": reason}
        self._table.swap(self._loop_id, change=change, expect={"in_flight": name})
        log("job refused", name=name, reason=reason)
        self._page(trigger)
        return {"status": "refused", "reason": reason}

    def _wait_for_quota(self, trigger: Trigger, name: str, kind: Kind, reason: str) -> Answer:
        """Keep the trigger for later, from its first type on; first, a person hears of it."""
        loop = self._table.get(self._loop_id) or {}
        tries = int(loop.get("tries", 0)) + 1
        pending = loop.get("pending", replace(trigger, instance=0).to_json())
        change: Row = {"in_flight": None, "pending": pending, "tries": tries}
        if trigger.at is not None:
            change["tried_at"] = trigger.at
        if tries == 1:
            change["page"] = f"The {kind.words} {name} waits for quota: {reason}"
        self._table.swap(self._loop_id, change=change, expect={"in_flight": name})
        self._remember(trigger, name)
        log("job waits for quota", name=name, reason=reason)
        self._page(trigger)
        return {"status": "pending", "reason": reason}

    def _page(self, trigger: Trigger) -> None:
        if self._pager is not None:
            loop = self._table.get(self._loop_id)
            self._pager.flush(self._loop_id, loop, {"Job": self._config.job}, trigger.at)


def _told(reason: str, tried: list[str | None]) -> str:
    """The last type's refusal, with the types refused where there are several."""
    types = ", ".join(str(item) for item in tried)
    return f"{reason} (tried: {types})" if len(tried) > 1 else reason
