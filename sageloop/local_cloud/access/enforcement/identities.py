"""Callers as principals, with their identity-based policies from IAM's state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.access.caller import Caller, CallerKind, unique_id
from sageloop.local_cloud.access.enforcement.documents import (
    ADMINISTRATOR,
    NOTHING,
    default_version,
    parsed,
)
from sageloop.local_cloud.access.parts import IamState
from sageloop.local_cloud.access.policy import (
    Policy,
    Principal,
    anonymous,
    federated_user,
    identity_provider,
    role_session,
    root,
    service,
    user,
)

# The managed policies of service-linked roles, which cannot be changed.
_SERVICE_LINKED = {
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint": (
        "AWSApplicationAutoscalingSageMakerEndpointPolicy"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A principal with the policies that apply to it."""

    principal: Principal
    policies: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] = ()


class Identities:
    """Reads principals and their policies."""

    def __init__(self, iam: IamState) -> None:
        self._iam = iam
        self._roles: dict[str, Any] = {}

    def of(self, caller: Caller) -> Identity:
        """The principal of a caller, with its policies at this moment."""
        return _FINDERS[caller.kind](self, caller)

    def role(self, arn: str) -> Any:
        """Moto's role with an ARN, or ``None``."""
        role = self._roles.get(arn)
        if role is None or self._iam.iam().roles.get(role.id) is not role:
            role = self._iam.iam_role(arn)
            if role is not None:
                self._roles[arn] = role
        return role

    def _account_user(self, caller: Caller) -> Identity:
        who = user(caller.arn, user_id=unique_id("AIDA", caller.arn))
        return Identity(principal=who, policies=(ADMINISTRATOR,), session=_session(caller))

    def _iam_user(self, caller: Caller) -> Identity:
        known = self._iam.iam_user(caller.arn)
        if known is None:
            return Identity(principal=user(caller.arn))
        groups = self._iam.iam().get_groups_for_user(known.name)
        attached = (policy for entity in (known, *groups) for policy in _attached(entity))
        who = user(caller.arn, user_id=str(known.id), tags=self._tags_of_user(known))
        return Identity(principal=who, policies=tuple(attached), session=_session(caller))

    def _tags_of_user(self, known: Any) -> dict[str, str]:
        return tag_pairs(self._iam.iam().tagger.list_tags_for_resource(known.arn).get("Tags", []))

    def _role_session(self, caller: Caller) -> Identity:
        arn = caller.role_arn or ""
        name = caller.session_name or ""
        role = self.role(arn)
        if role is None:
            linked = _SERVICE_LINKED.get(arn.rsplit("/", 1)[-1])
            managed = self._managed(linked) if linked and "/aws-service-role/" in arn else ()
            return Identity(principal=role_session(arn, name), policies=managed)
        boundary = role.permissions_boundary_arn
        who = role_session(
            str(role.arn), name, role_id=str(role.id),
            tags=tag_pairs(role.tags) | dict(caller.session_tags),
        )  # fmt: skip
        return Identity(
            principal=who,
            policies=tuple(_attached(role)),
            boundary=self._policy(boundary) if boundary else None,
            session=_session(caller),
        )

    def _managed(self, name: str) -> tuple[Policy, ...]:
        return tuple(
            parsed(default_version(policy), str(policy.arn))
            for policy in self._iam.iam().managed_policies.values()
            if policy.name == name
        )

    def _policy(self, arn: str) -> Policy:
        policy = self._iam.iam().managed_policies.get(arn)
        # A boundary that does not exist allows nothing.
        return NOTHING if policy is None else parsed(default_version(policy), arn)

    def _root(self, caller: Caller) -> Identity:
        return Identity(principal=root(caller.account_id, partition=caller.arn.split(":")[1]))

    def _federated(self, caller: Caller) -> Identity:
        by = caller.federated_by
        identity = Identity(principal=root(caller.account_id)) if by is None else self.of(by)
        tags = dict(identity.principal.tags) | dict(caller.session_tags)
        who = federated_user(caller.arn, "" if by is None else by.arn, tags=tags)
        return Identity(
            principal=who, policies=identity.policies, boundary=identity.boundary,
            session=_session(caller),
        )  # fmt: skip

    def _service(self, caller: Caller) -> Identity:
        return Identity(principal=service(caller.arn))

    def _identity_provider(self, caller: Caller) -> Identity:
        return Identity(principal=identity_provider(caller.arn))

    def _anonymous(self, _: Caller) -> Identity:
        return Identity(principal=anonymous())


_FINDERS: Mapping[CallerKind, Callable[[Identities, Caller], Identity]] = {
    CallerKind.ACCOUNT_USER: Identities._account_user,
    CallerKind.ROOT: Identities._root,
    CallerKind.IAM_USER: Identities._iam_user,
    CallerKind.FEDERATED_USER: Identities._federated,
    CallerKind.ASSUMED_ROLE: Identities._role_session,
    CallerKind.SERVICE: Identities._service,
    CallerKind.ANONYMOUS: Identities._anonymous,
    CallerKind.IDENTITY_PROVIDER: Identities._identity_provider,
}


def _attached(entity: Any) -> Iterable[Policy]:
    """The inline and managed policies of a user, group or role."""
    for name, document in list(entity.policies.items()):
        yield parsed(document, name)
    for policy in list(entity.managed_policies.values()):
        yield parsed(default_version(policy), str(policy.arn))


def _session(caller: Caller) -> tuple[Policy, ...]:
    return tuple(parsed(document, "session policy") for document in caller.session_policies)


def tag_pairs(tags: Any) -> dict[str, str]:
    """Tags by key, from a list of pairs or moto's map of them; none from ``None``."""
    listed = tags.values() if isinstance(tags, Mapping) else tags or ()
    return {str(tag["Key"]): str(tag["Value"]) for tag in listed}
