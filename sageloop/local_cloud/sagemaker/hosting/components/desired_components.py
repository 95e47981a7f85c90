"""What components are to run where: shared by all fleets a variant ever has."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint
from sageloop.local_cloud.sagemaker.hosting.instances.instance_types import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a copy of a component runs and needs. ``packed``: instances are filled one by one."""

    component: str
    blueprint: Blueprint
    image: str
    needs: Resources
    packed: bool = False


@dataclass(frozen=True, slots=True)
class DesiredComponent:
    """A component's plan and how many copies of it there should be."""

    plan: Plan
    copies: int


class DesiredComponents:
    """Components by endpoint and variant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._components: dict[tuple[str, str], dict[str, DesiredComponent]] = {}

    def put(self, endpoint: str, variant: str, plan: Plan, copies: int) -> None:
        """Want so many copies by a plan."""
        with self._lock:
            known = self._components.setdefault((endpoint, variant), {})
            known[plan.component] = DesiredComponent(plan, copies)

    def resize(self, endpoint: str, variant: str, component: str, copies: int) -> None:
        """Want another number of copies."""
        with self._lock:
            known = self._components[endpoint, variant]
            known[component] = replace(known[component], copies=copies)

    def drop(self, endpoint: str, variant: str, component: str) -> None:
        """Want a component no more."""
        with self._lock:
            self._components.get((endpoint, variant), {}).pop(component, None)

    def find(self, endpoint: str, variant: str, component: str) -> DesiredComponent | None:
        """What is wanted of a component."""
        with self._lock:
            return self._components.get((endpoint, variant), {}).get(component)

    def of(self, endpoint: str, variant: str) -> list[DesiredComponent]:
        """Every component of a variant."""
        with self._lock:
            return list(self._components.get((endpoint, variant), {}).values())
