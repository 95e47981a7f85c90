"""Customer-managed IAM policies, with acknowledged wildcards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .acknowledge import acknowledge_wildcards


def allow(
    actions: Sequence[str], resources: Sequence[str], conditions: Mapping[str, Any] | None = None
) -> iam.PolicyStatement:
    """One Allow statement."""
    return iam.PolicyStatement(
        actions=list(actions), resources=list(resources),
        conditions=None if conditions is None else dict(conditions),
    )  # fmt: skip


def arn(scope: Construct, service: str, resource: str, name: str) -> str:
    """An ARN ``service:region:account:resource/name`` of this stack's partition."""
    return Stack.of(scope).format_arn(service=service, resource=resource, resource_name=name)


def colon_arn(scope: Construct, service: str, resource: str, name: str) -> str:
    """An ARN ``service:region:account:resource:name`` of this stack's partition."""
    return Stack.of(scope).format_arn(
        service=service,
        resource=resource,
        resource_name=name,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


def managed_policy(
    scope: Construct,
    construct_id: str,
    statements: Sequence[iam.PolicyStatement],
    *,
    role: iam.IRole | None = None,
) -> iam.ManagedPolicy:
    """A managed policy with acknowledged wildcards."""
    policy = iam.ManagedPolicy(
        scope,
        construct_id,
        statements=list(statements),
        roles=None if role is None else [role],
    )
    acknowledge_wildcards(policy, statements)
    return policy


@runtime_checkable
class PolicyHolder(Protocol):
    """A grantee that records its grants."""

    def record_grant(self, statements: Sequence[iam.PolicyStatement], grant: iam.Grant) -> None:
        """Acknowledge the wildcards of added statements, and record the dependency."""


def attach(grantee: iam.IGrantable, statements: Sequence[iam.PolicyStatement]) -> iam.Grant:
    """Add statements to a grantee, as ``grant_*`` methods do."""
    grants = [
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=statement.actions,
            resource_arns=statement.resources,
            conditions=statement.conditions,
        )
        for statement in statements
    ]
    combined = grants[0]
    for grant in grants[1:]:
        combined = combined.combine(grant)
    if isinstance(grantee, PolicyHolder):
        grantee.record_grant(statements, combined)
    return combined
