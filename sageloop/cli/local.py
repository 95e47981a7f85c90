"""`sageloop local`: a local cloud that keeps running between commands."""

from __future__ import annotations

import os
import signal
from collections import deque
from datetime import UTC, datetime
from typing import Annotated

import typer

from sageloop.cli.access_lines import access_lines
from sageloop.cli.report import JsonFile, fail, write_report
from sageloop.cli.running import (
    FOLDER,
    NoCloudError,
    access_of_folder,
    cloud_of_folder,
    end_cloud,
    facts_file,
    found_cloud,
    log_file,
    needed_cloud,
)
from sageloop.local_cloud.access.enforcement.mode import AccessMode, access_mode
from sageloop.local_cloud.client import (
    LocalCloud,
    LocalCloudError,
    check_port,
    check_rate,
    check_region,
)
from sageloop.local_cloud.shell_environment import command_environment, shell_lines

application = typer.Typer(
    no_args_is_help=True,
    help="AWS on this machine: start, inspect and stop a local cloud.",
)

DEFAULT_PORT = 4747
_IAM_HELP = (
    "what happens to a call that access policies deny: enforce refuses it, as AWS does; warn "
    "carries it out and records the denial, which sageloop local status counts; off evaluates no "
    "policies"
)
_MODES = {
    AccessMode.ENFORCE: "access policies are enforced: calls that they deny are refused",
    AccessMode.WARN: "access policies are not enforced: calls that they deny are recorded only",
    AccessMode.OFF: "access policies are not evaluated: every call is carried out",
}
_IN_MEMORY = "its state is in memory: when it stops, all stacks and data are deleted"


@application.command()
def up(
    *,
    port: Annotated[
        int, typer.Option(help="port on 127.0.0.1; 0 selects a free one")
    ] = DEFAULT_PORT,
    region: Annotated[str, typer.Option(help="region of the cloud")] = "us-east-1",
    rate: Annotated[float, typer.Option(help="virtual seconds per second")] = 1.0,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="a resource type that may be stored without being executed, or a condition key "
            "that policies may use though the local cloud does not fill it"
        ),
    ] = None,
    iam: Annotated[str, typer.Option(metavar="enforce|warn|off", help=_IAM_HELP)] = "enforce",
    json_file: JsonFile = None,
) -> None:
    """Start a local cloud in the background.

    Then, in the same folder: sageloop local run -- COMMAND, where the command is cdk, aws or
    another program.
    """
    _check(rate=rate, port=port, region=region, iam=iam)
    known = found_cloud()
    if known:
        fail(
            f"a local cloud is already running at {known.endpoint_url}; "
            "stop it: sageloop local down"
        )
    _make_folder()
    try:
        cloud = LocalCloud.start(
            port=port, region=region, rate=rate, allow=allow if allow is not None else (),
            log=log_file(), detached=True, warm=True, access_file=facts_file(), iam=iam,
        )  # fmt: skip
    except LocalCloudError as error:
        fail(str(error).splitlines()[-1])
    report = {
        "endpoint_url": cloud.endpoint_url, "pid": cloud.pid, "region": region, "iam": iam,
    }  # fmt: skip
    write_report(json_file, report)
    typer.echo(f"the local cloud is running at {cloud.endpoint_url} (process {cloud.pid})")
    typer.echo(_IN_MEMORY)
    typer.echo(_MODES[access_mode(iam)])
    typer.echo("to use it: sageloop local run -- COMMAND")


@application.command()
def down() -> None:
    """Stop the local cloud of this folder and all its processes."""
    try:
        if not end_cloud(access_of_folder()):
            raise NoCloudError
    except NoCloudError as error:
        fail(error.fact)
    facts_file().unlink(missing_ok=True)
    typer.echo("the local cloud and all its processes have stopped")


@application.command()
def status(json_file: JsonFile = None) -> None:
    """Show whether a local cloud is running, its services, denials and activities in flight."""
    try:
        cloud = cloud_of_folder()
    except NoCloudError as error:
        write_report(json_file, {"ok": False})
        fail(str(error))
    health, access = cloud.health(), cloud.access_summary()
    write_report(json_file, health | {"endpoint_url": cloud.endpoint_url, "iam": access})
    typer.echo(f"{cloud.endpoint_url}  account {health['account']}  region {health['region']}")
    typer.echo(_IN_MEMORY)
    typer.echo(f"own services: {', '.join(health['services'])}")
    typer.echo(_MODES[AccessMode(access["mode"])])
    typer.echo(f"denied calls: {access['denied']}")
    for line in cloud.denials():
        typer.echo(f"  {line}")
    typer.echo(f"processes: {len(health['processes'])}")
    typer.echo(f"in flight: {', '.join(health['in_flight']) or 'nothing'}")


