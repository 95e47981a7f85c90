"""One request to be decided, and the policies that apply to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sageloop.local_cloud.access.policy.conditions import Values, texts_of
from sageloop.local_cloud.access.policy.document import Policy
from sageloop.local_cloud.access.policy.principals import Principal


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request for authorization.

    An API call that requires several permissions is several requests; each must be allowed.

    Args:
        principal: the principal that makes the request.
        action: service prefix and action, such as ``s3:GetObject``; case does not matter.
        resource: ARN of the resource, or ``*`` for actions without resource types.
        context: condition keys with one value or several; case of keys does not matter. Keys
            that follow from the principal (``aws:PrincipalArn``, tags, …) are added, and can be
            overridden.

    """

    principal: Principal
    action: str
    resource: str = "*"
    context: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def values(self) -> Values:
        """Every condition key of the request in lower case, with its values as texts."""
        merged = {key.lower(): value for key, value in self.principal.context().items()}
        merged |= {key.lower(): value for key, value in self.context.items()}
        return {
            key: texts_of(value, f"context {key}")
            for key, value in merged.items()
            if value is not None
        }

    def variable(self, key: str) -> str | None:
        """The value of a key as a policy variable: keys with several values have none."""
        values = self.values.get(key, ())
        return values[0] if len(values) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicy:
    """A policy attached to a resource.

    Args:
        policy: the document.
        account: account that owns the resource.
        must_allow: whether identity-based policies of the same account are not enough by
            themselves: so it is with key policies of KMS and trust policies of roles.
        trust: whether it is the trust policy of a role, for messages.

    """

    policy: Policy
    account: str
    must_allow: bool = False
    trust: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPolicy:
    """The policy of a VPC endpoint that the request passes.

    ``gateway`` marks the policy of a gateway endpoint, in which an account as principal means only
    its root user.
    """

    policy: Policy
    gateway: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedPolicies:
    """The policies that apply to a request.

    Service control policies and resource control policies of AWS Organizations are not among
    them: the local cloud has no organization.

    Args:
        identity: policies of the user and its groups, or of the role.
        boundary: permissions boundary of the user or role.
        session: session policies; empty if the session was created without any.
        resource: policies of the resource; a grant of a KMS key is one more of them.
        account: account that owns the resource; by default that of the resource policies, or
            else that of the principal.
        endpoint: policy of the VPC endpoint that the request passes.

    """

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] = ()
    resource: tuple[ResourcePolicy, ...] = ()
    account: str = ""
    endpoint: EndpointPolicy | None = None

    def __iter__(self) -> Iterator[Policy]:
        """Every policy."""
        yield from self.identity
        yield from (one.policy for one in self.resource)
        if self.boundary is not None:
            yield self.boundary
        yield from self.session
        if self.endpoint is not None:
            yield self.endpoint.policy

    def owner(self, principal: Principal) -> str:
        """The account whose resource it is."""
        if self.account:
            return self.account
        return self.resource[0].account if self.resource else principal.account
