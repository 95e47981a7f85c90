"""The metrics that each kind of endpoint publishes."""

from __future__ import annotations

from collections.abc import Mapping

from .._private.checks import Checks, known
from ..serving import (
    Asynchronous,
    ChampionEndpoint,
    Endpoint,
    EndpointBase,
    EndpointKind,
    RealTime,
    Serverless,
)

_DEFAULT_VARIANT = "AllTraffic"
_QUEUE_ONLY: tuple[str, ...] = ("backlog", "oldest_request")
_NOT_COUNTED = ("expected_traffic", "anomaly_metrics invocations")


def kind_of(endpoint: EndpointBase) -> EndpointKind | None:
    """The kind of an endpoint; ``None`` for an imported one."""
    if isinstance(endpoint, Endpoint):
        return endpoint.kind
    return RealTime() if isinstance(endpoint, ChampionEndpoint) else None


def variants_of(endpoint: EndpointBase) -> list[str]:
    """Names of an endpoint's variants, the shadow variant last; empty for an imported one."""
    if not isinstance(endpoint, Endpoint | ChampionEndpoint):
        return []
    kind = kind_of(endpoint)
    if isinstance(kind, Serverless):
        return [kind.variant]
    return [variant.name for variant in endpoint.setup.all_variants]


def monitored_variant(check: Checks, endpoint: EndpointBase, variant: str | None) -> str:
    """The monitored variant, by default the first; refuses a variant the endpoint lacks."""
    names = variants_of(endpoint)
    if variant is None:
        return names[0] if names else _DEFAULT_VARIANT
    if names and known(*names):
        check.one_of(f"variant of endpoint {endpoint.endpoint_name}", variant, names)
    return variant


def check_metrics(check: Checks, endpoint: EndpointBase, limits: Mapping[str, bool]) -> None:
    """Refuse limits on metrics that an endpoint of this kind does not publish.

    Args:
        check: Collects the errors.
        endpoint: Monitored endpoint.
        limits: Whether each limit is set, by its name.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html

    """
    kind = kind_of(endpoint)
    if kind is None:
        return
    refused, why = _QUEUE_ONLY, "which has no queue"
    if isinstance(kind, Asynchronous):
        refused, why = (
            _NOT_COUNTED,
            "which does not count its requests; use backlog, oldest_request",
        )
    elif isinstance(kind, Serverless):
        refused = (*_QUEUE_ONLY, "max_capacity")
        why = "which has neither queue nor instances"
    for name in refused:
        if limits.get(name, False):
            check.refuse("LimitNotOfKind", f"{name} is not available on {kind.SPOKEN}, {why}")
