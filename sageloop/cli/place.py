"""Where a command works: in a local cloud, or in an AWS account that was asked for by name."""

from __future__ import annotations

import os
import sys
import time as wall
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from sageloop.account import Account, NoAccountError, account_of
from sageloop.cli.running import NoCloudError, cloud_of_folder, found_cloud
from sageloop.environment import NO_ACCESS_KEY, NotLoopbackError, require_loopback
from sageloop.local_cloud.client import LocalCloud, LocalCloudError

if TYPE_CHECKING:
    from sageloop.jobs.hand import Place

_AWS_PAUSE, _LOCAL_PAUSE = 5.0, 0.3
_SERVICES = ("sts", "ssm", "lambda", "sagemaker", "dynamodb", "logs")

# Options of every command that works in a local cloud or in an account.
Local = Annotated[bool, typer.Option("--local", help="in the local cloud of this folder")]
EndpointUrl = Annotated[
    str | None, typer.Option(help="in the local cloud that answers at this address")
]
Aws = Annotated[
    bool, typer.Option("--aws", help="in the AWS account of the environment's credentials")
]
Profile = Annotated[str | None, typer.Option(help="in the AWS account of this profile")]
Region = Annotated[str | None, typer.Option(help="region, if not the environment's")]
Yes = Annotated[
    bool, typer.Option("--yes", help="do not ask before acting in an account; for scripts")
]


class PlaceError(RuntimeError):
    """A command was not told where to work, or may not work there; nothing was done."""


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """What was given on the command line. See :func:`place_of`."""

    local: bool = False
    endpoint_url: str | None = None
    aws: bool = False
    profile: str | None = None
    region: str | None = None
    yes: bool = False


def place_of(options: PlaceOptions, *, action: str | None) -> Place:
    """The local cloud or the account that the options name.

    An account is used only if ``--aws`` or ``--profile`` asks for it. It is then named on
    standard error, and before an action somebody has to agree to it. Without any option, a
    local cloud that ``AWS_ENDPOINT_URL`` points at is used; that can never be an account.

    Args:
        options: The command's options.
        action: What is about to be done, for the question; None for a command that only reads.

    Raises:
        PlaceError: If no place is named, more than one is, ``--endpoint-url`` is not on this
            machine, the keys of the cloud there are not known, an account cannot be reached, or
            nobody agrees.

    """
    named = [
        option
        for option, given in (
            ("--local", options.local),
            ("--endpoint-url", options.endpoint_url is not None),
            ("--aws or --profile", options.aws or options.profile is not None),
        )
        if given
    ]
    if len(named) > 1:
        raise PlaceError(f"{' and '.join(named)} exclude each other: say one of them")
    if options.aws or options.profile is not None:
        return _account_place(options, action)
    cloud = _chosen_cloud(options)
    if options.region not in (None, cloud.region):
        raise PlaceError(
            f"the local cloud at {cloud.endpoint_url} speaks for {cloud.region}, "
            f"not for {options.region}: leave --region out"
        )
    return _local_place(cloud)


def _local_place(cloud: LocalCloud) -> Place:
    from sageloop.jobs.hand import Place

    return Place(client=cloud.client, now=cloud.time, name=cloud.endpoint_url, pause=_LOCAL_PAUSE)


def _chosen_cloud(options: PlaceOptions) -> LocalCloud:
    if options.local:
        try:
            return cloud_of_folder()
        except NoCloudError as error:
            raise PlaceError(str(error)) from error
    if options.endpoint_url is not None:
        return _cloud_at(options.endpoint_url)
    inherited = os.environ.get("AWS_ENDPOINT_URL")
    if inherited and _is_loopback(inherited):
        return _cloud_at(inherited)
    raise PlaceError(_choices())


def _cloud_at(url: str) -> LocalCloud:
    """The local cloud at an address, with the keys of the environment or of this folder's file."""
    try:
        cloud = LocalCloud(url)
    except (NotLoopbackError, LocalCloudError) as error:
        raise PlaceError(str(error)) from error
    if cloud.access.access_key_id != NO_ACCESS_KEY:
        return cloud
    here = found_cloud()
    if here is not None and urlsplit(here.endpoint_url).port == urlsplit(url).port:
        return here
    raise PlaceError(
        f"no keys of the local cloud at {url} in this folder or the environment: use --local in "
        "the folder of `sageloop local up`, or sageloop local run -- COMMAND there"
    )


def _choices() -> str:
    here = found_cloud()
    local = "no local cloud runs in this folder" if here is None else here.endpoint_url
    return (
        f"say where: --local ({local}), --endpoint-url URL, "
        "or an AWS account: --profile NAME or --aws"
    )


def _is_loopback(url: str) -> bool:
    try:
        return bool(require_loopback(url))
    except NotLoopbackError:
        return False


def _account_place(options: PlaceOptions, action: str | None) -> Place:
    import boto3

    from sageloop.jobs.hand import Place

    if action is not None and not options.yes and not sys.stdin.isatty():
        raise PlaceError("nobody is here to confirm: run it in a terminal, or say --yes")
    session = boto3.session.Session(profile_name=options.profile, region_name=options.region)
    client = _clients_of(session)
    try:
        account = account_of(session, variables=os.environ, client=client, services=_SERVICES)
    except NoAccountError as error:
        raise PlaceError(str(error)) from error
    _show(account)
    if action is not None and not options.yes:
        _confirm(action, account)
    return Place(
        client=client, now=wall.time, pause=_AWS_PAUSE,
        name=f"account {account.number}, {account.region}",
    )  # fmt: skip


def _clients_of(session: Any) -> Callable[[str], Any]:
    from botocore.config import Config

    # An answer may take as long as the function; the request's id makes a repetition harmless.
    patient = Config(read_timeout=330, retries={"mode": "standard", "max_attempts": 3})
    return cache(lambda service: session.client(service, config=patient))


def _show(account: Account) -> None:
    for line in account.lines():
        typer.echo(line, err=True)
    here = found_cloud()
    if here is not None:
        typer.echo(
            f"a local cloud runs in this folder ({here.endpoint_url}); this is not it: "
            "--local uses it",
            err=True,
        )


def _confirm(action: str, account: Account) -> None:
    question = f"{action} in account {account.number}, {account.region}?"
    try:
        agreed = typer.confirm(question, default=False, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise PlaceError("not confirmed; nothing was done")
