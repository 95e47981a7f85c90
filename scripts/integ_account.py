"""The account that ``make integ`` would deploy to, as its user's own credentials name it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

from sageloop.account import NoAccountError, account_of
from sageloop.environment import NotLoopbackError, require_loopback, tool_path
from sageloop.local_cloud.access.cloud_access import CloudAccess
from sageloop.local_cloud.client import LocalCloud

_ENDPOINT = "AWS_ENDPOINT_URL"
_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
_LOCAL_REGION = "us-east-1"


class RefusedError(RuntimeError):
    """It was not begun; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account and region, clients for it, and the environment of commands that reach it."""

    number: str
    caller: str
    region: str
    profile: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    client: Callable[[str], Any]
    environment: Callable[[], dict[str, str]]


def own_account(environment: Mapping[str, str]) -> Account:
    """The account of the user's own credentials.

    Raises:
        RefusedError: If there are no credentials, no region, or a variable sets an endpoint.

    """
    session = boto3.session.Session()
    try:
        found = account_of(session, variables=environment)
    except NoAccountError as error:
        raise RefusedError(f"{error} (--rehearse uses a local cloud instead)") from error
    return Account(
        number=found.number,
        caller=found.caller,
        region=found.region,
        profile=found.profile,
        endpoints=found.endpoints,
        client=session.client,
        environment=lambda: _of_session(session, environment),
    )


def local_account(environment: Mapping[str, str]) -> Account:
    """The local cloud that ``AWS_ENDPOINT_URL`` names.

    Raises:
        RefusedError: If it names none, or one that is not on this machine.

    """
    url = environment.get(_ENDPOINT)
    if url is None:
        raise RefusedError(
            f"{_ENDPOINT} names no local cloud; start the command by: sageloop local run --"
        )
    try:
        require_loopback(url)
    except NotLoopbackError as error:
        raise RefusedError(str(error)) from error
    access = CloudAccess.find(url, variables=environment)
    region = environment.get("AWS_REGION", _LOCAL_REGION)
    cloud = LocalCloud(url, region=region, access=access)
    caller = cloud.client("sts").get_caller_identity()
    return Account(
        number=caller["Account"],
        caller=caller["Arn"],
        region=cloud.region,
        client=cloud.client,
        environment=cloud.environment,
    )


def _of_session(session: boto3.session.Session, environment: Mapping[str, str]) -> dict[str, str]:
    """The user's environment with the very credentials that were confirmed, not a profile."""
    credentials = session.get_credentials()
    if credentials is None or session.region_name is None:
        raise RefusedError("the AWS credentials are gone")
    frozen = credentials.get_frozen_credentials()
    kept = {name: value for name, value in environment.items() if name not in _PROFILES}
    kept.pop("AWS_SESSION_TOKEN", None)
    kept |= {
        "AWS_ACCESS_KEY_ID": str(frozen.access_key),
        "AWS_SECRET_ACCESS_KEY": str(frozen.secret_key),
        "AWS_REGION": session.region_name,
        "AWS_DEFAULT_REGION": session.region_name,
        "PATH": tool_path(environment.get("PATH", "")),
    }
    return kept | ({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {})
