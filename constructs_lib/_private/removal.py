"""Removal policies of resources with data."""

from __future__ import annotations

from aws_cdk import Annotations, RemovalPolicy
from constructs import Construct

DESTROY_DATA = "sageloop:destroyData"
"""CDK context key that, with the argument ``removal_policy``, allows deleting data."""


def retained_unless_confirmed(scope: Construct, policy: RemovalPolicy | None) -> RemovalPolicy:
    """The effective removal policy.

    ``DESTROY`` needs the argument and the context switch ``sageloop:destroyData``; with the
    argument only, the data is retained, with a warning.
    """
    if policy is None:
        return RemovalPolicy.RETAIN
    if policy is not RemovalPolicy.DESTROY:
        return policy
    if scope.node.try_get_context(DESTROY_DATA) in (True, "true"):
        return RemovalPolicy.DESTROY
    Annotations.of(scope).add_warning_v2(
        "sageloop:data-kept",
        f"{scope.node.path} keeps its data: DESTROY also needs the context {DESTROY_DATA}=true",
    )
    return RemovalPolicy.RETAIN
