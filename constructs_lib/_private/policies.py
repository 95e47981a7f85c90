"""Customer-managed IAM policies, with acknowledged wildcards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .acknowledge import acknowledge_wildcards
from .allow_statement import AllowStatement, content_of


def allow(
    actions: Sequence[str], resources: Sequence[str], conditions: Mapping[str, Any] | None = None
) -> iam.PolicyStatement:
    """One Allow statement."""
    return AllowStatement(actions=actions, resources=resources, conditions=conditions)


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
    # With the grantee itself, CDK would call back for its principal at each statement.
    principal = grantee.grant_principal
    grants = [
        iam.Grant.add_to_principal(
            grantee=principal,
            actions=list(content.actions),
            resource_arns=list(content.resources),
            conditions=content.conditions,
        )
        for content in map(content_of, statements)
    ]
    combined = grants[0]
    for grant in grants[1:]:
        combined = combined.combine(grant)
    if isinstance(grantee, PolicyHolder):
        grantee.record_grant(statements, combined)
    return combined
