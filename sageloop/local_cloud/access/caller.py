"""The identity behind an access key, as policies and the call record name it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# The user of every local cloud: the person or program that started it.
USER_NAME = "local-admin"
# The principal with which the cloud reads its own state. No AWS service makes these calls, so they
# are neither decided nor part of what a caller did.
INTERNAL = "local-cloud.internal"


class CallerKind(StrEnum):
    """The kind of principal that makes a call."""

    ACCOUNT_USER = "account user"
    ROOT = "root"
    IAM_USER = "IAM user"
    FEDERATED_USER = "federated user"
    ASSUMED_ROLE = "assumed role session"
    SERVICE = "service"
    ANONYMOUS = "anonymous"
    IDENTITY_PROVIDER = "identity provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOrigin:
    """Where the calls of a role's session come from.

    Arguments:
        subnet_ids: Subnets of the function, job or model; empty outside of a VPC.
        function_arn: ARN of the function whose code calls, for ``lambda:SourceFunctionArn``.

    """

    subnet_ids: tuple[str, ...] = ()
    function_arn: str = ""


def origin_in(vpc_config: Mapping[str, Any] | None) -> SessionOrigin | None:
    """The origin of sessions with a ``VpcConfig`` of SageMaker; ``None`` outside of a VPC."""
    subnets = tuple(str(subnet) for subnet in (vpc_config or {}).get("Subnets", ()))
    return SessionOrigin(subnet_ids=subnets) if subnets else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The identity of one request.

    Arguments:
        kind: Kind of the principal.
        account_id: Account of the principal.
        arn: ARN of the principal; for a role's session the one that STS returns
            (``arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION``), for a service its name
            (``events.amazonaws.com``); ``anonymous`` for an unsigned call.
        role_arn: The IAM ARN of a session's role, including its path.
        session_name: Name of a role's session or of a federated user.
        access_key_id: Key that signed the request; ``None`` inside the cloud's own process.
        session_policies: Documents of the session policies; none limits the session.
        session_tags: Tags of the session, as pairs.
        transitive_tag_keys: Keys of those that sessions of this session inherit.
        federated_by: The caller of GetFederationToken, for a federated user.
        origin: Where the session's calls come from, if the cloud started it in a VPC or for a
            function.
        issued: When the keys of a session were issued, in epoch seconds of the wall clock.
        via: The service that calls with the rights of this caller, such as
            ``cloudformation.amazonaws.com``; empty for the caller's own calls.
        decided: Whether the call was decided before it was made, where a service acts: a log is
            written after the invocation whose role was allowed to write it.

    """

    kind: CallerKind
    account_id: str
    arn: str
    role_arn: str | None = None
    session_name: str | None = None
    access_key_id: str | None = None
    session_policies: tuple[str, ...] = ()
    session_tags: tuple[tuple[str, str], ...] = ()
    transitive_tag_keys: tuple[str, ...] = ()
    federated_by: Caller | None = None
    origin: SessionOrigin | None = None
    issued: float | None = None
    via: str = ""
    decided: bool = False

    @property
    def name(self) -> str:
        """The caller in the call record and in injected faults: ARN or service name."""
        return self.arn

    @property
    def is_service(self) -> bool:
        """Whether an AWS service acts in its own name."""
        return self.kind is CallerKind.SERVICE

    @property
    def is_internal(self) -> bool:
        """Whether the cloud reads its own state."""
        return self.arn == INTERNAL


def account_user(account_id: str, partition: str = "aws") -> Caller:
    """The user of the cloud, who has all permissions in the account."""
    return Caller(
        kind=CallerKind.ACCOUNT_USER, account_id=account_id,
        arn=f"arn:{partition}:iam::{account_id}:user/{USER_NAME}",
    )  # fmt: skip


def anonymous(account_id: str) -> Caller:
    """The caller of an unsigned request."""
    return Caller(kind=CallerKind.ANONYMOUS, account_id=account_id, arn="anonymous")


def identity_provider(account_id: str, provider: str) -> Caller:
    """The caller of AssumeRoleWithWebIdentity or AssumeRoleWithSAML, by its provider."""
    return Caller(kind=CallerKind.IDENTITY_PROVIDER, account_id=account_id, arn=provider)


def role_session(role_arn: str, session_name: str) -> Caller:
    """A session of a role."""
    _, partition, _, _, account_id, resource = role_arn.split(":", 5)
    role_name = resource.rsplit("/", 1)[-1]
    return Caller(
        kind=CallerKind.ASSUMED_ROLE, account_id=account_id, role_arn=role_arn,
        session_name=session_name,
        arn=f"arn:{partition}:sts::{account_id}:assumed-role/{role_name}/{session_name}",
    )  # fmt: skip


def caller_of(principal: str, account_id: str) -> Caller:
    """The caller for a principal's text, for calls inside the cloud's own process.

    A role's ARN stands for a session named ``service``; other text than an ARN is a service's
    name.
    """
    match = _ARN.fullmatch(principal)
    if match is None:
        return Caller(kind=CallerKind.SERVICE, account_id=account_id, arn=principal)
    partition, service, account, kind, rest = match.groups()
    if service == "iam" and kind == "role":
        return role_session(principal, "service")
    if service == "sts" and kind == "assumed-role":
        role_name, _, session_name = rest.partition("/")
        return Caller(
            kind=CallerKind.ASSUMED_ROLE, account_id=account, arn=principal,
            role_arn=f"arn:{partition}:iam::{account}:role/{role_name}",
            session_name=session_name,
        )  # fmt: skip
    if service == "sts":
        return Caller(kind=CallerKind.FEDERATED_USER, account_id=account, arn=principal,
                      session_name=rest)  # fmt: skip
    known = {"user": CallerKind.IAM_USER, "root": CallerKind.ROOT}
    if kind == "user" and rest == USER_NAME:
        return account_user(account, partition)
    return Caller(kind=known.get(kind, CallerKind.SERVICE), account_id=account, arn=principal)


def unique_id(prefix: str, name: str) -> str:
    """An id in IAM's form (``AIDA…``, ``AROA…``), derived from the name."""
    digest = hashlib.sha256(name.encode()).digest()
    return prefix + base64.b32encode(digest).decode()[:17]


_ARN = re.compile(r"arn:([^:]+):(iam|sts)::(\d{12}):([a-z-]+)/?(.*)")
