"""Starts a declared job manually and watches it until it ends."""

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
    """No job with this name is declared in the account and region."""


class StartError(RuntimeError):
    """The start function failed; the message is the function's."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The target of a command: an AWS account or a local cloud.

    Attributes:
        client: Creates the boto3 client of a service.
        now: Returns the current time of the target, in epoch seconds.
        name: The name of the target in messages.
        pause: Seconds between two polls of a job.

    """

    client: Callable[[str], Any]
    now: Callable[[], float]
    name: str
    pause: float


@dataclass(frozen=True, kw_only=True)
class Start:
    """The result of a request to start a job.

    Attributes:
        status: ``started``, ``pending`` (it waits for quota), ``suppressed``, ``refused`` or
            ``ignored``.
        reason: Why the job was not started, otherwise None.
        kind: Kind of the job.
        name: The job's full name.
        instance_type: The selected instance type, if the job has one.

    """

    status: str
    reason: str = ""
    kind: str = "training"
    name: str = ""
    instance_type: str | None = None


@dataclass(kw_only=True)
class End:
    """The final state of a job."""

    status: str
    reason: str | None
    metrics: dict[str, float]
    seconds: float
    transitions: list[str]
    best: dict[str, Any] = field(default_factory=dict)


def find_start_function(ssm: Any, job: str) -> str:
    """The ARN of the function that starts a job, from the parameter of its stack.

    Raises:
        NoSuchJobError: With the names of the declared jobs, if they may be listed.

    """
    name = _PARAMETER.format(job=job)
    try:
        return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"ParameterNotFound", "ValidationException"}:
            raise
    known = _known_jobs(ssm)
    declared = f"declared jobs: {', '.join(known)}" if known else "no job with triggers is deployed"
    raise NoSuchJobError(f"no job {job!r} (no parameter {name}); {declared}")


def _known_jobs(ssm: Any) -> list[str]:
    try:
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=_FOLDER, Recursive=True)
        names = [item["Name"] for page in pages for item in page["Parameters"]]
    except ClientError:
        return []
    return sorted(name.removeprefix(_FOLDER).partition("/")[0] for name in names)


def start_job(place: Place, job: str, hyperparameters: Mapping[str, str] | None = None) -> Start:
    """Invoke the job's start function to start it now.

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
    result = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise StartError(str(result.get("errorMessage", result)))
    return Start(
        status=str(result["status"]),
        reason=str(result.get("reason", "")),
        kind=str(result.get("kind", "training")),
        name=str(result.get("job_name", "")),
        instance_type=result.get("instance_type"),
    )


def watch_job(
    place: Place,
    started: Start,
    *,
    report: Callable[[str], None],
    show: Callable[[str], None],
    logs: Callable[[str], None] | None = None,
    pause: Callable[[float], None] = wall.sleep,
) -> End:
    """Poll a job until it ends.

    Args:
        place: The target that runs it.
        started: The job.
        report: Receives every change of its status.
        show: Receives the progress at every poll.
        logs: Receives every line that its containers log; None omits them.
        pause: Waits the given number of seconds.

    """
    kind, begun = KINDS[started.kind], wall.monotonic()
    sagemaker, next_tokens = place.client("sagemaker"), dict[str, str]()
    reported: list[str] = []
    while True:
        described = kind.describe(sagemaker, started.name)
        for line in _news(kind.history(described), reported):
            reported.append(line)
            report(line)
        if logs is not None:
            for line in log_lines(place.client("logs"), kind.log_group, started.name, next_tokens):
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
        transitions=reported,
        best={key: best[key] for key in ("TrainingJobName", "TunedHyperParameters") if key in best},
    )


def _news(history: list[str], reported: list[str]) -> list[str]:
    """The statuses of a history that were not reported yet."""
    if len(history) > 1 or not reported:
        return history[len(reported) :]
    return history if history[-1] != reported[-1] else []
