"""An endpoint as it runs: its fleets, the split of traffic, the deployment under way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sageloop.local_cloud.sagemaker.hosting.instances.fleet import Fleet, VariantFleet

Route = tuple[float, VariantFleet]


@dataclass(frozen=True, slots=True)
class Step:
    """What a variant goes through: VariantStatus's status and message."""

    status: str
    message: str
    since: datetime


@dataclass
class Progress:
    """A deployment under way, as PendingDeploymentSummary shows it."""

    fleet: Fleet
    config_name: str
    started: datetime
    steps: dict[str, Step] = field(default_factory=dict)


class LiveEndpoint:
    """The running side of an endpoint.

    ``routes`` is a tuple that is replaced, never changed, so requests read it without a lock.
    One piece of work at a time changes an endpoint; its status sees to that. ``remains`` are
    the new fleets that failed rollbacks left in service. ``on_routes`` is called when routes are
    replaced. ``undone_by`` is the alarm that undid the last update, which AWS's descriptions keep
    silent of.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fleet: Fleet | None = None
        self.progress: Progress | None = None
        self.remains: list[Fleet] = []
        self.routes: tuple[Route, ...] = ()
        self.on_routes: Callable[[], None] | None = None
        self.rolled_back_by: str | None = None

    def send_to(self, *shares: tuple[Fleet, float]) -> None:
        """Split traffic between fleets by these shares, and in each by its variants' weights."""
        routes: list[Route] = []
        for fleet, share in shares:
            total = sum(variant.weight for variant in fleet.variants.values())
            for variant in fleet.variants.values():
                part = variant.weight / total if total > 0 else 0.0
                routes.append((share * part, variant))
        self._route(tuple(routes))

    def close(self) -> None:
        """Send no request anywhere."""
        self._route(())

    def _route(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        if self.on_routes is not None:
            self.on_routes()

    def choose(self, target: str | None) -> VariantFleet | None:
        """The variant for one request; ``target`` asks for one by name. ``None``: none such."""
        routes = self.routes
        if target is not None:
            routes = tuple(r for r in routes if r[1].spec.name == target)
        if len(routes) == 1:
            return routes[0][1]
        return _by_weight(routes)

    def fleets(self) -> list[Fleet]:
        """Every fleet that has processes."""
        progress = self.progress
        pending = None if progress is None else progress.fleet
        fleets_with_processes: list[Fleet] = []
        for fleet in (self.fleet, pending, *self.remains):
            if fleet is not None and fleet not in fleets_with_processes:
                fleets_with_processes.append(fleet)
        return fleets_with_processes

    @property
    def variants(self) -> Iterable[VariantFleet]:
        """Variants of every fleet, shadows too."""
        return [v for fleet in self.fleets() for v in fleet.everyone.values()]


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
