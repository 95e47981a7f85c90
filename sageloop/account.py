"""The AWS account of a boto3 session: caller, account and region."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sageloop.environment import blind_session

_ENDPOINT_PREFIX = "AWS_ENDPOINT_URL"
_DUAL_STACK_SUFFIX = "api.aws"


class NoAccountError(RuntimeError):
    """A session cannot reach an AWS account; the message has the missing setting."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """An AWS account and the caller, from STS.

    Attributes:
        number: The account id, twelve digits.
        caller: ARN of the user or role whose credentials are used.
        region: The region that clients of the session use.
        profile: The profile of the credentials; None for environment variables.
        endpoints: Endpoints outside AWS's domains in the configuration, by service.

    """

    number: str
    caller: str
    region: str
    profile: str | None
    endpoints: Mapping[str, str]

    def lines(self) -> list[str]:
        """The account as lines for the confirmation of a command."""
        profile = "" if self.profile is None else f"  profile {self.profile}"
        elsewhere = [f"{service} at {url}" for service, url in sorted(self.endpoints.items())]
        return [
            f"account {self.number}  region {self.region}{profile}",
            f"as {self.caller}",
            *([f"endpoints set by the configuration: {', '.join(elsewhere)}"] if elsewhere else []),
        ]


def account_of(
    session: Any, *, variables: Mapping[str, str], client: Callable[[str], Any] | None = None,
    services: Iterable[str] = ("sts",),
) -> Account:  # fmt: skip
    """Identify a session's account with STS, after all checks that need no request.

    Args:
        session: The boto3 session.
        variables: Environment variables of the process.
        client: Creates the client of a service; the session's method by default.
        services: Services that the command will use; their endpoints are compared with AWS's.

    Raises:
        NoAccountError: If an environment variable redirects the session, or it has no region
        or no credentials.

    """
    redirected = sorted(name for name in variables if name.startswith(_ENDPOINT_PREFIX))
    if redirected:
        raise NoAccountError(f"{', '.join(redirected)} is set, so requests would not reach AWS")
    if session.region_name is None:
        raise NoAccountError("no region is set: set AWS_REGION, or a region in the profile")
    if session.get_credentials() is None:
        raise NoAccountError("no AWS credentials are available: set AWS_PROFILE, or sign in")
    made = session.client if client is None else client
    caller = made("sts").get_caller_identity()
    return Account(
        number=caller["Account"],
        caller=caller["Arn"],
        region=session.region_name,
        profile=_profile_of(session),
        endpoints=_endpoints_elsewhere(made, services),
    )


def _profile_of(session: Any) -> str | None:
    """The profile in use, unless environment credentials take precedence."""
    method = getattr(session.get_credentials(), "method", None)
    return None if method == "env" else str(session.profile_name)


def _endpoints_elsewhere(client: Callable[[str], Any], services: Iterable[str]) -> dict[str, str]:
    suffixes = _aws_suffixes()
    urls = {name: str(client(name).meta.endpoint_url) for name in services}
    return {name: url for name, url in urls.items() if not _is_aws(url, suffixes)}


def _aws_suffixes() -> list[str]:
    session = blind_session()
    resolver = session.get_component("endpoint_resolver")
    partitions = session.get_available_partitions()
    return [_DUAL_STACK_SUFFIX, *(resolver.get_partition_dns_suffix(name) for name in partitions)]


def _is_aws(url: str, suffixes: Iterable[str]) -> bool:
    host = urlsplit(url).hostname or ""
    return any(host.endswith(f".{suffix}") for suffix in suffixes)
