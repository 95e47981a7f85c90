"""Triggers of jobs, read from events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sageloop_runtime.errors import BadInputError
from sageloop_runtime.jobs.kinds import Kind
from sageloop_runtime.names import canonical
from sageloop_runtime.previous_release import present_source
from sageloop_runtime.times import event_time, parse_time

_MANUAL_MEMBERS = frozenset({"source", "id", "time", "hyperparameters"})


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """A reason to start a job.

    Attributes:
        kind: ``data``, ``alarm``, ``schedule``, ``manual``, ``deploy``, ``retry`` or
            ``fallback``.
        key: unique key, from which the name of the job is derived.
        at: time of the event in epoch seconds; None if the event has no time.
        series: key of the first attempt.
        attempt: number of the attempt, from 1.
        alarm: name of the alarm that fired.
        manifest: bucket and key of the delivery manifest.
        days: first and last day of the data, once chosen.
        instance: index of the first instance type to try; 0 is the type of the request.
        hyperparameters: of a manual request; they override those of the document.
        resumed: whether another function dispatched a pending or interrupted trigger.

    """

    kind: str
    key: str
    at: float | None
    series: str
    attempt: int = 1
    alarm: str | None = None
    manifest: tuple[str, str] | None = None
    days: tuple[str, str] | None = None
    instance: int = 0
    hyperparameters: Mapping[str, str] | None = None
    resumed: bool = False

    def name(self, kind: Kind, job: str) -> str:
        """The name of the job of this trigger."""
        return kind.job_name(job, self.key)

    @property
    def is_deployment(self) -> bool:
        """Whether its series was started by a deployment."""
        return self.series.startswith("deploy|")

    def to_json(self) -> str:
        """The form in the state table and in events between functions."""
        return canonical({**asdict(self), "resumed": False})

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Trigger:
        """From the parsed form of :meth:`to_json`."""
        manifest, days = fields.get("manifest"), fields.get("days")
        return cls(
            kind=present_source(fields["kind"]),
            key=fields["key"],
            at=fields.get("at"),
            series=fields["series"],
            attempt=int(fields.get("attempt", 1)),
            alarm=fields.get("alarm"),
            manifest=None if manifest is None else (manifest[0], manifest[1]),
            days=None if days is None else (days[0], days[1]),
            instance=int(fields.get("instance", 0)),
            hyperparameters=fields.get("hyperparameters"),
        )


def first_trigger(kind: str, key: str, at: float | None, **more: Any) -> Trigger:
    """The first trigger of a series of attempts."""
    return Trigger(kind=kind, key=key, at=at, series=key, **more)


def alarm_key(arn: str, state_time: object) -> str:
    """The key of one state transition of an alarm, with its time in milliseconds."""
    return f"alarm|{arn}|{round(parse_time(state_time) * 1000)}"


def retry_of(trigger: Trigger, *, attempt: int, at: float) -> Trigger:
    """The next attempt of a trigger's series."""
    key = f"retry|{trigger.series}|{attempt}"
    return replace(trigger, kind="retry", key=key, attempt=attempt, at=at, days=None, instance=0)


def fallback_of(trigger: Trigger, *, instance: int, at: float) -> Trigger:
    """The same attempt with the next instance type; repeated events derive the same key."""
    key = f"fallback|{trigger.key}|{instance}"
    return replace(trigger, kind="fallback", key=key, at=at, days=None, instance=instance)


def deploy_trigger(stack: str, digest: str) -> Trigger:
    """The trigger of a deployment; the event of a custom resource has no time."""
    return first_trigger("deploy", f"deploy|{stack}|{digest}", None)


def read_trigger(event: Mapping[str, Any]) -> Trigger | None:
    """The trigger of an event; None for an alarm that is not in ALARM.

    Raises:
        BadInputError: if the source of the event starts no job, or the event is malformed.

    """
    source = present_source(event.get("source"))
    readers = {
        "aws.s3": _data,
        "aws.cloudwatch": _alarm,
        "aws.events": _schedule,
        "aws.scheduler": _schedule,
        "manual": _manual,
        "reconcile": _resumed,
    }
    if source not in readers:
        raise BadInputError(f"an event of source {source!r} starts no job: {sorted(readers)} do")
    try:
        return readers[str(source)](event)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadInputError(f"the event of source {source!r} lacks {error}") from None


def _data(event: Mapping[str, Any]) -> Trigger:
    bucket, item = event["detail"]["bucket"]["name"], event["detail"]["object"]
    version = item.get("version-id") or item["etag"]
    key = f"data|{bucket}|{item['key']}|{version}"
    return first_trigger("data", key, event_time(event), manifest=(bucket, item["key"]))


def _alarm(event: Mapping[str, Any]) -> Trigger | None:
    detail = event.get("alarmData") or event["detail"]
    arn = event.get("alarmArn") or event["resources"][0]
    state = detail["state"]
    if state["value"] != "ALARM":
        return None
    key = alarm_key(arn, state["timestamp"])
    return first_trigger("alarm", key, parse_time(state["timestamp"]), alarm=detail["alarmName"])


def _schedule(event: Mapping[str, Any]) -> Trigger:
    rule = event["resources"][0]
    return first_trigger("schedule", f"schedule|{rule}|{event['time']}", event_time(event))


def _manual(event: Mapping[str, Any]) -> Trigger:
    unknown = sorted(set(event) - _MANUAL_MEMBERS)
    if unknown:
        known = ", ".join(sorted(_MANUAL_MEMBERS))
        raise BadInputError(f"the manual event has {', '.join(unknown)}: only {known} are known")
    parameters = event.get("hyperparameters")
    if parameters is not None:
        _check_hyperparameters(parameters)
    # The key has the source of the event, so that a repeated event of the previous release
    # derives the same key.
    key = f"{event['source']}|{event['id']}"
    return first_trigger("manual", key, event_time(event), hyperparameters=parameters or None)


def _check_hyperparameters(parameters: Any) -> None:
    if not isinstance(parameters, Mapping):
        raise BadInputError(
            f"'hyperparameters' is {parameters!r}: an object of strings is expected"
        )
    for name, value in parameters.items():
        if not isinstance(value, str):
            raise BadInputError(f"the hyperparameter {name!r} is {value!r}: a string is expected")


def _resumed(event: Mapping[str, Any]) -> Trigger:
    trigger = Trigger.of(event["trigger"])
    return replace(trigger, at=event_time(event), resumed=True)
