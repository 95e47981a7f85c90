"""Instances of a variant for components, and placement of copies on them. Pure functions."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from sageloop.local_cloud.sagemaker.hosting.components.desired_components import Plan
from sageloop.local_cloud.sagemaker.hosting.instances.instance_types import Resources


class PlacedCopy(Protocol):
    """A copy of a component as its instance uses it."""

    @property
    def plan(self) -> Plan:
        """The plan of the copy."""
        ...


AnyCopy = TypeVar("AnyCopy", bound=PlacedCopy)


@dataclass(eq=False)
class Host(Generic[AnyCopy]):
    """An instance with its capacity and the copies that are placed on it."""

    capacity: Resources
    id: str = field(default_factory=lambda: f"i-{secrets.token_hex(8)}")
    copies: list[AnyCopy] = field(default_factory=list)

    @property
    def free(self) -> Resources:
        """The resources that no copy has reserved."""
        left = self.capacity
        for copy in self.copies:
            left = left.minus(copy.plan.needs)
        return left


def place(
    hosts: Iterable[Host[AnyCopy]], component: str, needs: Resources, *, packed: bool
) -> Host[AnyCopy] | None:  # fmt: skip
    """The instance for a new copy, or ``None``: spread over instances, or packed."""
    roomy = [host for host in hosts if host.free.holds(needs)]
    if packed:
        return min(roomy, key=lambda host: host.free.memory_mb, default=None)
    return min(
        roomy,
        key=lambda host: (
            sum(copy.plan.component == component for copy in host.copies),
            -host.free.memory_mb,
        ),
        default=None,
    )


def hosts_to_remove(hosts: Sequence[Host[AnyCopy]], number: int) -> list[Host[AnyCopy]]:
    """The instances to remove in a scale-in: those with the fewest copies, latest first."""
    order = sorted(enumerate(hosts), key=lambda pair: (len(pair[1].copies), -pair[0]))
    return [host for _, host in order[:number]]
