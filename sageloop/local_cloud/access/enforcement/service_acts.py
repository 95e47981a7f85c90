"""Decides what AWS services do by themselves, and with the roles that they assume.

A service's own calls are exempt where calls arrive: only the service knows the resource on whose
behalf it acts. It decides here, with ``aws:SourceArn`` and ``aws:SourceAccount``, and then acts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.utilities.utils import get_partition

from sageloop.local_cloud.access.caller import Caller, caller_of, role_session
from sageloop.local_cloud.access.enforcement.context import global_keys_at
from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.access.policy.authorization import (
    ApiCall,
    Permission,
    required_permissions,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.access.policy import Decision
    from sageloop.local_cloud.core.cloud import Cloud


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A service, or a role that a service has assumed, in one region.

    Arguments:
        cloud: The cloud whose policies decide.
        caller: The service or the session of the role.
        region: Region of the resources.
        keys: Condition keys beyond the global ones.

    """

    cloud: Cloud
    caller: Caller
    region: str
    keys: Mapping[str, Any] = field(default_factory=dict)

    def denial(self, action: str, resource: str, **context: str) -> Decision | None:
        """The decision that denies an action on a resource, or ``None`` if it may be done.

        Each decision is recorded. Nothing is denied unless access is enforced. ``context`` adds
        condition keys.
        """
        return self._denial(Permission(action, resource, context))

    def first_denial(self, needed: Iterable[tuple[str, str]]) -> Decision | None:
        """The first decision that denies one of several actions on resources, or ``None``."""
        return self._first(Permission(action, resource) for action, resource in needed)

    def allows(self, action: str, resource: str, **context: str) -> bool:
        """Whether policies allow an action on a resource, without a record of the decision."""
        return self._allows(Permission(action, resource, context))

    def allows_call(self, service: str, operation: str, **params: Any) -> bool:
        """Whether policies allow an API call, without a record of the decisions."""
        return all(map(self._allows, self._permissions(service, operation, params)))

    def denial_of_call(self, service: str, operation: str, **params: Any) -> Decision | None:
        """The decision that denies an API call, or ``None`` if it may be made."""
        return self._first(self._permissions(service, operation, params))

    def _first(self, permissions: Iterable[Permission]) -> Decision | None:
        denials = map(self._denial, permissions)
        return next((denial for denial in denials if denial is not None), None)

    def _permissions(
        self, service: str, operation: str, params: Mapping[str, Any]
    ) -> list[Permission]:
        call = ApiCall(
            model=service, operation=operation, params=params, region=self.region,
            account=self.cloud.account_id, partition=get_partition(self.region),
        )  # fmt: skip
        return required_permissions(call)

    def _allows(self, permission: Permission) -> bool:
        authorizer = self.cloud.authorizer
        if authorizer.mode is not AccessMode.ENFORCE:
            return True
        return authorizer.evaluate(self.caller, permission, self._keys()).allowed

    def _denial(self, permission: Permission) -> Decision | None:
        authorizer = self.cloud.authorizer
        if authorizer.mode is AccessMode.OFF:
            return None
        decision = authorizer.decide(self.caller, permission, self._keys())
        denied = not decision.allowed and authorizer.mode is AccessMode.ENFORCE
        return decision if denied else None

    def _keys(self) -> dict[str, Any]:
        return {**global_keys_at(self.cloud.clock.time(), self.region), **self.keys}


def service_actor(
    cloud: Cloud, service: str, *, source_arn: str | None, region: str | None = None, **keys: str
) -> Actor:
    """A service that acts for the resource ``source_arn``; ``keys`` are further condition keys.

    Without a resource ``aws:SourceArn`` and ``aws:SourceAccount`` are absent.
    """
    known: dict[str, str] = {}
    if source_arn is not None:
        # An ARN of S3 contains no account; a bucket of the local cloud always has this one.
        account = (source_arn.split(":") + [""] * 5)[4] or cloud.account_id
        known = {"aws:SourceArn": source_arn, "aws:SourceAccount": account}
    return Actor(
        cloud=cloud, caller=caller_of(service, cloud.account_id),
        region=cloud.region if region is None else region, keys=known | keys,
    )  # fmt: skip


def role_actor(cloud: Cloud, role_arn: str, session: str, *, region: str | None = None) -> Actor:
    """A role that a service has assumed, with the session's name."""
    return Actor(
        cloud=cloud, caller=role_session(role_arn, session),
        region=cloud.region if region is None else region,
    )  # fmt: skip


def can_assume(cloud: Cloud, service: str, role_arn: str, *source_arns: str) -> bool:
    """Whether a role exists and its trust policy lets a service assume it for a resource.

    Where AWS does not document the value of ``aws:SourceArn``, several are possible: the first
    one that the policy admits is the one that is decided and recorded.
    """
    role = cloud.iam_role(role_arn)
    if role is None or role.arn != role_arn:
        return False
    actors = [service_actor(cloud, service, source_arn=arn) for arn in source_arns]
    first, *others = actors
    if others and not first.allows("sts:AssumeRole", role_arn):
        admitted = (actor for actor in others if actor.allows("sts:AssumeRole", role_arn))
        first = next(admitted, first)
    return first.denial("sts:AssumeRole", role_arn) is None
