"""The principal of a request, and the ``Principal`` elements of policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

from sageloop.local_cloud.access.policy.conditions import texts_of
from sageloop.local_cloud.access.policy.errors import PolicyError


class PrincipalKind(Enum):
    """The kind of a principal; the values are those of ``aws:PrincipalType``."""

    ROOT = "Account"
    USER = "User"
    ROLE_SESSION = "AssumedRole"
    FEDERATED_USER = "FederatedUser"
    SERVICE = "Service"
    IDENTITY_PROVIDER = "IdentityProvider"
    ANONYMOUS = "Anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The principal that makes a request.

    Args:
        kind: user, session of a role, service, …
        arn: ARN of the user, the session or the account's root; the name of a service
            (``events.amazonaws.com``) or of an identity provider; empty for anonymous requests.
        account: 12 digits; empty for services, identity providers and anonymous requests.
        role_arn: the role of a session, or the IAM user that federated.
        user_id: ``aws:userid``, such as ``AROAEXAMPLE:session``.
        canonical_user_id: S3's id of the account.
        tags: ``aws:PrincipalTag/…`` by tag key.

    Example:
        >>> who = role_session("arn:aws:iam::111122223333:role/jobs/Trainer", "nightly")
        >>> who.arn
        'arn:aws:sts::111122223333:assumed-role/Trainer/nightly'

    """

    kind: PrincipalKind
    arn: str
    account: str = ""
    role_arn: str = ""
    user_id: str = ""
    canonical_user_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_session(self) -> bool:
        """Whether session policies can apply to the principal."""
        return self.kind in (PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER)

    @property
    def has_identity(self) -> bool:
        """Whether identity-based policies can apply: not to services or anonymous requests."""
        return bool(self.account)

    def context(self) -> dict[str, Any]:
        """The condition keys that follow from the principal."""
        service = self.kind is PrincipalKind.SERVICE
        keys: dict[str, Any] = {"aws:PrincipalIsAWSService": service}
        if self.account or self.kind is PrincipalKind.ANONYMOUS:
            keys["aws:PrincipalType"] = self.kind.value
        if service:
            return keys | {
                "aws:PrincipalServiceName": self.arn,
                "aws:PrincipalServiceNamesList": [self.arn],
            }
        if not self.account:
            return keys
        is_role = self.kind is PrincipalKind.ROLE_SESSION
        keys["aws:PrincipalAccount"] = self.account
        keys["aws:PrincipalArn"] = self.role_arn if is_role else self.arn
        keys |= {f"aws:PrincipalTag/{key}": value for key, value in self.tags.items()}
        if self.user_id:
            keys["aws:userid"] = self.user_id
        if self.kind is PrincipalKind.USER:
            keys["aws:username"] = self.arn.rpartition("/")[2]
        return keys


def user(arn: str, *, user_id: str = "", tags: Mapping[str, str] | None = None) -> Principal:
    """An IAM user by its ARN."""
    return Principal(
        kind=PrincipalKind.USER,
        arn=arn,
        account=_account(arn),
        user_id=user_id,
        tags=tags or {},
    )


def role_session(
    role_arn: str, session: str, *, role_id: str = "", tags: Mapping[str, str] | None = None
) -> Principal:
    """A session of a role: the principal of a function, a job or a caller of ``AssumeRole``.

    Args:
        role_arn: ARN of the role, with its path.
        session: name of the session.
        role_id: unique id of the role (``AROA…``).
        tags: tags of the role and the session.

    """
    account, partition = _account(role_arn), role_arn.split(":")[1]
    name = role_arn.rpartition("/")[2]
    return Principal(
        kind=PrincipalKind.ROLE_SESSION,
        arn=f"arn:{partition}:sts::{account}:assumed-role/{name}/{session}",
        account=account,
        role_arn=role_arn,
        user_id=f"{role_id}:{session}" if role_id else "",
        tags=tags or {},
    )


def federated_user(arn: str, user_arn: str, *, tags: Mapping[str, str] | None = None) -> Principal:
    """A session of ``GetFederationToken``, with the IAM user that federated."""
    return Principal(
        kind=PrincipalKind.FEDERATED_USER,
        arn=arn,
        account=_account(arn),
        role_arn=user_arn,
        tags=tags or {},
    )


def root(account: str, *, partition: str = "aws") -> Principal:
    """The root user of an account."""
    return Principal(
        kind=PrincipalKind.ROOT, arn=f"arn:{partition}:iam::{account}:root", account=account
    )


def service(name: str) -> Principal:
    """An AWS service that acts for itself, such as ``events.amazonaws.com``."""
    return Principal(kind=PrincipalKind.SERVICE, arn=name)


