"""`sageloop local`: a local cloud that stays up between commands."""

from __future__ import annotations

import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from sageloop.cli.report import JsonFile, fail, write_report
from sageloop.environment import ACCESS_FILE_VARIABLE
from sageloop.local_cloud.client import LocalCloud, LocalCloudError
from sageloop.local_cloud.core.config_checks import check_port, check_rate, check_region
from sageloop.local_cloud.ending import end_process

application = typer.Typer(
    no_args_is_help=True,
    help="The AWS that runs on this machine: start it, look at it, end it.",
)

DEFAULT_PORT = 4747
_FOLDER = Path(".sageloop")
_AWS_PREFIX = "AWS_"
_IN_MEMORY = "its state is in memory: when it ends, all that was deployed and stored is gone"
_EXPORTED = ("NO_PROXY", "PATH", ACCESS_FILE_VARIABLE)
_NONE_RUNS = "no local cloud runs in this folder; start one: sageloop local up"


@application.command()
def up(
    port: Annotated[int, typer.Option(help="port on 127.0.0.1; 0 takes a free one")] = DEFAULT_PORT,
    region: Annotated[str, typer.Option(help="region the cloud speaks for")] = "us-east-1",
    rate: Annotated[float, typer.Option(help="virtual seconds a second")] = 1.0,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="a resource type that may be stored without being executed"),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Start a local cloud in the background.

    Then, in the same folder: eval "$(sageloop local env)" and use cdk, aws or boto3 as ever.
    """
    _check(rate=rate, port=port, region=region)
    known = running_cloud()
    if known:
        fail(f"a local cloud runs already at {known.endpoint_url}; end it: sageloop local down")
    _FOLDER.mkdir(mode=0o700, exist_ok=True)
    _FOLDER.chmod(0o700)
    try:
        cloud = LocalCloud.start(
            port=port, region=region, rate=rate, allow=allow if allow is not None else (),
            log=_log(), detached=True, warm=True, access_file=_facts(),
        )  # fmt: skip
    except LocalCloudError as error:
        fail(str(error).splitlines()[-1])
    report = {"endpoint_url": cloud.endpoint_url, "pid": cloud.pid, "region": region}
    write_report(json_file, report)
    typer.echo(f"the local cloud answers at {cloud.endpoint_url} (process {cloud.pid})")
    typer.echo(_IN_MEMORY)
    typer.echo('for this shell: eval "$(sageloop local env)"')


@application.command()
def down() -> None:
    """End the local cloud of this folder and everything it started."""
    facts = _known()
    if facts is None or not end_process(facts["pid"], facts["started"]):
        fail("no local cloud runs in this folder")
    _facts().unlink(missing_ok=True)
    typer.echo("the local cloud is down; nothing it started is left")


@application.command()
def status(json_file: JsonFile = None) -> None:
    """Say whether a local cloud runs here, what it serves and what is in flight."""
    cloud = running_cloud()
    if cloud is None:
        write_report(json_file, {"ok": False})
        fail(_NONE_RUNS)
    health = cloud.health()
    write_report(json_file, health | {"endpoint_url": cloud.endpoint_url})
    typer.echo(f"{cloud.endpoint_url}  account {health['account']}  region {health['region']}")
    typer.echo(_IN_MEMORY)
    typer.echo(f"own services: {', '.join(health['services'])}")
    typer.echo(f"processes: {len(health['processes'])}")
    typer.echo(f"in flight: {', '.join(health['in_flight']) or 'nothing'}")


@application.command()
def clock(
    hours: Annotated[float, typer.Option(min=0, help="virtual hours to move on")] = 0.0,
    minutes: Annotated[float, typer.Option(min=0, help="virtual minutes to move on")] = 0.0,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="virtual seconds a second from now on")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Say what time it is in the local cloud, move its clock on, or turn its dial.

    What falls due on the way happens: schedules fire, alarms evaluate, bakes end.
    """
    cloud = needed_cloud()
    _check(rate=rate)
    if rate is not None:
        cloud.set_rate(rate)
    if hours or minutes:
        cloud.advance(hours=hours, minutes=minutes)
    now = datetime.fromtimestamp(cloud.time(), UTC).isoformat(timespec="seconds")
    write_report(json_file, {"time": now})
    typer.echo(now)


@application.command()
def env() -> None:
    """Print shell lines that point AWS clients at the local cloud, and at nothing else."""
    cloud = needed_cloud()
    wanted = cloud.environment()
    for name in sorted(n for n in os.environ if n.startswith(_AWS_PREFIX) and n not in wanted):
        typer.echo(f"unset {name}")
    for name, value in sorted(wanted.items()):
        if name.startswith((_AWS_PREFIX, "CDK_")) or name in _EXPORTED:
            typer.echo(f"export {name}={shlex.quote(value)}")


@application.command()
def logs(
    group: Annotated[str | None, typer.Argument(help="a log group; without it, list them")] = None,
    lines: Annotated[int, typer.Option(help="how many of the last events to print")] = 100,
) -> None:
    """Print a log group (a function's, a job's, an endpoint's), or list the groups there are."""
    cloud = needed_cloud()
    client = cloud.client("logs")
    groups = client.describe_log_groups()["logGroups"]
    if group is None:
        for found in groups:
            typer.echo(found["logGroupName"])
        return
    if group not in [g["logGroupName"] for g in groups]:
        fail(f"no log group {group}; sageloop local logs lists those there are")
    for event in client.filter_log_events(logGroupName=group)["events"][-lines:]:
        typer.echo(event["message"].rstrip("\n"))


def running_cloud() -> LocalCloud | None:
    """The local cloud that `sageloop local up` started in this folder, if it still answers."""
    try:
        cloud = LocalCloud.from_facts(_facts())
        cloud.health()
    except LocalCloudError:
        return None
    return cloud


def needed_cloud() -> LocalCloud:
    """The same; without one the command ends."""
    cloud = running_cloud()
    if cloud is None:
        fail(_NONE_RUNS)
    return cloud


def _check(*, rate: float | None, port: int = 0, region: str | None = None) -> None:
    try:
        check_port(port)
        if rate is not None:
            check_rate(rate)
        if region is not None:
            check_region(region)
    except ValueError as error:
        fail(str(error))


def _known() -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads(_facts().read_text())
    except (OSError, ValueError):
        return None
    return facts if {"pid", "started"} <= facts.keys() else None


def _facts() -> Path:
    return _FOLDER / "local.json"


def _log() -> Path:
    return _FOLDER / "local.log"
