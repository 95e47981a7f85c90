"""The target of a command: a local cloud, or an AWS account that is named explicitly."""

from __future__ import annotations

import os
import sys
import time as wall
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from sageloop.account import Account, NoAccountError, account_of
from sageloop.cli.report import fail
from sageloop.cli.running import NoCloudError, cloud_of_folder, found_cloud
from sageloop.environment import NO_ACCESS_KEY, NotLoopbackError, require_loopback
from sageloop.local_cloud.client import LocalCloud, LocalCloudError

if TYPE_CHECKING:
    from sageloop.jobs.start import Place

_AWS_PAUSE, _LOCAL_PAUSE = 5.0, 0.3
_SERVICES = ("sts", "ssm", "lambda", "sagemaker", "dynamodb", "logs", "cloudwatch",
             "service-quotas")  # fmt: skip

# Options of every command that runs against a local cloud or an account.
Local = Annotated[bool, typer.Option("--local", help="use the local cloud of this folder")]
EndpointUrl = Annotated[str | None, typer.Option(help="use the local cloud at this URL")]
Aws = Annotated[
    bool, typer.Option("--aws", help="use the AWS account of the environment's credentials")
]
Profile = Annotated[str | None, typer.Option(help="use the AWS account of this profile")]
Region = Annotated[str | None, typer.Option(help="region; default: that of the environment")]
Yes = Annotated[
    bool, typer.Option("--yes", help="skip the confirmation for an account; for scripts")
]


class PlaceError(RuntimeError):
    """A command has no target, or may not use it; nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """The options of the command line that select the target. See :func:`place_of`."""

    local: bool = False
    endpoint_url: str | None = None
    aws: bool = False
    profile: str | None = None
    region: str | None = None
    yes: bool = False


@contextmanager
def one_line_errors(*expected: type[Exception]) -> Iterator[None]:
    """End the command with one line and exit code 2 for errors of its target, and expected ones."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (PlaceError, LocalCloudError, BotoCoreError, ClientError, *expected) as error:
        fail(" ".join(str(error).split()))


def place_of(options: PlaceOptions, *, action: str | None) -> Place:
    """The local cloud or the account that the options select.

    An account is used only with ``--aws`` or ``--profile``. It is then named on standard error,
    and an action must be confirmed. Without any option, the local cloud of ``AWS_ENDPOINT_URL``
    is used, which can never be an account.

    Args:
        options: The command's options.
        action: The action to confirm; None for a command that only reads.

    Raises:
        PlaceError: If no target or more than one is selected, ``--endpoint-url`` is not on this
        machine, its keys are unknown, an account cannot be reached, or the action is not
        confirmed.

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
        raise PlaceError(f"{' and '.join(named)} exclude each other: specify one of them")
    if options.aws or options.profile is not None:
        return _account_place(options, action)
    cloud = _chosen_cloud(options)
    if options.region not in (None, cloud.region):
        raise PlaceError(
            f"the local cloud at {cloud.endpoint_url} is in {cloud.region}, "
            f"not {options.region}: omit --region"
        )
    return _local_place(cloud)


def _local_place(cloud: LocalCloud) -> Place:
    from sageloop.jobs.start import Place

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
        "the folder of `sageloop local up`, or sageloop local run -- COMMAND in it"
    )


def _choices() -> str:
    here = found_cloud()
    local = "no local cloud runs in this folder" if here is None else here.endpoint_url
    return (
        f"specify --local ({local}), --endpoint-url URL, or an AWS account: --profile NAME or --aws"
    )


def _is_loopback(url: str) -> bool:
    try:
        return bool(require_loopback(url))
    except NotLoopbackError:
        return False


def _account_place(options: PlaceOptions, action: str | None) -> Place:
    import boto3

    from sageloop.jobs.start import Place

    if action is not None and not options.yes and not sys.stdin.isatty():
        raise PlaceError("confirmation needs a terminal: run it in one, or specify --yes")
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

    # A response may take as long as the function; the request's id makes a retry idempotent.
    patient = Config(read_timeout=330, retries={"mode": "standard", "max_attempts": 3})
    return cache(lambda service: session.client(service, config=patient))


def _show(account: Account) -> None:
    for line in account.lines():
        typer.echo(line, err=True)
    here = found_cloud()
    if here is not None:
        typer.echo(
            f"a local cloud runs in this folder ({here.endpoint_url}), which is not used: "
            "specify --local to use it",
            err=True,
        )


def _confirm(action: str, account: Account) -> None:
    question = f"{action} in account {account.number}, {account.region}?"
    try:
        agreed = typer.confirm(question, default=False, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise PlaceError("not confirmed; nothing was changed")