@application.command()
def clock(
    hours: Annotated[float, typer.Option(min=0, help="virtual hours to advance")] = 0.0,
    minutes: Annotated[float, typer.Option(min=0, help="virtual minutes to advance")] = 0.0,
    rate: Annotated[
        float | None, typer.Option(help="virtual seconds per second from now on")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Show the time of the local cloud, advance its clock, or change its rate.

    Everything that falls due is processed: schedules fire, alarms evaluate, bakes end.
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
    """Print shell lines that point AWS clients at the local cloud, and at nothing else.

    For a POSIX shell: eval "$(sageloop local env)" && cdk deploy. Every AWS_*, CDK_* and proxy
    variable of the shell is unset or replaced, except CDK_VALIDATION. If no local cloud answers,
    the lines configure an endpoint that refuses connections, the last line fails, and so does
    this command. For a single command, use: sageloop local run.
    """
    wanted = command_environment(needed_cloud().environment(), os.environ)
    for line in shell_lines(wanted, os.environ):
        typer.echo(line)


@application.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
def run(
    command: Annotated[
        list[str], typer.Argument(help="the command and its arguments", show_default=False)
    ],
) -> None:
    """Run a command that reaches the local cloud of this folder and no AWS account.

    For example: sageloop local run -- cdk deploy --all. The command runs with this shell's
    variables without its AWS_*, CDK_* and proxy variables (CDK_VALIDATION is kept), and with
    those that point AWS clients at the cloud. It replaces this process: its input, output,
    signals and exit code are its own. If no local cloud answers, nothing is started and the exit
    code is 2; it is 126 or 127 if the command cannot be executed or is not found.
    """
    environment = command_environment(needed_cloud().environment(), os.environ)
    # Python ignores this signal, and the command would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - no shell is involved
    except FileNotFoundError:
        fail(f"{command[0]}: command not found", code=127)
    except OSError as error:
        fail(f"{command[0]} cannot be executed: {error.strerror}", code=126)


@application.command()
def logs(
    group: Annotated[str | None, typer.Argument(help="a log group; without it, list them")] = None,
    lines: Annotated[int, typer.Option(help="how many of the last events to print", min=0)] = 100,
) -> None:
    """Print a log group (of a function, a job or an endpoint), or list the log groups."""
    cloud = needed_cloud()
    client = cloud.client("logs")
    answers = client.get_paginator("describe_log_groups").paginate()
    groups = [each["logGroupName"] for answer in answers for each in answer["logGroups"]]
    if group is None:
        for name in groups:
            typer.echo(name)
        return
    if group not in groups:
        fail(f"no log group {group}; sageloop local logs lists them")
    events = client.get_paginator("filter_log_events").paginate(logGroupName=group)
    for event in deque((each for answer in events for each in answer["events"]), maxlen=lines):
        typer.echo(event["message"].rstrip("\n"))


@application.command()
def access(
    role: Annotated[
        str | None, typer.Argument(help="name of a role; without it, all roles")
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="print a policy of what each role used")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Show which permissions each role used, which it did not, and which calls were denied.

    Run the stack's whole workflow first: a permission counts as spare until a call needs it. A
    suggested policy allows exactly the recorded calls: replace names that change from run to run
    by patterns, and add conditions, before you use it.
    """
    usages = [u for u in needed_cloud().access_usage() if role in (None, u["role"].split("/")[-1])]
    if role is not None and not usages:
        fail(f"no role {role}; sageloop local access lists them")
    write_report(json_file, {"roles": usages})
    for usage in usages:
        for line in access_lines(usage, suggest=suggest):
            typer.echo(line)


def _check(
    *, rate: float | None, port: int = 0, region: str | None = None, iam: str = AccessMode.ENFORCE
) -> None:
    try:
        access_mode(iam)
        check_port(port)
        if rate is not None:
            check_rate(rate)
        if region is not None:
            check_region(region)
    except ValueError as error:
        fail(str(error))


def _make_folder() -> None:
    """Create the folder of the cloud's files, closed to other users."""
    try:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        if FOLDER.is_symlink() or FOLDER.stat().st_uid != os.getuid():
            fail(f"{FOLDER} must be your own folder, not a link or another user's: remove it")
        FOLDER.chmod(0o700)
    except OSError as error:
        fail(f"{FOLDER} cannot be created: {error.strerror}")
