"""Variants on instance pools: several instance types in order of priority.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InstancePool.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.sagemaker.hosting.instances.fleet import (
    MakeInstance,
    StartFailure,
    VariantFleet,
    VariantSpec,
)
from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint
from sageloop.local_cloud.sagemaker.hosting.instances.instance_kind import InstanceKind
from sageloop.local_cloud.sagemaker.hosting.requests import check_instances, invalid

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.hosting.kind import VariantRequest

    Document = Mapping[str, Any]

_MAX_POOLS = 5


@dataclass(frozen=True, slots=True)
class Pool:
    """An instance type and the blueprint of its instances."""

    instance_type: str
    blueprint: Blueprint


class PooledFleet(VariantFleet):
    """A fleet that takes each new instance from the first pool with capacity.

    ``has_no_capacity`` returns whether an instance type has no capacity now.
    """

    def __init__(
        self, spec: VariantSpec, make: MakeInstance, pools: tuple[Pool, ...],
        has_no_capacity: Callable[[str], bool], *, weight: float,
    ) -> None:  # fmt: skip
        super().__init__(spec, make, weight=weight)
        self._pools = pools
        self._has_no_capacity = has_no_capacity

    def provision(self, number: int) -> list[Blueprint]:
        """The blueprints by priority. Raises :class:`StartFailure` if no pool has capacity."""
        return [self._next_blueprint() for _ in range(number)]

    def summary(self) -> dict[str, Any]:
        """Counts, and the number of instances of each type."""
        running = [instance.blueprint.instance_type for instance in self.instances]
        pools = [
            {"InstanceType": pool.instance_type,
             "CurrentInstanceCount": running.count(pool.instance_type)}
            for pool in self._pools
        ]  # fmt: skip
        return super().summary() | {"InstancePools": pools}

    def _next_blueprint(self) -> Blueprint:
        for pool in self._pools:
            if not self._has_no_capacity(pool.instance_type):
                return pool.blueprint
        types = ", ".join(pool.instance_type for pool in self._pools)
        raise StartFailure(
            f"Unable to provision requested ML compute capacity for variant {self.spec.name}: "
            f"InsufficientInstanceCapacity error for every instance pool ({types})."
        )


class PooledKind(InstanceKind):
    """Real-time variants with ``InstancePools`` instead of ``InstanceType``."""

    def matches(self, config: Document, variant: Document) -> bool:
        """Whether a variant has InstancePools."""
        return bool(variant.get("InstancePools"))

    def check_config(self, config: Document, variant: Document) -> None:
        """Refuse pools with an InstanceType, too many pools, or a repeated priority."""
        check_instances(variant, type_member="InstancePools")
        name, pools = variant["VariantName"], variant["InstancePools"]
        if "InstanceType" in variant:
            raise invalid(f"variant {name} must have InstanceType or InstancePools, not both")
        if len(pools) > _MAX_POOLS:
            raise invalid(f"variant {name} may have up to {_MAX_POOLS} pools, got {len(pools)}")
        for member in ("Priority", "InstanceType"):
            values = [pool[member] for pool in pools]
            if len(set(values)) != len(values):
                raise invalid(f"the {member} of variant {name}'s pools must differ, got {values}")
        for model in _models(variant):
            self._account.store.get("model", model)

    def check(self, config: Document, variant: Document) -> None:
        """Refuse models whose images have no local program."""
        for model in _models(variant):
            self._check_image(model)

    def build(self, request: VariantRequest) -> VariantFleet:
        """Build the fleet. Raises ``StartFailure`` if model data is not available."""
        image = self._containers.image_of(request.document["ModelName"])
        pools = tuple(self._pool(request, pool) for pool in _by_priority(request.document))
        spec = self._containers.spec(request, pools[0].blueprint, image)
        return PooledFleet(
            spec, self._containers.instance, pools, self._account.cloud.faults.capacity_refused,
            weight=request.weight,
        )  # fmt: skip

    def _pool(self, request: VariantRequest, pool: Document) -> Pool:
        blueprint = self._containers.blueprint(request, pool.get("ModelNameOverride"))
        kind = str(pool["InstanceType"])
        return Pool(kind, replace(blueprint, instance_type=kind))


def _by_priority(variant: Document) -> list[Document]:
    return sorted(variant["InstancePools"], key=lambda pool: int(pool["Priority"]))


def _models(variant: Document) -> list[str]:
    others = (pool.get("ModelNameOverride") for pool in variant["InstancePools"])
    return [variant["ModelName"], *(model for model in others if model is not None)]
