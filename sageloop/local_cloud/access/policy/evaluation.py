"""AWS's decision on one request, from the policies that apply to it.

The rules are those of "Policy evaluation logic" and "Cross-account policy evaluation logic" in
the IAM User Guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sageloop.local_cloud.access.policy.decision import Decision, Effect, PolicyKind
from sageloop.local_cloud.access.policy.document import Policy
from sageloop.local_cloud.access.policy.principals import PrincipalKind, PrincipalMatch
from sageloop.local_cloud.access.policy.request import AppliedPolicies, Request, ResourcePolicy
from sageloop.local_cloud.access.policy.statements import Statement


@dataclass(frozen=True, slots=True)
class _Match:
    kind: PolicyKind
    policy: Policy
    statement: Statement
    named: PrincipalMatch


def decide(request: Request, policies: AppliedPolicies) -> Decision:
    """Evaluate policies for a request.

    Args:
        request: the request.
        policies: the policies that apply to it.

    Returns:
        The decision, with the statement behind it.

    Example:
        >>> from sageloop.local_cloud.access.policy import parse_policy, role_session
        >>> reader = parse_policy(
        ...     {
        ...         "Version": "2012-10-17",
        ...         "Statement": [
        ...             {
        ...                 "Sid": "Read",
        ...                 "Effect": "Allow",
        ...                 "Action": "s3:GetObject",
        ...                 "Resource": "arn:aws:s3:::data/*",
        ...             }
        ...         ],
        ...     }
        ... )
        >>> who = role_session("arn:aws:iam::111122223333:role/Reader", "s")
        >>> get = Request(principal=who, action="s3:GetObject", resource="arn:aws:s3:::data/a")
        >>> decide(get, AppliedPolicies(identity=(reader,))).statement.sid
        'Read'
        >>> put = Request(principal=who, action="s3:PutObject", resource="arn:aws:s3:::data/a")
        >>> decide(put, AppliedPolicies(identity=(reader,))).reason
        'because no identity-based policy allows the s3:PutObject action'

    """
    return _Evaluation(request, policies).decision()


def decide_all(requests: Iterable[tuple[Request, AppliedPolicies]]) -> list[Decision]:
    """Evaluate the requests of one API call, up to the first that is denied."""
    decisions = []
    for request, policies in requests:
        decisions.append(decide(request, policies))
        if not decisions[-1].allowed:
            break
    return decisions


class _Evaluation:
    """The evaluation of one request."""

    def __init__(self, request: Request, policies: AppliedPolicies) -> None:
        self._request = request
        self._policies = policies
        self._principal = request.principal
        self._action = request.action.lower()
        self._context = request.values

    def decision(self) -> Decision:
        denied = next(self._denials(), None)
        if denied is not None:
            return self._decided(Effect.EXPLICIT_DENY, denied)
        endpoint = self._policies.endpoint
        if endpoint is not None and self._endpoint_allow() is None:
            return self._lacking(PolicyKind.ENDPOINT)
        allow = self._resource_allow()
        if not self._principal.has_identity:
            return self._allowed_or_lacking(allow)
        if self._policies.owner(self._principal) == self._principal.account:
            return self._same_account(allow)
        return self._cross_account(allow)

    def _same_account(self, allow: _Match | None) -> Decision:
        if allow is not None and allow.named is PrincipalMatch.DIRECT:
            return self._decided(Effect.ALLOWED, allow)
        must_allow = any(one.must_allow for one in self._policies.resource)
        if must_allow and allow is None:
            return self._lacking(self._resource_kind())
        if self._is_root():
            return Decision(request=self._request, effect=Effect.ALLOWED)
        if allow is not None and allow.named is PrincipalMatch.ROLE:
            # No identity-based policy is required, but boundary and session policies limit it.
            return self._limited() or self._decided(Effect.ALLOWED, allow)
        return self._by_identity()

    def _cross_account(self, allow: _Match | None) -> Decision:
        if self._is_root():
            return self._allowed_or_lacking(allow)
        identity = self._by_identity()
        return identity if not identity.allowed else self._allowed_or_lacking(allow)

    def _is_root(self) -> bool:
        return self._principal.kind is PrincipalKind.ROOT

    def _by_identity(self) -> Decision:
        allow = self._first_allow(PolicyKind.IDENTITY, self._policies.identity)
        if allow is None:
            return self._lacking(PolicyKind.IDENTITY)
        return self._limited() or self._decided(Effect.ALLOWED, allow)

    def _limited(self) -> Decision | None:
        """The denial by a permissions boundary or session policies, if they do not allow."""
        boundary, session = self._policies.boundary, self._policies.session
        if boundary is not None and not self._first_allow(PolicyKind.BOUNDARY, (boundary,)):
            return self._lacking(PolicyKind.BOUNDARY)
        if session and not self._first_allow(PolicyKind.SESSION, session):
            return self._lacking(PolicyKind.SESSION)
        if not session and self._principal.kind is PrincipalKind.FEDERATED_USER:
            return self._lacking(PolicyKind.SESSION)
        return None

    def _denials(self) -> Iterator[_Match]:
        for kind, policy in self._all_policies():
            yield from self._matches(kind, policy, allows=False)

    def _all_policies(self) -> Iterator[tuple[PolicyKind, Policy]]:
        applied = self._policies
        if self._principal.has_identity:
            yield from ((PolicyKind.IDENTITY, policy) for policy in applied.identity)
        yield from ((_kind(one), one.policy) for one in applied.resource)
        if self._principal.has_identity and applied.boundary is not None:
            yield PolicyKind.BOUNDARY, applied.boundary
        yield from ((PolicyKind.SESSION, policy) for policy in applied.session)
        if applied.endpoint is not None:
            yield PolicyKind.ENDPOINT, applied.endpoint.policy

    def _first_allow(self, kind: PolicyKind, policies: Iterable[Policy]) -> _Match | None:
        for policy in policies:
            for match in self._matches(kind, policy, allows=True):
                return match
        return None

    def _resource_allow(self) -> _Match | None:
        """The Allow in the resource policies that matches the principal most directly."""
        matches = [
            match
            for one in self._policies.resource
            for match in self._matches(_kind(one), one.policy, allows=True)
        ]
        return max(matches, key=lambda match: match.named, default=None)

    def _endpoint_allow(self) -> _Match | None:
        endpoint = self._policies.endpoint
        if endpoint is None:
            return None
        least = PrincipalMatch.ROLE if endpoint.gateway else PrincipalMatch.ACCOUNT
        matches = self._matches(PolicyKind.ENDPOINT, endpoint.policy, allows=True)
        return next((match for match in matches if match.named >= least), None)

    def _matches(self, kind: PolicyKind, policy: Policy, *, allows: bool) -> Iterator[_Match]:
        for statement in policy.about(self._action):
            if statement.allows is not allows:
                continue
            named = statement.match_principal(self._principal)
            if named is not PrincipalMatch.NONE and statement.is_about(
                self._request.resource, self._context, self._request.variable
            ):
                yield _Match(kind, policy, statement, named)

    def _resource_kind(self) -> PolicyKind:
        return next((_kind(one) for one in self._policies.resource), PolicyKind.RESOURCE)

    def _allowed_or_lacking(self, allow: _Match | None) -> Decision:
        if allow is None:
            return self._lacking(self._resource_kind())
        return self._decided(Effect.ALLOWED, allow)

    def _decided(self, effect: Effect, match: _Match) -> Decision:
        return Decision(
            request=self._request,
            effect=effect,
            kind=match.kind,
            policy=match.policy,
            statement=match.statement,
        )

    def _lacking(self, kind: PolicyKind) -> Decision:
        return Decision(request=self._request, effect=Effect.IMPLICIT_DENY, kind=kind)


def _kind(one: ResourcePolicy) -> PolicyKind:
    return PolicyKind.TRUST if one.trust else PolicyKind.RESOURCE
