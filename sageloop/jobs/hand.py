"""Starting a declared job by hand, and watching it to its end."""

from __future__ import annotations

import json
import time as wall
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from .kinds import KINDS, best_trial, final_metrics, log_lines, reason_of

_FOLDER = "/sageloop/jobs/"
_PARAMETER = _FOLDER + "{job}/start-function"


class NoSuchJobError(LookupError):
    """No job of this name is declared where it was looked for."""


class StartError(RuntimeError):
    """The start function failed; the message is its own."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where jobs are started: an account, or a local cloud.

    Attributes:
        client: Gives the boto3 client of a service.
        now: The time there, in epoch seconds.
        name: How the place is called in messages.
        pause: Seconds between two looks at a job.

    """

    client: Callable[[str], Any]
    now: Callable[[], float]
    name: str
    pause: float


@dataclass(frozen=True, kw_only=True)
class Start:
    """What became of the wish to start a job.

    Attributes:
        status: ``started``, ``pending`` (it waits for quota), ``suppressed``, ``refused`` or
            ``ignored``.
        reason: Why not, where it was not started.
        kind: Kind of the job.
        name: The job's full name.
        instance_type: The type it got, where it has one.

    """

    status: str
    reason: str = ""
    kind: str = "training"
    name: str = ""
    instance_type: str | None = None


@dataclass(kw_only=True)
class End:
    """How a job ended."""

    status: str
    reason: str | None
    metrics: dict[str, float]
    seconds: float
    transitions: list[str]
    best: dict[str, Any] = field(default_factory=dict)


def find_start_function(ssm: Any, job: str) -> str:
    """The ARN of the function that starts a job, which its stack keeps in a parameter.

    Raises:
        NoSuchJobError: Naming the jobs there are, as far as they may be listed.

    """
    name = _PARAMETER.format(job=job)
    try:
        return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"ParameterNotFound", "ValidationException"}:
            raise
    known = _known_jobs(ssm)
    there = f"there are {', '.join(known)}" if known else "no job with triggers is deployed"
    raise NoSuchJobError(f"no job {job!r} here (no parameter {name}); {there}")


def _known_jobs(ssm: Any) -> list[str]:
    try:
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=_FOLDER, Recursive=True)
        names = [item["Name"] for page in pages for item in page["Parameters"]]
    except ClientError:
        return []
    return sorted(name.removeprefix(_FOLDER).partition("/")[0] for name in names)


def start_job(place: Place, job: str, hyperparameters: Mapping[str, str] | None = None) -> Start:
    """Ask the job's start function to start it now.

    Raises:
        NoSuchJobError: If no such job is declared.
        StartError: If the function fails.

    """
    function = find_start_function(place.client("ssm"), job)
    now = datetime.fromtimestamp(place.now(), UTC).isoformat().replace("+00:00", "Z")
    event: dict[str, Any] = {"source": "manual", "id": str(uuid.uuid4()), "time": now}
    if hyperparameters:
        event["hyperparameters"] = dict(hyperparameters)
    answer = place.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    told = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise StartError(str(told.get("errorMessage", told)))
    return Start(
        status=str(told["status"]),
        reason=str(told.get("reason", "")),
        kind=str(told.get("kind", "training")),
        name=str(told.get("job_name", "")),
        instance_type=told.get("instance_type"),
    )


def watch_job(
    place: Place,
    started: Start,
    *,
    tell: Callable[[str], None],
    show: Callable[[str], None],
    logs: Callable[[str], None] | None = None,
    pause: Callable[[float], None] = wall.sleep,
) -> End:
    """Watch a job until it ends; SageMaker tells only who asks.

    Args:
        place: Where it runs.
        started: The job.
        tell: Called once with every change of its status.
        show: Called with what goes on now, again and again.
        logs: Called with every line its containers log; None leaves them out.
        pause: Waits so many seconds.

    """
    kind, begun = KINDS[started.kind], wall.monotonic()
    sagemaker, seen = place.client("sagemaker"), dict[str, str]()
    told: list[str] = []
    while True:
        described = kind.describe(sagemaker, started.name)
        for line in _news(kind.history(described), told):
            told.append(line)
            tell(line)
        if logs is not None:
            for line in log_lines(place.client("logs"), kind.log_group, started.name, seen):
                logs(line)
        if kind.has_ended(described):
            break
        show(kind.progress(described))
        pause(place.pause)
    best = best_trial(described)
    return End(
        status=kind.status(described),
        reason=reason_of(described),
        metrics=final_metrics(described),
        seconds=round(wall.monotonic() - begun, 3),
        transitions=told,
        best={key: best[key] for key in ("TrainingJobName", "TunedHyperParameters") if key in best},
    )


def _news(history: list[str], told: list[str]) -> list[str]:
    """What of a history was not told yet: its end, or a status other than the last told."""
    if len(history) > 1 or not told:
        return history[len(told) :]
    return history if history[-1] != told[-1] else []
