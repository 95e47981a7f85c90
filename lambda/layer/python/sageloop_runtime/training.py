"""Starting a training job: at most one in flight, each trigger once, at a decent distance."""

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
from sageloop_runtime.errors import BadInputError, TryAgainError, code_of, message_of
from sageloop_runtime.job_request import training_request
from sageloop_runtime.log import log
from sageloop_runtime.metrics import Metrics
from sageloop_runtime.names import digest_of
from sageloop_runtime.state import Row, StateTable
from sageloop_runtime.times import DAY
from sageloop_runtime.triggers import Trigger, read_trigger

Answer = dict[str, Any]

_TRIGGER_KEPT = 30 * DAY
_OLDEST_EVENT = DAY
_LIMITS = frozenset({"ResourceLimitExceeded"})
_TERMINAL = frozenset({"ValidationException", "ResourceNotFound", "AccessDeniedException"})


class Starter:
    """Turns triggers into training jobs.

    Args:
        config: the function's settings.
        table: the state table.
        s3: an S3 client.
        sagemaker: a SageMaker client.
        cloudwatch: a CloudWatch client; only triggers of alarms need it.
        metrics: where TriggersSuppressed goes; None where nothing is counted.

    """

    def __init__(
        self,
        config: StartConfig,
        *,
        table: StateTable,
        s3: Any,
        sagemaker: Any,
        cloudwatch: Any,
        metrics: Metrics | None,
    ) -> None:
        self._config = config
        self._table = table
        self._s3 = s3
        self._sagemaker = sagemaker
        self._cloudwatch = cloudwatch
        self._metrics = metrics
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
            BadInputError: if there is no data to train on.
            TryAgainError: if others kept changing the loop's state meanwhile.

        """
        job = self._table.get(f"job#{self._config.job}")
        if job is None:
            return {"status": "ignored", "reason": f"there is no job {self._config.job!r}"}
        document = json.loads(job["document"])
        for _ in range(3):
            loop = self._table.get(self._loop_id) or {}
            if not self._is_ours(trigger, loop):
                reason = self._against(trigger, loop)
                if reason is not None:
                    return self._suppress(trigger, loop, reason)
            claimed = self._claim(trigger, loop, document)
            if claimed is not None:
                return self._create(claimed, document)
        raise TryAgainError("the loop's state is changing all the time")

    # why not

    def _is_ours(self, trigger: Trigger, loop: Row) -> bool:
        """Whether an earlier try of this very trigger holds the lock and did not finish."""
        name = trigger.name(self._config.job)
        return loop.get("in_flight") == name and (trigger.resumed or not self._handled(trigger))

    def _handled(self, trigger: Trigger) -> bool:
        return self._table.get(f"trigger#{digest_of(trigger.key, length=32)}") is not None

    def _against(self, trigger: Trigger, loop: Row) -> str | None:
        at, last = trigger.at, loop.get("last_started_at")
        if at is not None and loop.get("seen_at", at) - at > _OLDEST_EVENT:
            return "stale"
        if self._table.get(f"result#{trigger.name(self._config.job)}") is not None:
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
        alarms = self._cloudwatch.describe_alarms(AlarmNames=[trigger.alarm])["MetricAlarms"]
        return any(alarm["StateValue"] == "ALARM" for alarm in alarms)

    def _suppress(self, trigger: Trigger, loop: Row, reason: str) -> Answer:
        if reason == "in_flight" and trigger.kind != "retry":
            self._keep_pending(trigger)
        elif trigger.resumed and loop.get("pending"):
            expect = {"pending": loop["pending"]}
            if json.loads(loop["pending"])["key"] == trigger.key:
                self._table.swap(self._loop_id, change={"pending": None}, expect=expect)
        log("trigger suppressed", job=self._config.job, reason=reason, key=trigger.key)
        if self._metrics is not None:
            dimensions = {"Job": self._config.job, "Reason": reason}
            self._metrics.put("TriggersSuppressed", 1.0, dimensions, at=trigger.at)
        return {"status": "suppressed", "reason": reason}

    def _keep_pending(self, trigger: Trigger) -> None:
        """Remember the latest trigger of those that came while a job was in flight."""
        loop = self._table.get(self._loop_id) or {}
        known = loop.get("pending")
        if known is None or (Trigger.of(json.loads(known)).at or 0.0) <= (trigger.at or 0.0):
            change, expect = {"pending": trigger.to_json()}, {"pending": known}
            if not self._table.swap(self._loop_id, change=change, expect=expect):
                raise TryAgainError("another trigger became pending at the same time")
        self._remember(trigger)

    # doing it

    def _claim(self, trigger: Trigger, loop: Row, document: dict[str, Any]) -> Trigger | None:
        """Take the lock; the trigger with its days, or None if the state has changed."""
        if self._is_ours(trigger, loop):
            return Trigger.of(json.loads(loop["trigger"]))
        if document.get("data") is not None:
            data = DataSet.of(document["data"])
            days = choose_days(self._s3, data, trigger.manifest)
            divide(keys_by_day(self._s3, data), days, data.validation_days)
            trigger = replace(trigger, days=days)
        seen = max(trigger.at or 0.0, loop.get("seen_at", 0.0))
        change: Row = {
            "in_flight": trigger.name(self._config.job),
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

    def _create(self, trigger: Trigger, document: dict[str, Any]) -> Answer:
        name = trigger.name(self._config.job)
        request = training_request(document, name)
        if document.get("data") is not None and trigger.days is not None:
            self._write_manifests(name, DataSet.of(document["data"]), trigger.days)
        try:
            self._sagemaker.create_training_job(**request)
        except ClientError as error:
            if code_of(error) in _LIMITS:
                return self._wait_for_quota(trigger, name, message_of(error))
            if code_of(error) in _TERMINAL and "assume" not in message_of(error).lower():
                return self._give_up(trigger, name, f"{code_of(error)}: {message_of(error)}")
            if code_of(error) != "ResourceInUse":
                raise
            log("training job adopted", name=name, key=trigger.key)
        self._remember(trigger)
        self._table.swap(self._loop_id, change={"tries": None}, expect={"in_flight": name})
        log("training job started", name=name, key=trigger.key, attempt=trigger.attempt)
        return {"status": "started", "training_job": name}

    def _write_manifests(self, name: str, data: DataSet, days: tuple[str, str]) -> None:
        train, validation = divide(keys_by_day(self._s3, data), days, data.validation_days)
        for part, keys in (("train", train), ("validation", validation)):
            body = manifest_file(data.bucket, keys).encode()
            self._s3.put_object(Bucket=data.bucket, Key=data.run_key(name, part), Body=body)

    def _remember(self, trigger: Trigger) -> None:
        row: Row = {"job_name": trigger.name(self._config.job)}
        if trigger.at is not None:
            row["expires"] = int(trigger.at + _TRIGGER_KEPT)
        self._table.put_new(f"trigger#{digest_of(trigger.key, length=32)}", row)

    def _give_up(self, trigger: Trigger, name: str, reason: str) -> Answer:
        self._remember(trigger)
        page = f"The training job {name} cannot be started: {reason}"
        change: Row = {"in_flight": None, "page": page, "outcome": "failed", "reason": reason}
        self._table.swap(self._loop_id, change=change, expect={"in_flight": name})
        log("training job refused", name=name, reason=reason)
        return {"status": "refused", "reason": reason}

    def _wait_for_quota(self, trigger: Trigger, name: str, reason: str) -> Answer:
        """Keep the trigger for later; the first time, a person hears of it."""
        loop = self._table.get(self._loop_id) or {}
        tries = int(loop.get("tries", 0)) + 1
        pending = loop.get("pending", trigger.to_json())
        change: Row = {"in_flight": None, "pending": pending, "tries": tries}
        if trigger.at is not None:
            change["tried_at"] = trigger.at
        if tries == 1:
            change["page"] = f"The training job {name} waits for quota: {reason}"
        self._table.swap(self._loop_id, change=change, expect={"in_flight": name})
        self._remember(trigger)
        log("training job waits for quota", name=name, reason=reason)
        return {"status": "pending", "reason": reason}
