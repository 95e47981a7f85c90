"""Where a command works: a local cloud, or the account of the environment."""

from __future__ import annotations

import os
import time as wall
from typing import TYPE_CHECKING, Annotated

import typer

from sageloop.cli.local import needed_cloud
from sageloop.environment import NotLoopbackError, require_loopback
from sageloop.local_cloud.client import LocalCloud

if TYPE_CHECKING:
    from sageloop.jobs.hand import Place

_AWS_PAUSE, _LOCAL_PAUSE = 5.0, 0.3

# Options of every command that works at a place.
Local = Annotated[bool, typer.Option("--local", help="in the local cloud of this folder")]
EndpointUrl = Annotated[
    str | None, typer.Option(help="in the local cloud that answers at this address")
]
Region = Annotated[str | None, typer.Option(help="region, if not the environment's")]


def place_of(local: bool, endpoint_url: str | None, region: str | None) -> Place:
    """The local cloud that was chosen, or that the environment points at; else the account."""
    from sageloop.jobs.hand import Place

    cloud = _chosen_cloud(local, endpoint_url, region)
    if cloud is not None:
        return Place(
            client=cloud.client, now=cloud.time, name=cloud.endpoint_url, pause=_LOCAL_PAUSE
        )
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(region_name=region)
    # Its answer may take as long as the function; the wish's id makes a repetition harmless.
    patient = Config(read_timeout=330, retries={"mode": "standard", "max_attempts": 3})
    return Place(
        client=lambda service: session.client(service, config=patient), now=wall.time,
        name=f"{session.region_name} of your account", pause=_AWS_PAUSE,
    )  # fmt: skip


def _chosen_cloud(local: bool, endpoint_url: str | None, region: str | None) -> LocalCloud | None:
    if local:
        return needed_cloud()
    inherited = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint_url is None and inherited and _is_here(inherited):
        endpoint_url = inherited
        region = os.environ.get("AWS_REGION", region) if region is None else region
    if endpoint_url is None:
        return None
    return LocalCloud(endpoint_url) if region is None else LocalCloud(endpoint_url, region=region)


def _is_here(url: str) -> bool:
    try:
        return bool(require_loopback(url))
    except NotLoopbackError:
        return False
