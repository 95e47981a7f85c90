"""`sageloop train`: starts a declared job manually."""

from __future__ import annotations

import time as wall
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sageloop.cli.place import (
    Aws,
    EndpointUrl,
    Local,
    PlaceOptions,
    Profile,
    Region,
    Yes,
    one_line_errors,
    place_of,
)
from sageloop.cli.report import JsonFile, fail, write_report

if TYPE_CHECKING:
    from sageloop.jobs.start import End, Place, Start

_WHY = {
    "in_flight": "another job is in flight; this request is stored and starts a job after it",
    "duplicate": "this request was handled before",
    "stale": "the request is older than a day",
}


def train(
    job: Annotated[str, typer.Argument(help="the name of the job in its stack")],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="wait until the job has ended")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="also print the logs of its containers; implies --wait")
    ] = False,
    hyperparameter: Annotated[
        list[str] | None,
        typer.Option(
            "--hyperparameter", "-p", help="NAME=VALUE, overrides the job's own; repeatable"
        ),
    ] = None,
    local: Local = False,
    endpoint_url: EndpointUrl = None,
    aws: Aws = False,
    profile: Profile = None,
    region: Region = None,
    yes: Yes = False,
    json_file: JsonFile = None,
) -> None:
    """Start a job now, whatever its kind: training, tuning, processing or batch transform.

    Specify --local, --endpoint-url, or an AWS account by --profile NAME or --aws; an account is
    named and must be confirmed, because a job costs money. The command reads the parameter
    /sageloop/jobs/JOB/start-function and invokes that function; --wait needs permission to
    describe the job, --follow to read its logs. Exit code 0 only if a job started and, with
    --wait, completed; 2 if it could not be requested.
    """
    from sageloop.jobs.start import NoSuchJobError, StartError, start_job

    over = _pairs([] if hyperparameter is None else hyperparameter)
    console = Console(highlight=False, soft_wrap=True)
    options = PlaceOptions(
        local=local, endpoint_url=endpoint_url, aws=aws, profile=profile, region=region, yes=yes,
    )  # fmt: skip
    try:
        with one_line_errors(NoSuchJobError):
            place = place_of(options, action=f"start job {job} (costs money)")
            with console.status(f"starting {job} in {place.name} …"):
                started = start_job(place, job, over)
            end = _report_start(console, job, started, place, wait=wait or follow, follow=follow)
    except StartError as error:
        write_report(json_file, {"job": job, "status": "failed", "reason": str(error)})
        fail(f"{job} cannot be started: {' '.join(str(error).split())}", code=1)
    ok = started.status == "started" and (end is None or end.status == "Completed")
    write_report(json_file, {
        "ok": ok, "job": job, **asdict(started), "end": None if end is None else asdict(end),
    })  # fmt: skip
    raise typer.Exit(0 if ok else 1)


def _report_start(
    console: Console, job: str, started: Start, place: Place, *, wait: bool, follow: bool
) -> End | None:
    if started.status != "started":
        why = _WHY.get(started.reason, started.reason)
        console.print(f"{job} was not started ({started.status}): {why}", markup=False)
        return None
    on = f" on {started.instance_type}" if started.instance_type else ""
    console.print(f"{started.kind} job {started.name} started{on}", markup=False)
    return _watch(console, started, place, follow=follow) if wait else None


def _watch(console: Console, started: Start, place: Place, *, follow: bool) -> End:
    from sageloop.jobs.start import watch_job

    begun = wall.monotonic()

    def report(line: str) -> None:
        console.print(f"{wall.monotonic() - begun:7.1f} s  {line}", markup=False)

    with console.status("waiting …") as status:
        end = watch_job(
            place, started, report=report,
            show=lambda text: status.update(f"{wall.monotonic() - begun:.0f} s  {text}"),
            logs=(lambda line: console.print(line, markup=False)) if follow else None,
        )  # fmt: skip
    for name, value in sorted(end.metrics.items()):
        console.print(f"{name} = {value:g}", markup=False)
    if end.best:
        tuned = end.best.get("TunedHyperParameters", {})
        values = ", ".join(f"{name}={value}" for name, value in sorted(tuned.items()))
        console.print(f"best trial {end.best['TrainingJobName']}: {values}", markup=False)
    if end.status != "Completed":
        reason = "no reason available" if end.reason is None else end.reason
        console.print(f"{started.name} is {end.status}: {reason}", markup=False)
    return end


def _pairs(given: list[str]) -> dict[str, str]:
    for text in given:
        if not text.partition("=")[0] or "=" not in text:
            fail(f"--hyperparameter {text!r}: expected NAME=VALUE")
    return {text.partition("=")[0]: text.partition("=")[2] for text in given}
