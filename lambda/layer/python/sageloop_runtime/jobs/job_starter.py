"""Starts jobs: one at a time, deduplicated by trigger, with a cooldown for alarms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.aws.alarms import described_alarms
from sageloop_runtime.aws.alerts import AlertPublisher, alert
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.config import StartConfig
from sageloop_runtime.errors import (
    BadInputError,
    TryAgainError,
    already_exists,
    code_of,
    message_of,
)
from sageloop_runtime.jobs.dataset import (
    DatePartitionedDataset,
    choose_days,
    keys_by_day,
    manifest_file,
    split_hold_out,
)
from sageloop_runtime.jobs.instance_types import fallbacks_of, type_at, with_type
from sageloop_runtime.jobs.job_request import job_request, refuse_hyperparameters
from sageloop_runtime.jobs.kinds import Kind, kind_of
from sageloop_runtime.jobs.triggers import Trigger, read_trigger
from sageloop_runtime.log import log
from sageloop_runtime.names import digest_of
from sageloop_runtime.times import DAY

Response = dict[str, Any]

_TRIGGER_RETENTION = 30 * DAY
_MAX_EVENT_AGE = DAY
_QUOTA_ERRORS = frozenset({"ResourceLimitExceeded"})
_FINAL_ERRORS = frozenset({"ValidationException", "ResourceNotFound", "AccessDeniedException"})


class JobStarter:
    """Starts the job of a trigger.

    Args:
        config: the function's settings.
        table: the state table.
        s3: an S3 client.
        sagemaker: a SageMaker client.
        cloudwatch: a CloudWatch client, for triggers of alarms.
        metrics: publishes JobsStarted and TriggersSuppressed.
        alerts: publishes alerts; None where the reconciler publishes them.

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
        alerts: AlertPublisher | None = None,
    ) -> None:
        self._config = config
        self._table = table
        self._s3 = s3
        self._sagemaker = sagemaker
        self._cloudwatch = cloudwatch
        self._metrics = metrics
        self._alerts = alerts
        self._loop_id = f"loop#{config.job}"

    def handle(self, event: Mapping[str, Any]) -> Response:
        """Handle one event.

        Raises:
            BadInputError: if the event is malformed or from another alarm.

        """
        trigger = read_trigger(event)
        if trigger is None:
            return {"status": "ignored", "reason": "the alarm is not in ALARM"}
        expected = self._config.alarm_name
        if trigger.alarm is not None and expected is not None and trigger.alarm != expected:
            raise BadInputError(f"the alarm is {trigger.alarm!r}: {expected!r} is expected")
        return self.start(trigger)

    def start(self, trigger: Trigger) -> Response:
        """Start the job of a trigger, unless the trigger is suppressed.

        Raises:
            BadInputError: if there is no data to train on, or the trigger has hyperparameters
                and the job has none.
            TryAgainError: if the row of the loop kept changing meanwhile.

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
            if not self._is_interrupted(trigger, name, loop):
                reason = self._suppression(trigger, name, loop)
                if reason is not None:
                    return self._suppress(trigger, name, loop, reason)
            claimed = self._claim(trigger, name, loop, document)
            if claimed is not None:
                return self._create(claimed, name, document)
        raise TryAgainError("the row of the loop kept changing")

    # suppression

    def _is_interrupted(self, trigger: Trigger, name: str, loop: Row) -> bool:
        """Whether an unfinished attempt of the same trigger has the lock."""
        if loop.get("in_flight") != name:
            return False
        return trigger.resumed or not self._is_handled(trigger, name)

    def _is_handled(self, trigger: Trigger, name: str) -> bool:
        if self._table.get(self._handled_id(trigger)) is not None:
            return True
        # The previous release had no job in the id.
        former = self._table.get(f"trigger#{digest_of(trigger.key, length=32)}")
        return former is not None and former.get("job_name") == name

    def _handled_id(self, trigger: Trigger) -> str:
        """The row of a handled trigger: one event may start several jobs of a state table."""
        return f"trigger#{digest_of(f'{self._config.job}|{trigger.key}', length=32)}"

    def _suppression(self, trigger: Trigger, name: str, loop: Row) -> str | None:
        """Why the trigger starts no job; None if it starts one."""
        at, last = trigger.at, loop.get("last_started_at")
        if at is not None and loop.get("latest_event_time", at) - at > _MAX_EVENT_AGE:
            return "stale"
        if self._table.get(f"result#{name}") is not None:
            return "duplicate"
        if not trigger.resumed and self._is_handled(trigger, name):
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
        alarms = described_alarms(self._cloudwatch, [str(trigger.alarm)])
        return any(alarm["StateValue"] == "ALARM" for alarm in alarms.values())

    def _suppress(self, trigger: Trigger, name: str, loop: Row, reason: str) -> Response:
        if reason == "in_flight" and trigger.kind != "retry":
            self._keep_pending(trigger, name)
        elif trigger.resumed and loop.get("pending"):
            expect = {"pending": loop["pending"]}
            if json.loads(loop["pending"])["key"] == trigger.key:
                self._table.swap(self._loop_id, change={"pending": None}, expect=expect)
        log("trigger suppressed", job=self._config.job, reason=reason, key=trigger.key)
        dimensions = {"Job": self._config.job, "Reason": reason}
        self._metrics.put_optional({"TriggersSuppressed": 1.0}, dimensions, at=trigger.at)
        return {"status": "suppressed", "reason": reason}

    def _keep_pending(self, trigger: Trigger, name: str) -> None:
        """Record the latest of the triggers that arrive while a job is in flight."""
        loop = self._table.get(self._loop_id) or {}
        known = loop.get("pending")
        if known is None or (Trigger.of(json.loads(known)).at or 0.0) <= (trigger.at or 0.0):
            change, expect = {"pending": trigger.to_json()}, {"pending": known}
            if not self._table.swap(self._loop_id, change=change, expect=expect):
                raise TryAgainError("another trigger was recorded at the same time")
        self._mark_handled(trigger, name)

    # start

    def _claim(
        self, trigger: Trigger, name: str, loop: Row, document: dict[str, Any]
    ) -> Trigger | None:
        """Take the lock; the trigger with its days, or None if the row has changed."""
        if self._is_interrupted(trigger, name, loop):
            return Trigger.of(json.loads(loop["trigger"]))
        if document.get("data") is not None:
            data = DatePartitionedDataset.of(document["data"])
            days = choose_days(self._s3, data, trigger.manifest)
            split_hold_out(keys_by_day(self._s3, data), days, data.validation_days)
            trigger = replace(trigger, days=days)
        latest = max(trigger.at or 0.0, loop.get("latest_event_time", 0.0))
        change: Row = {
            "in_flight": name,
            "trigger": trigger.to_json(),
            "attempts": trigger.attempt,
            "retry": None,
            "outcome": None,
            "latest_event_time": latest,
        }
        if trigger.at is not None:
            change |= {"started_at": trigger.at, "last_started_at": trigger.at}
        pending = loop.get("pending")
        if pending is not None and json.loads(pending)["key"] == trigger.key:
            change["pending"] = None
        expect = {key: loop.get(key) for key in ("in_flight", "last_started_at", "pending")}
        return trigger if self._table.swap(self._loop_id, change=change, expect=expect) else None

    def _create(self, trigger: Trigger, name: str, document: dict[str, Any]) -> Response:
        kind = kind_of(document)
        request = job_request(document, name, trigger.hyperparameters)
        if document.get("data") is not None and trigger.days is not None:
            data = DatePartitionedDataset.of(document["data"])
            self._write_manifests(name, data, trigger.days)
        last = len(fallbacks_of(document))
        for index in range(min(trigger.instance, last), last + 1):
            with_type(document, request, index)
            tried = [type_at(document, i) for i in range(index + 1)]
            error = self._create_job(kind, request, name)
            if error is None:
                return self._started(trigger, name, kind, tried)
            if code_of(error) not in _QUOTA_ERRORS:
                reason = f"{code_of(error)}: {message_of(error)}"
                return self._refuse(trigger, name, kind, reason)
            log("quota exceeded", name=name, instance_type=tried[-1], reason=str(error))
        return self._wait_for_quota(trigger, name, kind, _with_types(message_of(error), tried))

    def _create_job(self, kind: Kind, request: dict[str, Any], name: str) -> ClientError | None:
        """Create the job; the error if quota is exceeded or the request is refused for good."""
        try:
            kind.create(self._sagemaker, request)
        except ClientError as error:
            if already_exists(error):
                log("job exists already", name=name)
                return None
            # A role that was created a moment ago cannot be assumed yet.
            final = code_of(error) in _FINAL_ERRORS and "assume" not in message_of(error).lower()
            if final or code_of(error) in _QUOTA_ERRORS:
                return error
            raise
        return None

    def _started(
        self, trigger: Trigger, name: str, kind: Kind, tried: list[str | None]
    ) -> Response:
        self._mark_handled(trigger, name)
        types = [item for item in tried if item is not None]
        change = {"tries": None, "instance_types": types or None}
        self._table.swap(self._loop_id, change=change, expect={"in_flight": name})
        self._metrics.put_optional({"JobsStarted": 1.0}, {"Job": self._config.job}, at=trigger.at)
        log("job started", name=name, kind=kind.name, key=trigger.key, attempt=trigger.attempt,
            instance_type=tried[-1])  # fmt: skip
        return {"status": "started", "kind": kind.name, "job_name": name,
                "instance_type": tried[-1]}  # fmt: skip

    def _write_manifests(
        self, name: str, data: DatePartitionedDataset, days: tuple[str, str]
    ) -> None:
        train, validation = split_hold_out(keys_by_day(self._s3, data), days, data.validation_days)
        for part, keys in (("train", train), ("validation", validation)):
            body = manifest_file(data.bucket, keys).encode()
            self._s3.put_object(Bucket=data.bucket, Key=data.manifest_key_of(name, part), Body=body)

    def _mark_handled(self, trigger: Trigger, name: str) -> None:
        row: Row = {"job_name": name}
        if trigger.at is not None:
            row["expires"] = int(trigger.at + _TRIGGER_RETENTION)
        self._table.put_new(self._handled_id(trigger), row)

    def _refuse(self, trigger: Trigger, name: str, kind: Kind, reason: str) -> Response:
        self._mark_handled(trigger, name)
        text = f"The {kind.label} {name} cannot be started: {reason}"
        change: Row = {"in_flight": None, "outcome": "failed", "reason": reason, **alert(text)}
        self._table.swap(self._loop_id, change=change, expect={"in_flight": name})
        log("job refused", name=name, reason=reason)
        self._publish_alert(trigger)
        return {"status": "refused", "reason": reason}

    def _wait_for_quota(self, trigger: Trigger, name: str, kind: Kind, reason: str) -> Response:
        """Keep the trigger pending, from its first type; alert at the first refusal."""
        loop = self._table.get(self._loop_id) or {}
        tries = int(loop.get("tries", 0)) + 1
        pending = loop.get("pending", replace(trigger, instance=0).to_json())
        change: Row = {"in_flight": None, "pending": pending, "tries": tries}
        if trigger.at is not None:
            change["tried_at"] = trigger.at
        if tries == 1:
            change |= alert(f"The {kind.label} {name} waits for quota: {reason}")
        self._table.swap(self._loop_id, change=change, expect={"in_flight": name})
        self._mark_handled(trigger, name)
        log("job waits for quota", name=name, reason=reason)
        self._publish_alert(trigger)
        return {"status": "pending", "reason": reason}

    def _publish_alert(self, trigger: Trigger) -> None:
        if self._alerts is not None:
            loop = self._table.get(self._loop_id)
            self._alerts.publish(self._loop_id, loop, {"Job": self._config.job}, trigger.at)


def _with_types(reason: str, tried: list[str | None]) -> str:
    """The reason, with the instance types if several were tried."""
    types = ", ".join(str(item) for item in tried)
    return f"{reason} (tried: {types})" if len(tried) > 1 else reason
