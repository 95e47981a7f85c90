"""Which statements would have allowed a denied request, and what in them does not match.

AWS's message names no statement for an implicit denial; a person needs the one that nearly applied.
"""

from __future__ import annotations

from sageloop.local_cloud.access.policy.conditions import Condition
from sageloop.local_cloud.access.policy.document import Policy
from sageloop.local_cloud.access.policy.principals import PrincipalMatch
from sageloop.local_cloud.access.policy.request import AppliedPolicies, Request
from sageloop.local_cloud.access.policy.statements import Statement

_MOST = 3


def near_misses(request: Request, policies: AppliedPolicies) -> list[str]:
    """Statements that allow the action, each with the first element that does not match.

    Args:
        request: a request that no policy allows.
        policies: the policies that apply to it.

    Returns:
        Up to three texts; statements that fail by a condition first, then by the resource.

    Example:
        >>> from sageloop.local_cloud.access.policy import parse_policy, role_session
        >>> policy = parse_policy(
        ...     {
        ...         "Statement": {
        ...             "Sid": "Read",
        ...             "Effect": "Allow",
        ...             "Action": "s3:GetObject",
        ...             "Resource": "arn:aws:s3:::data/*",
        ...         }
        ...     },
        ...     name="reader",
        ... )
        >>> who = role_session("arn:aws:iam::111122223333:role/Reader", "s")
        >>> get = Request(principal=who, action="s3:GetObject", resource="arn:aws:s3:::other/a")
        >>> near_misses(get, AppliedPolicies(identity=(policy,)))
        ['statement Read of reader allows it for other resources (arn:aws:s3:::data/*)']

    """
    ranked = sorted(
        (
            miss
            for policy in policies
            for statement in policy.about(request.action.lower())
            if statement.allows and (miss := _miss(request, policy, statement))
        ),
        key=lambda miss: miss[0],
    )
    return [text for _, text in ranked[:_MOST]]


def _miss(request: Request, policy: Policy, statement: Statement) -> tuple[int, str] | None:
    name = f"statement {statement.name} of {policy.name or 'a policy'} allows it"
    if statement.match_principal(request.principal) is PrincipalMatch.NONE:
        return None  # a statement for another principal is no hint
    resources = statement.resources
    if resources is not None and not resources.include(request.resource, request.variable):
        return 1, f"{name} for other resources ({_listed(resources.texts)})"
    failed = [c for c in statement.conditions if not c.holds(request.values, request.variable)]
    if not failed:
        return None
    return 0, f"{name} only if {' and '.join(_condition(request, c) for c in failed)}"


def _condition(request: Request, condition: Condition) -> str:
    present = request.values.get(condition.key)
    value = "absent" if present is None else _listed(present)
    operator = condition.operator
    name = f"{operator.set_operator.value}:{operator.name}".lstrip(":")
    suffix = "IfExists" if operator.if_exists else ""
    return f"{condition.key} {name}{suffix} {_listed(condition.values)} (it is {value})"


def _listed(values: tuple[str, ...]) -> str:
    shown = ", ".join(values[:_MOST])
    return f"{shown}, …" if len(values) > _MOST else shown
