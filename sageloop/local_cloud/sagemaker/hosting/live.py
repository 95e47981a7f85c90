"""A running endpoint: its fleets, its routes and its deployment in progress."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sageloop.local_cloud.sagemaker.hosting.instances.fleet import Fleet, VariantFleet

Route = tuple[float, VariantFleet]


@dataclass(frozen=True, slots=True)
class Step:
    """The current VariantStatus of a deployment: status, message and start time."""

    status: str
    message: str
    since: datetime


@dataclass
class Progress:
    """A deployment in progress, as in PendingDeploymentSummary."""

    fleet: Fleet
    config_name: str
    started: datetime
    steps: dict[str, Step] = field(default_factory=dict)


class LiveEndpoint:
    """The running fleets and routes of an endpoint.

    ``routes`` is a tuple that is replaced, never changed, so requests read it without a lock. The
    endpoint's status ensures that one task at a time changes it. ``stranded_fleets`` are new fleets
    that failed rollbacks left in service. ``on_routes`` is called when routes are replaced.
    ``rolled_back_by`` is the alarm that rolled back the last update; AWS's descriptions do not
    contain it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fleet: Fleet | None = None
        self.progress: Progress | None = None
        self.stranded_fleets: list[Fleet] = []
        self.routes: tuple[Route, ...] = ()
        self.on_routes: Callable[[], None] | None = None
        self.rolled_back_by: str | None = None

    def route_to(self, *shares: tuple[Fleet, float]) -> None:
        """Split traffic between fleets by shares, and in each by the weights of its variants."""
        routes: list[Route] = []
        for fleet, share in shares:
            total = sum(variant.weight for variant in fleet.variants.values())
            for variant in fleet.variants.values():
                part = variant.weight / total if total > 0 else 0.0
                routes.append((share * part, variant))
        self._route(tuple(routes))

    def close(self) -> None:
        """Remove all routes."""
        self._route(())

    def _route(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        if self.on_routes is not None:
            self.on_routes()

    def choose(self, target: str | None) -> VariantFleet | None:
        """Choose the variant of a request, or the variant ``target``; ``None`` if there is none."""
        routes = self.routes
        if target is not None:
            routes = tuple(r for r in routes if r[1].spec.name == target)
        if len(routes) == 1:
            return routes[0][1]
        return _by_weight(routes)

    def fleets(self) -> list[Fleet]:
        """All fleets with processes."""
        progress = self.progress
        pending = None if progress is None else progress.fleet
        fleets_with_processes: list[Fleet] = []
        for fleet in (self.fleet, pending, *self.stranded_fleets):
            if fleet is not None and fleet not in fleets_with_processes:
                fleets_with_processes.append(fleet)
        return fleets_with_processes

    @property
    def variants(self) -> Iterable[VariantFleet]:
        """The variants of all fleets including shadow variants."""
        return [v for fleet in self.fleets() for v in fleet.all_variants.values()]


def _by_weight(routes: tuple[Route, ...]) -> VariantFleet | None:
    total = sum(weight for weight, _ in routes)
    if not routes or total <= 0:
        return routes[0][1] if routes else None
    point = random.random() * total  # noqa: S311 - routing, not a secret
    for weight, variant in routes:
        point -= weight
        if point < 0:
            return variant
    return next(variant for weight, variant in reversed(routes) if weight > 0)
