"""What of an endpoint can be watched: an alarm on a metric that never comes stays silent."""

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

_USUAL = "AllTraffic"
_QUEUE_ONLY: tuple[str, ...] = ("backlog", "oldest_request")
_UNCOUNTED = ("expected_traffic", "anomaly_metrics invocations")


def kind_of(endpoint: EndpointBase) -> EndpointKind | None:
    """How an endpoint answers; ``None`` if it is known by its name only."""
    if isinstance(endpoint, Endpoint):
        return endpoint.kind
    return RealTime() if isinstance(endpoint, ChampionEndpoint) else None


def variants_of(endpoint: EndpointBase) -> list[str]:
    """Names of an endpoint's variants, the shadow last; none if it is known by its name only."""
    if not isinstance(endpoint, Endpoint | ChampionEndpoint):
        return []
    kind = kind_of(endpoint)
    if isinstance(kind, Serverless):
        return [kind.variant]
    return [variant.name for variant in endpoint.setup.all_variants]


def watched_variant(check: Checks, endpoint: EndpointBase, variant: str | None) -> str:
    """The variant that is watched, the endpoint's first by default; refuse one it has not."""
    names = variants_of(endpoint)
    if variant is None:
        return names[0] if names else _USUAL
    if names and known(*names):
        check.one_of(f"variant of endpoint {endpoint.endpoint_name}", variant, names)
    return variant


def check_metrics(check: Checks, endpoint: EndpointBase, limits: Mapping[str, bool]) -> None:
    """Refuse limits on what an endpoint of this kind does not publish.

    Args:
        check: Where faults go.
        endpoint: What is watched.
        limits: By the name of a limit, whether it is given.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html

    """
    kind = kind_of(endpoint)
    if kind is None:
        return
    refused, why = _QUEUE_ONLY, "which has no queue"
    if isinstance(kind, Asynchronous):
        refused, why = _UNCOUNTED, "which does not count its requests; use backlog, oldest_request"
    elif isinstance(kind, Serverless):
        refused = (*_QUEUE_ONLY, "max_capacity")
        why = "which has neither queue nor instances"
    for name in refused:
        if limits.get(name, False):
            check.refuse("LimitNotOfKind", f"{name} cannot be watched on {kind.SPOKEN}, {why}")