def identity_provider(name: str) -> Principal:
    """The principal of ``AssumeRoleWithWebIdentity`` or ``…WithSAML``: a provider's name or ARN."""
    return Principal(kind=PrincipalKind.IDENTITY_PROVIDER, arn=name)


def anonymous() -> Principal:
    """The principal of a request without a signature."""
    return Principal(kind=PrincipalKind.ANONYMOUS, arn="")


def _account(arn: str) -> str:
    fields = arn.split(":", 5)
    if len(fields) < 6:
        raise PolicyError("Principal", f"{arn!r} is not the ARN of a principal")
    return fields[4]


class PrincipalMatch(IntEnum):
    """How a ``Principal`` element matches a principal; a higher value is more direct.

    The match decides which other policies limit an Allow of a resource-based policy.
    """

    NONE = 0
    ACCOUNT = 1
    ROLE = 2
    DIRECT = 3


_EVERYBODY = "*"


@dataclass(frozen=True, slots=True)
class PrincipalElement:
    """A ``Principal`` or ``NotPrincipal`` element: principals by their type."""

    names: Mapping[str, frozenset[str]]
    negated: bool = False

    def match_principal(self, principal: Principal) -> PrincipalMatch:
        """How the element matches the principal of a request."""
        if principal.kind is PrincipalKind.SERVICE:
            return self._service(principal)
        if _EVERYBODY in self.names.get("AWS", ()):
            return PrincipalMatch.DIRECT
        if principal.kind is PrincipalKind.IDENTITY_PROVIDER:
            listed = self.names.get("Federated", frozenset())
            return (
                PrincipalMatch.DIRECT
                if listed & {principal.arn, _EVERYBODY}
                else PrincipalMatch.NONE
            )
        if not principal.account:
            return PrincipalMatch.NONE
        return self._identity(principal)

    def applies(self, principal: Principal, *, allows: bool) -> PrincipalMatch:
        """How a statement with this element applies to the principal of a request."""
        if not self.negated:
            return self.match_principal(principal)
        if allows:
            excepted = self.match_principal(principal) is not PrincipalMatch.NONE
        else:
            excepted = self._wholly_excepted(principal)
        return PrincipalMatch.NONE if excepted else PrincipalMatch.DIRECT

    def _service(self, principal: Principal) -> PrincipalMatch:
        services = self.names.get("Service", frozenset())
        everybody = self.names.get("AWS", frozenset()) & {_EVERYBODY}
        named = services & {principal.arn, _EVERYBODY} or everybody
        return PrincipalMatch.DIRECT if named else PrincipalMatch.NONE

    def _identity(self, principal: Principal) -> PrincipalMatch:
        listed = self.names.get("AWS", frozenset())
        unique_id, _, session = principal.user_id.partition(":")
        if principal.arn in listed or (unique_id in listed and not session and unique_id):
            return PrincipalMatch.DIRECT
        if principal.role_arn in listed or (unique_id in listed and session):
            return PrincipalMatch.ROLE
        canonical = principal.canonical_user_id in self.names.get("CanonicalUser", frozenset())
        if listed & {principal.account, _root_arn(principal)} or canonical:
            root_user = principal.kind is PrincipalKind.ROOT
            return PrincipalMatch.DIRECT if root_user else PrincipalMatch.ACCOUNT
        return PrincipalMatch.NONE

    def _wholly_excepted(self, principal: Principal) -> bool:
        """Whether a ``Deny`` with ``NotPrincipal`` excepts the principal of a request.

        AWS may check the account, then the role, then the session, and recommends to list all
        of them. The exception applies only if none of them is missing.
        """
        if not principal.account:
            return self.match_principal(principal) is not PrincipalMatch.NONE
        listed = self.names.get("AWS", frozenset())
        if _EVERYBODY in listed:
            return True
        account = bool(listed & {principal.account, _root_arn(principal)})
        return account and {principal.arn, principal.role_arn or principal.arn} <= listed


def _root_arn(principal: Principal) -> str:
    partition = principal.arn.split(":")[1]
    return f"arn:{partition}:iam::{principal.account}:root"


_TYPES = ("AWS", "Service", "Federated", "CanonicalUser")


def parse_principals(element: Any, *, negated: bool, where: str) -> PrincipalElement:
    """Read a ``Principal`` or ``NotPrincipal`` element; raises `PolicyError`."""
    if element == _EVERYBODY:
        return PrincipalElement({"AWS": frozenset({_EVERYBODY})}, negated)
    if not isinstance(element, Mapping):
        raise PolicyError(where, f'must be "*" or an object, not {element!r}')
    for kind in element:
        if kind not in _TYPES:
            raise PolicyError(
                where, f"{kind} is not a type of principal; AWS has {', '.join(_TYPES)}"
            )
    names = {
        kind: frozenset(texts_of(values, f"{where}.{kind}")) for kind, values in element.items()
    }
    return PrincipalElement(names, negated)
