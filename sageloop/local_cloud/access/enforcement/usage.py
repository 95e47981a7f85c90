"""Which permissions of a role were used, which were not, and a policy of those that were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sageloop.local_cloud.access.enforcement.decision_log import DecisionRecord
from sageloop.local_cloud.access.policy import patterns
from sageloop.local_cloud.access.policy.document import Policy

_ALLOWED = "allowed"


@dataclass(frozen=True, slots=True)
class Grant:
    """One action of an Allow statement of an identity-based policy."""

    policy: str
    statement: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleUsage:
    """The permissions of one role and what its sessions did.

    Arguments:
        role: ARN of the role.
        used: Actions of its policies that allowed a request.
        spare: Actions of its policies that allowed none.
        denied: Denied requests: action, resource, source and count.
        suggested: A policy document that allows what was allowed, and nothing else.

    """

    role: str
    used: list[Grant] = field(default_factory=list)
    spare: list[Grant] = field(default_factory=list)
    denied: list[dict[str, Any]] = field(default_factory=list)
    suggested: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The usage as plain data."""
        return asdict(self)


def usage_of(role: str, policies: Iterable[Policy], records: Sequence[DecisionRecord]) -> RoleUsage:
    """Compare the policies of a role with the decisions on its requests.

    A statement counts as used if it is the first that allowed a request: of two statements that
    allow the same requests, the second is spare.
    """
    own = [record for record in records if record.principal == role]
    allowed = [record for record in own if record.effect == _ALLOWED]
    used: list[Grant] = []
    spare: list[Grant] = []
    for grant in _grants(policies):
        (used if _is_used(grant, allowed) else spare).append(grant)
    denied = [
        {"action": r.action, "resource": r.resource, "source": r.source, "count": r.count}
        for r in own
        if r.effect != _ALLOWED
    ]
    return RoleUsage(
        role=role, used=used, spare=spare, denied=denied, suggested=suggested_policy(allowed)
    )


def suggested_policy(records: Iterable[DecisionRecord]) -> dict[str, Any]:
    """A policy document that allows recorded requests: actions by resource, without conditions."""
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for action, resources in sorted(_resources_by_action(records).items()):
        by_resources.setdefault(tuple(sorted(resources)), []).append(action)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": list(resources)}
            for resources, actions in sorted(by_resources.items())
        ],
    }


def _resources_by_action(records: Iterable[DecisionRecord]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(record.action, set()).add(record.resource)
    return found


def _grants(policies: Iterable[Policy]) -> Iterator[Grant]:
    for policy in policies:
        for statement in policy.statements:
            if statement.allows and not statement.actions.negated:
                for action in statement.actions.texts:
                    yield Grant(policy.name, statement.name, action)


def _is_used(grant: Grant, allowed: Iterable[DecisionRecord]) -> bool:
    source = f"{grant.policy or 'policy'} {grant.statement}"
    matches = patterns.wildcard(grant.action.lower())
    return any(record.source == source and matches(record.action.lower()) for record in allowed)
