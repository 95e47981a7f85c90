"""Which permissions of a role its requests needed, and a policy of those that they used.

A permission is needed if a recorded request is denied without it: each action of each Allow
statement is taken out in turn, and the requests that it matches are decided again.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sageloop.local_cloud.access.enforcement.decision_log import DecisionRecord
from sageloop.local_cloud.access.policy import patterns
from sageloop.local_cloud.access.policy.document import Policy
from sageloop.local_cloud.access.policy.statements import Statement

Redecide = Callable[[DecisionRecord, Sequence[Policy]], bool]
"""Whether a recorded request is allowed under other identity-based policies."""


class Need(StrEnum):
    """Whether recorded requests need a permission.

    - ``needed``: a request is denied without it;
    - ``redundant``: requests match it, and another permission allows each of them too;
    - ``spare``: no request matches it.
    """

    NEEDED = "needed"
    REDUNDANT = "redundant"
    SPARE = "spare"


@dataclass(frozen=True, slots=True)
class Grant:
    """One action of an Allow statement of an identity-based policy."""

    policy: str
    statement: str
    action: str
    need: Need


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleUsage:
    """The permissions of one role and what its sessions did.

    Arguments:
        role: ARN of the role.
        grants: Each action of its policies, and whether recorded requests need it.
        denied: Denied requests: action, resource, source and count.
        suggested: A policy document that allows what was allowed, and nothing else.

    """

    role: str
    grants: list[Grant] = field(default_factory=list)
    denied: list[dict[str, Any]] = field(default_factory=list)
    suggested: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The usage as plain data."""
        return asdict(self)


def usage_of(
    role: str, policies: Sequence[Policy], records: Iterable[DecisionRecord], redecide: Redecide
) -> RoleUsage:
    """Compare the policies of a role with the decisions on its requests."""
    own = [record for record in records if record.principal == role]
    allowed = [record for record in own if record.effect == "allowed"]
    return RoleUsage(
        role=role,
        grants=list(_grants(policies, allowed, redecide)),
        denied=[
            {"action": r.action, "resource": r.resource, "source": r.source, "count": r.count}
            for r in own
            if r.effect != "allowed"
        ],
        suggested=suggested_policy(allowed),
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
    matched: dict[str, set[str]] = {}
    for record in records:
        matched.setdefault(record.action, set()).add(record.resource)
    return matched


def _grants(
    policies: Sequence[Policy], allowed: Sequence[DecisionRecord], redecide: Redecide
) -> Iterator[Grant]:
    sources = {_source(policy, each) for policy in policies for each in policy.statements}
    for place, policy in enumerate(policies):
        for statement in policy.statements:
            if not statement.allows or statement.actions.negated:
                continue
            for action in statement.actions.texts:
                changed = [*policies]
                changed[place] = policy.without_action(statement, action)
                grant = (policy, statement, action)
                unaffected = _unaffected(redecide, policies, changed)
                need = _need(grant, allowed, sources, unaffected)
                yield Grant(policy.name, statement.name, action, need)


def _unaffected(
    redecide: Redecide, before: Sequence[Policy], after: Sequence[Policy]
) -> Callable[[DecisionRecord], bool]:
    """Whether a record is allowed by changed policies too, or by neither: its resource is gone."""
    return lambda record: redecide(record, after) or not redecide(record, before)


def _need(
    grant: tuple[Policy, Statement, str], allowed: Sequence[DecisionRecord],
    sources: Container[str], unaffected: Callable[[DecisionRecord], bool],
) -> Need:  # fmt: skip
    policy, statement, action = grant
    matches = patterns.wildcard(action.lower())
    source = _source(policy, statement)
    own = [record for record in allowed if matches(record.action.lower())]
    # Another statement of the role allows the others already. Across accounts the decision names
    # the resource's policy, and both are required.
    decided = [r for r in own if r.source == source or r.source not in sources]
    if not all(map(unaffected, decided)):
        return Need.NEEDED
    matched = any(r.source == source or _applies(statement, r) for r in own)
    return Need.REDUNDANT if matched else Need.SPARE


def _source(policy: Policy, statement: Statement) -> str:
    return f"{policy.name or 'policy'} {statement.name}"


def _applies(statement: Statement, record: DecisionRecord) -> bool:
    values = {key: tuple(listed) for key, listed in record.context.items()}

    def lookup(key: str) -> str | None:
        matched = values.get(key, ())
        return matched[0] if len(matched) == 1 else None

    return statement.is_about(record.resource, values, lookup)
