"""Decides calls by AWS's policy evaluation, from the policies in the cloud's state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from moto.utilities.utils import get_partition

from sageloop.local_cloud.access.authentication import UNSIGNED_ACTIONS
from sageloop.local_cloud.access.caller import Caller, CallerKind, SessionOrigin, caller_of
from sageloop.local_cloud.access.enforcement import encryption, s3_parameters
from sageloop.local_cloud.access.enforcement.context import global_keys, session_keys
from sageloop.local_cloud.access.enforcement.decision_log import DecisionLog, DecisionRecord
from sageloop.local_cloud.access.enforcement.denials import access_denied, denial
from sageloop.local_cloud.access.enforcement.document_checks import DocumentChecks, document_of
from sageloop.local_cloud.access.enforcement.identities import Identities
from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.access.enforcement.names import NameReader, Names
from sageloop.local_cloud.access.enforcement.network import Networks, Path
from sageloop.local_cloud.access.enforcement.requirements import Requirement
from sageloop.local_cloud.access.enforcement.resource_policies import ResourcePolicies
from sageloop.local_cloud.access.enforcement.resource_tags import ResourceTags
from sageloop.local_cloud.access.enforcement.usage import RoleUsage, usage_of
from sageloop.local_cloud.access.parts import IamState
from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    Decision,
    Effect,
    Policy,
    Request,
    decide,
)
from sageloop.local_cloud.access.policy.authorization import (
    SERVICES,
    ApiCall,
    Permission,
    UnmappedOperationError,
    required_permissions,
)
from sageloop.local_cloud.access.policy.diagnosis import near_misses

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import VirtualClock
    from sageloop.local_cloud.core.operations import Call
    from sageloop.local_cloud.core.wire import Operation

_DIRECT = Path()


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

    def __init__(
        self, cloud: CloudParts, mode: AccessMode, *, allow: frozenset[str] = frozenset()
    ) -> None:
        self.mode = mode
        self.log = DecisionLog()
        self.identities = Identities(cloud)
        self.resources = ResourcePolicies(
            cloud.account_id, cloud.region, trust_policy=self._trust_policy
        )
        self._networks = Networks(cloud.account_id, self.log.add_unreachable)
        self.tags = ResourceTags(cloud, cloud.account_id)
        # Without decisions no condition key is evaluated, so none is missed.
        self._documents = DocumentChecks(
            cloud, cloud.account_id, allow=None if mode is AccessMode.OFF else allow
        )
        self._cloud = cloud
        self._partition = get_partition(cloud.region)
        self._names: dict[str, Names] = {}
        self._name_readers: dict[str, NameReader] = {}

    def add_name(self, kind: str, reader: NameReader) -> None:
        """Register what resolves names of a kind that the cloud keeps itself."""
        self._name_readers[kind] = reader

    def check(self, operation: Operation, call: Call, decisions: list[Decision]) -> None:
        """Decide a call, append the decisions, and validate the policy document that it stores.

        Raises ``AwsError`` for a denied call if access is enforced, and for a malformed document.
        """
        self._authorize(operation, call, decisions)
        document = document_of(call)
        if document is not None:
            self._documents.check(call, document)

    def _authorize(self, operation: Operation, call: Call, decisions: list[Decision]) -> None:
        if self.mode is AccessMode.OFF or _is_exempt(call):
            return
        try:
            required = list(self._required(operation, call))
        except UnmappedOperationError as error:
            self._undecided(operation, call, str(error))
            return
        keys = self.keys_of(call)
        for one in required:
            caller = self._caller(one, call)
            decision = self.decide(caller, one.permission, keys)
            decisions.append(decision)
            if not decision.allowed and self.mode is AccessMode.ENFORCE:
                raise one.refusal or denial(call.service, operation.protocol, decision)

    def hides_missing(self, call: Call) -> bool:
        """Whether S3 answers Access Denied for an object that does not exist.

        So it does unless the caller may list the bucket.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        """
        unsigned = call.caller.kind is CallerKind.ANONYMOUS
        if self.mode is not AccessMode.ENFORCE or (_is_exempt(call) and not unsigned):
            return False
        if call.service != "s3" or call.operation not in ("GetObject", "HeadObject"):
            return False
        bucket = f"arn:{self._partition}:s3:::{call.params['Bucket']}"
        listing = Permission("s3:ListBucket", bucket)
        return not self.evaluate(call.caller, listing, self.keys_of(call)).allowed

    def keys_of(self, call: Call) -> dict[str, Any]:
        """The global condition keys of a call."""
        return global_keys(call, self._cloud.clock.time())

    def decide(self, caller: Caller, permission: Permission, keys: Mapping[str, Any]) -> Decision:
        """Decide one permission of a caller, and record the decision."""
        request, policies = self._applied(caller, permission, keys)
        decision = decide(request, policies)
        implicit = decision.effect is Effect.IMPLICIT_DENY
        self.log.add(decision, hints=near_misses(request, policies) if implicit else ())
        return decision

    def evaluate(self, caller: Caller, permission: Permission, keys: Mapping[str, Any]) -> Decision:
        """Decide one permission of a caller without a record."""
        return decide(*self._applied(caller, permission, keys))

    def _applied(
        self, caller: Caller, permission: Permission, keys: Mapping[str, Any]
    ) -> tuple[Request, AppliedPolicies]:
        identity = self.identities.of(caller)
        resource = permission.resource
        owner = _account_of(resource) or self._cloud.account_id
        path = self._path(caller.origin, permission.action, keys)
        policies = AppliedPolicies(
            identity=identity.policies, boundary=identity.boundary, session=identity.session,
            resource=self.resources.of(permission.action, resource), account=owner,
            endpoint=path.endpoint,
        )  # fmt: skip
        context = {
            **keys, **session_keys(caller), "aws:ResourceAccount": owner, **path.keys,
            **self.tags.keys(policies, permission.action, resource), **permission.context,
        }  # fmt: skip
        if permission.action.startswith("s3:"):
            context["s3:ResourceAccount"] = owner
        return Request(
            principal=identity.principal, action=permission.action, resource=resource,
            context=context,
        ), policies  # fmt: skip

    def usage(self) -> list[RoleUsage]:
        """The permissions of each role that exists or made a request, and which were needed."""
        records = self.log.records()
        roles = {str(role.arn) for role in self._cloud.iam().get_roles()}
        roles |= {record.principal for record in records if ":role/" in record.principal}
        return [self._usage_of(arn, records) for arn in sorted(roles)]

    def _usage_of(self, role: str, records: Sequence[DecisionRecord]) -> RoleUsage:
        identity = self.identities.of(caller_of(role, self._cloud.account_id))

        def redecide(record: DecisionRecord, policies: Sequence[Policy]) -> bool:
            request = Request(
                principal=identity.principal, action=record.action, resource=record.resource,
                context=record.context,
            )  # fmt: skip
            owner = _account_of(record.resource) or self._cloud.account_id
            return decide(request, AppliedPolicies(
                identity=tuple(policies), boundary=identity.boundary, account=owner,
                resource=self.resources.of(record.action, record.resource),
            )).allowed  # fmt: skip

        return usage_of(role, identity.policies, records, redecide)

    def _caller(self, one: Requirement, call: Call) -> Caller:
        if one.principal:
            return caller_of(one.principal, call.account_id)
        return _through_service(call.caller, one.permission.action, call.service)

    def _path(self, origin: SessionOrigin | None, action: str, keys: Mapping[str, Any]) -> Path:
        if origin is None:
            return _DIRECT
        region = str(keys.get("aws:RequestedRegion", self._cloud.region))
        path = self._networks.path(origin, action, region)
        if not origin.function_arn:
            return path
        return Path({**path.keys, "lambda:SourceFunctionArn": origin.function_arn}, path.endpoint)

    def _required(self, operation: Operation, call: Call) -> Iterator[Requirement]:
        params = call.params
        if call.service == "s3":
            params = s3_parameters.parameters(operation, call.request)
        made = ApiCall(
            model=call.service, operation=call.operation, params=params, region=call.region,
            account=call.account_id, partition=self._partition,
            resolve=self._names_in(call.region),
        )  # fmt: skip
        for permission in required_permissions(made):
            yield Requirement(permission)
        yield from encryption.requirements(made)

    def _undecided(self, operation: Operation, call: Call, reason: str) -> None:
        if call.caller.kind is CallerKind.ACCOUNT_USER or self.mode is AccessMode.WARN:
            return
        raise access_denied(call.service, operation.protocol, f"{reason}; start the local cloud "
                            "with --iam warn to carry it out")  # fmt: skip

    def _names_in(self, region: str) -> Names:
        names = self._names.get(region)
        if names is None:
            names = self._names[region] = Names(
                self._cloud, self._cloud.account_id, region, self._name_readers
            )
        return names

    def _trust_policy(self, arn: str) -> str | None:
        role = self.identities.role(arn)
        return None if role is None else str(role.assume_role_policy_document)


def _is_exempt(call: Call) -> bool:
    # Unsigned requests are decided by the request filter, services where they act, and federated
    # sessions by STS, which reads the identity provider in the token.
    caller = call.caller
    federated = call.service == "sts" and call.operation in UNSIGNED_ACTIONS
    unsigned = caller.kind is CallerKind.ANONYMOUS
    return caller.decided or caller.is_service or unsigned or federated


def _through_service(caller: Caller, action: str, service: str) -> Caller:
    """The caller of a permission: other services than the called one are reached from there."""
    if caller.origin is None or action.partition(":")[0] == SERVICES[service].prefix:
        return caller
    return replace(caller, origin=replace(caller.origin, subnet_ids=()))


def _account_of(arn: str) -> str:
    fields = arn.split(":", 5)
    # The account of AWS's managed policies is "aws": everybody may read and attach them.
    return fields[4] if len(fields) == 6 and fields[4] != "aws" else ""
