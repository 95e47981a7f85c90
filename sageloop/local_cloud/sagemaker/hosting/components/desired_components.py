"""The desired inference components of each variant, shared by all its fleets."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint
from sageloop.local_cloud.sagemaker.hosting.instances.instance_types import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The container and the resources of a component's copies.

    With ``packed``, copies are placed on the fullest instance with room.
    """

    component: str
    blueprint: Blueprint
    image: str
    needs: Resources
    packed: bool = False


@dataclass(frozen=True, slots=True)
class DesiredComponent:
    """The plan of a component and its desired number of copies."""

    plan: Plan
    copies: int


class DesiredComponents:
    """Desired components by endpoint and variant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._components: dict[tuple[str, str], dict[str, DesiredComponent]] = {}

    def put(self, endpoint: str, variant: str, plan: Plan, copies: int) -> None:
        """Set the plan and the desired number of copies of a component."""
        with self._lock:
            known = self._components.setdefault((endpoint, variant), {})
            known[plan.component] = DesiredComponent(plan, copies)

    def resize(self, endpoint: str, variant: str, component: str, copies: int) -> None:
        """Set the desired number of copies of a component."""
        with self._lock:
            known = self._components[endpoint, variant]
            known[component] = replace(known[component], copies=copies)

    def drop(self, endpoint: str, variant: str, component: str) -> None:
        """Remove a component."""
        with self._lock:
            self._components.get((endpoint, variant), {}).pop(component, None)

    def find(self, endpoint: str, variant: str, component: str) -> DesiredComponent | None:
        """The desired state of a component, or ``None``."""
        with self._lock:
            return self._components.get((endpoint, variant), {}).get(component)

    def of(self, endpoint: str, variant: str) -> list[DesiredComponent]:
        """All components of a variant."""
        with self._lock:
            return list(self._components.get((endpoint, variant), {}).values())
