"""What starts a job, read from whatever event brought it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sageloop_runtime.errors import BadInputError
from sageloop_runtime.kinds import Kind
from sageloop_runtime.names import canonical
from sageloop_runtime.times import event_time, parse_time

_HAND = frozenset({"source", "id", "time", "hyperparameters"})


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """One reason to start a job.

    ``key`` identifies it for ever and names its job; ``at`` is when it happened in epoch
    seconds (None where nothing says so); ``series`` is the key of the first attempt and
    ``attempt`` counts from 1; ``alarm`` names the alarm behind it; ``manifest`` is the data
    set's manifest object (bucket, key) where data started it; ``days`` is the range of days
    once chosen; ``instance`` is the place of the instance type to begin with, 0 being the
    request's own; ``hyperparameters`` are those that a person put over the document's;
    ``resumed`` means that another function brings back what was begun or pending.
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
        """The job this trigger starts."""
        return kind.job_name(job, self.key)

    @property
    def deployed(self) -> bool:
        """Whether a deployment is behind it."""
        return self.series.startswith("deploy|")

    def to_json(self) -> str:
        """As kept in the state table and passed between functions."""
        return canonical({**asdict(self), "resumed": False})

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Trigger:
        """From the parsed form of :meth:`to_json`."""
        manifest, days = fields.get("manifest"), fields.get("days")
        return cls(
            kind=fields["kind"],
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


def first(kind: str, key: str, at: float | None, **more: Any) -> Trigger:
    """A trigger that begins a series of attempts."""
    return Trigger(kind=kind, key=key, at=at, series=key, **more)


def alarm_key(arn: str, state_time: object) -> str:
    """The key of one transition of an alarm; its time in whole milliseconds."""
    return f"alarm|{arn}|{round(parse_time(state_time) * 1000)}"


def retry_of(trigger: Trigger, *, attempt: int, at: float) -> Trigger:
    """The next attempt of a trigger's series."""
    key = f"retry|{trigger.series}|{attempt}"
    return replace(trigger, kind="retry", key=key, attempt=attempt, at=at, days=None, instance=0)


def fallback_of(trigger: Trigger, *, instance: int, at: float) -> Trigger:
    """The same attempt with the next instance type: one more job, however often it is told."""
    key = f"fallback|{trigger.key}|{instance}"
    return replace(trigger, kind="fallback", key=key, at=at, days=None, instance=instance)


def deploy_trigger(stack: str, digest: str) -> Trigger:
    """The trigger of a deployment; a custom resource's event carries no time."""
    return first("deploy", f"deploy|{stack}|{digest}", None)


def read_trigger(event: Mapping[str, Any]) -> Trigger | None:
    """The trigger an event brings; None for an alarm that is not in ALARM.

    Raises:
        BadInputError: if the event is of no kind that starts a job, or malformed.

    """
    source = event.get("source")
    readers = {
        "aws.s3": _data,
        "aws.cloudwatch": _alarm,
        "aws.events": _schedule,
        "aws.scheduler": _schedule,
        "hand": _hand,
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
    return first("data", key, event_time(event), manifest=(bucket, item["key"]))


def _alarm(event: Mapping[str, Any]) -> Trigger | None:
    detail = event.get("alarmData") or event["detail"]
    arn = event.get("alarmArn") or event["resources"][0]
    state = detail["state"]
    if state["value"] != "ALARM":
        return None
    key = alarm_key(arn, state["timestamp"])
    return first("alarm", key, parse_time(state["timestamp"]), alarm=detail["alarmName"])


def _schedule(event: Mapping[str, Any]) -> Trigger:
    rule = event["resources"][0]
    return first("schedule", f"schedule|{rule}|{event['time']}", event_time(event))


def _hand(event: Mapping[str, Any]) -> Trigger:
    unknown = sorted(set(event) - _HAND)
    if unknown:
        raise BadInputError(
            f"the event by hand has {', '.join(unknown)}: only {', '.join(sorted(_HAND))} are known"
        )
    given = event.get("hyperparameters")
    if given is not None:
        _check_hyperparameters(given)
    return first("hand", f"hand|{event['id']}", event_time(event), hyperparameters=given or None)


def _check_hyperparameters(given: Any) -> None:
    if not isinstance(given, Mapping):
        raise BadInputError(f"'hyperparameters' is {given!r}: an object of strings is expected")
    for name, value in given.items():
        if not isinstance(value, str):
            raise BadInputError(f"the hyperparameter {name!r} is {value!r}: a string is expected")


def _resumed(event: Mapping[str, Any]) -> Trigger:
    trigger = Trigger.of(event["trigger"])
    return replace(trigger, at=event_time(event), resumed=True)
