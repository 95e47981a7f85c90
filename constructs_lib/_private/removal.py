"""Data is kept unless two keys are turned."""

from __future__ import annotations

from aws_cdk import Annotations, RemovalPolicy
from constructs import Construct

DESTROY_DATA = "sageloop:destroyData"
"""Context switch that, together with the argument, allows data to be destroyed."""


def guarded(scope: Construct, wanted: RemovalPolicy | None) -> RemovalPolicy:
    """The removal policy that is safe to use.

    ``DESTROY`` needs the argument and the context switch ``sageloop:destroyData``; with the
    argument alone data is kept and a warning says so.
    """
    if wanted is None:
        return RemovalPolicy.RETAIN
    if wanted is not RemovalPolicy.DESTROY:
        return wanted
    if scope.node.try_get_context(DESTROY_DATA) in (True, "true"):
        return RemovalPolicy.DESTROY
    Annotations.of(scope).add_warning_v2(
        "sageloop:data-kept",
        f"{scope.node.path} keeps its data: DESTROY also needs the context {DESTROY_DATA}=true",
    )
    return RemovalPolicy.RETAIN
