"""Decides calls by AWS's policy evaluation, from the policies in the cloud's state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from moto.utilities.utils import get_partition

from sageloop.local_cloud.access.authentication import UNSIGNED_ACTIONS
from sageloop.local_cloud.access.caller import Caller, CallerKind
from sageloop.local_cloud.access.enforcement import s3_parameters
from sageloop.local_cloud.access.enforcement.context import global_keys
from sageloop.local_cloud.access.enforcement.decision_log import DecisionLog
from sageloop.local_cloud.access.enforcement.denials import access_denied, denial
from sageloop.local_cloud.access.enforcement.document_checks import DocumentChecks, document_of
from sageloop.local_cloud.access.enforcement.identities import Identities
from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.access.enforcement.names import Names
from sageloop.local_cloud.access.enforcement.resource_policies import ResourcePolicies
from sageloop.local_cloud.access.parts import IamState
from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    Decision,
    Request,
    decide,
)
from sageloop.local_cloud.access.policy.authorization import (
    ApiCall,
    Permission,
    UnmappedOperationError,
    required_permissions,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import VirtualClock
    from sageloop.local_cloud.core.operations import Call
    from sageloop.local_cloud.core.wire import Operation

Further = Callable[[ApiCall], Iterable[Permission]]
"""Permissions that a call requires beyond those of its operation, from the state."""


class CloudParts(IamState, Protocol):
    """Parts of the cloud that the authorizer uses."""

    @property
    def account_id(self) -> str:
        """The account id."""
        ...

    @property
    def region(self) -> str:
        """The default region."""
        ...

    @property
    def clock(self) -> VirtualClock:
        """Virtual time."""
        ...


class Authorizer:
    """Decides whether calls may be carried out, and records the decisions.

    Services' own calls are decided where the service acts, because the resource on whose behalf it
    acts is known there: :meth:`decide` is for them.
    """

    def __init__(self, cloud: CloudParts, mode: AccessMode) -> None:
        self.mode = mode
        self.log = DecisionLog()
        self.identities = Identities(cloud)
        self.resources = ResourcePolicies(
            cloud.account_id, cloud.region, trust_policy=self._trust_policy
        )
        self._documents = DocumentChecks(cloud, cloud.account_id)
        self._cloud = cloud
        self._partition = get_partition(cloud.region)
        self._further: list[Further] = []
        self._names: dict[str, Names] = {}

    def add_requirement(self, further: Further) -> None:
        """Register permissions that calls require beyond those of their operations."""
        self._further.append(further)

    def check(self, operation: Operation, call: Call, decisions: list[Decision]) -> None:
        """Decide a call, append the decisions, and validate the policy document that it stores.

        Raises ``AwsError`` for a denied call if access is enforced, and for a malformed document.
        """
        self._authorize(operation, call, decisions)
        document = document_of(call)
        if document is not None:
            self._documents.check(document)

    def _authorize(self, operation: Operation, call: Call, decisions: list[Decision]) -> None:
        if self.mode is AccessMode.OFF or _is_exempt(call):
            return
        try:
            permissions = self._permissions(operation, call)
        except UnmappedOperationError as error:
            self._undecided(operation, call, str(error))
            return
        keys = self.keys_of(call)
        for permission in permissions:
            decision = self.decide(call.caller, permission, keys)
            decisions.append(decision)
            if not decision.allowed and self.mode is AccessMode.ENFORCE:
                raise denial(call.service, operation.protocol, decision)

    def keys_of(self, call: Call) -> dict[str, Any]:
        """The global condition keys of a call."""
        return global_keys(call, self._cloud.clock.time())

    def decide(self, caller: Caller, permission: Permission, keys: Mapping[str, Any]) -> Decision:
        """Decide one permission of a caller, and record the decision."""
        decision = self.evaluate(caller, permission, keys)
        self.log.add(decision)
        return decision

    def evaluate(self, caller: Caller, permission: Permission, keys: Mapping[str, Any]) -> Decision:
        """Decide one permission of a caller without a record."""
        identity = self.identities.of(caller)
        resource = permission.resource
        owner = _account_of(resource) or self._cloud.account_id
        request = Request(
            principal=identity.principal, action=permission.action, resource=resource,
            context={**keys, "aws:ResourceAccount": owner, **permission.context},
        )  # fmt: skip
        return decide(request, AppliedPolicies(
            identity=identity.policies, boundary=identity.boundary, session=identity.session,
            resource=self.resources.of(permission.action, resource), account=owner,
        ))  # fmt: skip

    def _permissions(self, operation: Operation, call: Call) -> list[Permission]:
        params = call.params
        if call.service == "s3":
            params = s3_parameters.parameters(operation, call.request)
        made = ApiCall(
            model=call.service, operation=call.operation, params=params, region=call.region,
            account=call.account_id, partition=self._partition,
            resolve=self._names_in(call.region),
        )  # fmt: skip
        permissions = required_permissions(made)
        for further in self._further:
            permissions = [*permissions, *further(made)]
        return permissions

    def _undecided(self, operation: Operation, call: Call, reason: str) -> None:
        if call.caller.kind is CallerKind.ACCOUNT_USER or self.mode is AccessMode.WARN:
            return
        raise access_denied(call.service, operation.protocol, f"{reason}; start the local cloud "
                            "with --iam warn to carry it out")  # fmt: skip

    def _names_in(self, region: str) -> Names:
        names = self._names.get(region)
        if names is None:
            names = self._names[region] = Names(self._cloud, self._cloud.account_id, region)
        return names

    def _trust_policy(self, arn: str) -> str | None:
        role = self.identities.role(arn)
        return None if role is None else str(role.assume_role_policy_document)


def _is_exempt(call: Call) -> bool:
    # Unsigned requests are decided by the request filter, services where they act, and federated
    # sessions by STS, which reads the identity provider in the token.
    federated = call.service == "sts" and call.operation in UNSIGNED_ACTIONS
    return call.caller.is_service or call.caller.kind is CallerKind.ANONYMOUS or federated


def _account_of(arn: str) -> str:
    fields = arn.split(":", 5)
    return fields[4] if len(fields) == 6 else ""
