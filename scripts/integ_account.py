"""The account of ``make integ``, from the user's credentials."""

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
    """The command refuses to start; the message has the reason."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account and region, clients for it, and the environment of commands that reach it.

    Attributes:
        local: Whether it is the account of a local cloud.

    """

    number: str
    caller: str
    region: str
    profile: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    client: Callable[[str], Any]
    environment: Callable[[], dict[str, str]]
    local: bool = False


def own_account(environment: Mapping[str, str]) -> Account:
    """The account of the user's credentials.

    Raises:
        RefusedError: If there are no credentials, no region, or a variable sets an endpoint.

    """
    session = boto3.session.Session()
    try:
        account = account_of(session, variables=environment)
    except NoAccountError as error:
        raise RefusedError(f"{error} (--rehearse uses a local cloud instead)") from error
    return Account(
        number=account.number,
        caller=account.caller,
        region=account.region,
        profile=account.profile,
        endpoints=account.endpoints,
        client=session.client,
        environment=lambda: _of_session(session, environment),
    )


def local_account(environment: Mapping[str, str]) -> Account:
    """The local cloud of ``AWS_ENDPOINT_URL``.

    Raises:
        RefusedError: If the variable is not set, or is not on this machine.

    """
    url = environment.get(_ENDPOINT)
    if url is None:
        raise RefusedError(
            f"{_ENDPOINT} is not a local cloud; run the command with: sageloop local run --"
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
        local=True,
    )


def _of_session(session: boto3.session.Session, environment: Mapping[str, str]) -> dict[str, str]:
    """The user's environment with the confirmed credentials instead of a profile."""
    credentials = session.get_credentials()
    if credentials is None or session.region_name is None:
        raise RefusedError("the AWS credentials are no longer available")
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
