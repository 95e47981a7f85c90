"""What an endpoint's traffic is spread over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._private.api_model import enumeration
from .._private.checks import Checks, known
from ..training.instances import family, has_local_disk
from .scaling import Scaling

if TYPE_CHECKING:
    from .model import ModelBase

_DEFAULT_TYPE = "ml.m5.large"
_ROUTING = ("KV_AWARE", "LEAST_OUTSTANDING_REQUESTS", "PREFIX_AWARE", "RANDOM")
_POOLS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePool:
    """One of several instance types that a variant may run on.

    Attributes:
        instance_type: ML instance type.
        priority: Which is tried first, 1 to 5.
        model: A model for this type in place of the variant's own.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InstancePool.html

    Example:
        >>> Variant(pools=[InstancePool(instance_type="ml.m5.large", priority=1),
        ...                InstancePool(instance_type="ml.m5.xlarge", priority=2)])

    """

    instance_type: str
    priority: int
    model: ModelBase | None = None

    def rendered(self) -> dict[str, Any]:
        """An ``InstancePool``."""
        pool: dict[str, Any] = {"InstanceType": self.instance_type, "Priority": self.priority}
        return pool if self.model is None else {**pool, "ModelNameOverride": self.model.model_name}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedInstanceScaling:
    """Instances that come and go with the inference components on them.

    Attributes:
        minimum: Fewest instances; 0 lets a variant without copies cost nothing.
        maximum: Most instances.
        consolidate: Whether copies are moved together to free instances; by default only
            instances without a copy go.
        cooldown_minutes: Pause before instances are freed that way, 5 to 1440.
        step: Most instances freed at a time, 1 to 100.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariantManagedInstanceScaling.html

    Example:
        >>> Variant(managed_scaling=ManagedInstanceScaling(minimum=0, maximum=4))

    """

    minimum: int = 1
    maximum: int = 2
    consolidate: bool = False
    cooldown_minutes: int | None = None
    step: int | None = None

    def check(self, check: Checks) -> None:
        """Refuse bounds in the wrong order."""
        check.whole("managed_scaling.minimum", self.minimum, 0)
        least = max(self.minimum, 1) if known(self.minimum) else 1
        check.whole("managed_scaling.maximum", self.maximum, least)
        if not self.consolidate and (self.cooldown_minutes, self.step) != (None, None):
            check.refuse("ValueNotAllowed", "managed_scaling.cooldown_minutes and step need "
                         "consolidate")  # fmt: skip
        if self.cooldown_minutes is not None:
            check.whole("managed_scaling.cooldown_minutes", self.cooldown_minutes, 5, 1440)
        if self.step is not None:
            check.whole("managed_scaling.step", self.step, 1, 100)

    def rendered(self) -> dict[str, Any]:
        """A ``ManagedInstanceScaling``."""
        rendered: dict[str, Any] = {
            "Status": "ENABLED",
            "MinInstanceCount": self.minimum,
            "MaxInstanceCount": self.maximum,
        }
        if self.consolidate:
            policy: dict[str, Any] = {"Strategy": "CONSOLIDATION"}
            if self.cooldown_minutes is not None:
                policy["CooldownInMinutes"] = self.cooldown_minutes
            if self.step is not None:
                policy["MaximumStepSize"] = self.step
            rendered["ScaleInPolicy"] = policy
        return rendered


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A share of the endpoint's traffic on instances of one type, or of a pool of types.

    Attributes:
        name: Name of the variant.
        model: What it serves; the endpoint's model by default.
        instance_type: ML instance type; ``ml.m5.large`` by default.
        pools: Several types in the order in which they are tried, in place of one.
        instance_count: Instances at first; 2 spread over two zones.
        weight: Share of the traffic, 0 for none: such a variant answers only who names it.
        scaling: Automatic scaling; none by default.
        managed_scaling: Instances as inference components need them; none by default.
        startup_seconds: How long a container may take to answer its first ping, 60 to 3600.
        download_seconds: How long the artifact may take to arrive, 60 to 3600.
        provision_seconds: How long instances may take to come, 300 to 3600.
        volume_gb: Size of each instance's volume, 1 to 512.
        routing: ``RANDOM``, ``LEAST_OUTSTANDING_REQUESTS``, ``PREFIX_AWARE`` or ``KV_AWARE``.
        core_dump_prefix: Where core dumps go in the store, ending in a slash; kept by default.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html

    Example:
        >>> Variant(name="Challenger", model=challenger, weight=0.1, instance_count=1)

    """

    name: str = "AllTraffic"
    model: ModelBase | None = None
    instance_type: str | None = None
    pools: Sequence[InstancePool] = ()
    instance_count: int = 2
    weight: float = 1.0
    scaling: Scaling | None = None
    managed_scaling: ManagedInstanceScaling | None = None
    startup_seconds: int = 300
    download_seconds: int | None = None
    provision_seconds: int | None = None
    volume_gb: int | None = None
    routing: str | None = None
    core_dump_prefix: str | None = None

    @property
    def instance_types(self) -> list[str]:
        """The types it may run on, the first one first."""
        if self.pools:
            return [pool.instance_type for pool in sorted(self.pools, key=lambda p: p.priority)]
        return [_DEFAULT_TYPE if self.instance_type is None else self.instance_type]

    @property
    def has_local_disk(self) -> bool:
        """Whether its volume lies on disks that take neither size nor key."""
        return any(has_local_disk(each) for each in self.instance_types)

    @property
    def fewest(self) -> int:
        """Instances that a rollout can count on; those at first if there may be none."""
        scaling = self.scaling
        if scaling is None or not known(scaling.minimum, self.instance_count):
            return self.instance_count
        return min(self.instance_count, scaling.minimum) or self.instance_count

    def check(self, check: Checks) -> None:
        """Refuse what SageMaker would refuse later."""
        check.name("variant.name", self.name)
        for instance_type in self.instance_types:
            check_hosting_type(check, "variant.instance_type", instance_type)
        check.whole("variant.instance_count", self.instance_count, 1, 1000)
        check.between("variant.weight", self.weight, 0)
        check.whole("variant.startup_seconds", self.startup_seconds, 60, 3600)
        optional = {
            "download_seconds": (self.download_seconds, 60, 3600),
            "provision_seconds": (self.provision_seconds, 300, 3600),
            "volume_gb": (self.volume_gb, 1, 512),
        }
        for label, (value, low, high) in optional.items():
            if value is not None:
                check.whole(f"variant.{label}", value, low, high)
        if self.routing is not None:
            check.one_of("variant.routing", self.routing, _ROUTING)
        if self.core_dump_prefix is not None:
            check.prefix("variant.core_dump_prefix", self.core_dump_prefix)
        if self.managed_scaling is not None:
            self.managed_scaling.check(check)
        self._check_disk(check)
        self._check_pools(check)

    def _check_disk(self, check: Checks) -> None:
        if self.volume_gb is not None and self.has_local_disk:
            check.refuse("VolumeNotAllowed", "variant.volume_gb cannot be set: "
                         f"{', '.join(self.instance_types)} has disks of its own")  # fmt: skip

    def _check_pools(self, check: Checks) -> None:
        if not self.pools:
            return
        if self.instance_type is not None:
            check.refuse("TypeTwice", "variant.instance_type and pools say the same: give one, got "
                         f"{self.instance_type!r} and {len(self.pools)} pools")  # fmt: skip
        check.whole("number of variant.pools", len(self.pools), 1, _POOLS)
        priorities = [pool.priority for pool in self.pools]
        for priority in priorities:
            check.whole("pool.priority", priority, 1, _POOLS)
        if len(set(priorities)) < len(priorities):
            message = f"pools must have priorities of their own, got {priorities}"
            check.refuse("PriorityTwice", message)

    def rendered(self) -> dict[str, Any]:
        """A ``ProductionVariant`` without ``ModelName`` and what needs a store."""
        variant: dict[str, Any] = {"VariantName": self.name}
        if self.pools:
            variant["InstancePools"] = [pool.rendered() for pool in self.pools]
        else:
            variant["InstanceType"] = self.instance_types[0]
        variant |= {
            "InitialInstanceCount": self.instance_count,
            "InitialVariantWeight": self.weight,
            "ContainerStartupHealthCheckTimeoutInSeconds": self.startup_seconds,
        }
        optional = {
            "ModelDataDownloadTimeoutInSeconds": self.download_seconds,
            "VariantInstanceProvisionTimeoutInSeconds": self.provision_seconds,
            "VolumeSizeInGB": self.volume_gb,
        }
        variant |= {name: value for name, value in optional.items() if value is not None}
        if self.routing is not None:
            variant["RoutingConfig"] = {"RoutingStrategy": self.routing}
        if self.managed_scaling is not None:
            variant["ManagedInstanceScaling"] = self.managed_scaling.rendered()
        return variant


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancedMetrics:
    """Metrics of each instance, container and accelerator besides those of the variant.

    Attributes:
        frequency_seconds: How often they are published: 10, 30, 60, 120, 180, 240 or 300.
        detailed: Whether detailed observability is on as well.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_MetricsConfig.html

    Example:
        >>> EnhancedMetrics(frequency_seconds=10)

    """

    frequency_seconds: int = 60
    detailed: bool = False

    def check(self, check: Checks) -> None:
        """Refuse a frequency that SageMaker does not know."""
        allowed = (10, 30, 60, 120, 180, 240, 300)
        if known(self.frequency_seconds) and self.frequency_seconds not in allowed:
            listed = ", ".join(str(each) for each in allowed)
            check.refuse("ValueNotAllowed", f"metrics.frequency_seconds must be one of {listed}, "
                         f"got {self.frequency_seconds}")  # fmt: skip

    def rendered(self) -> dict[str, Any]:
        """A ``MetricsConfig``."""
        config: dict[str, Any] = {
            "EnableEnhancedMetrics": True,
            "MetricPublishFrequencyInSeconds": self.frequency_seconds,
        }
        return {**config, "EnableDetailedObservability": True} if self.detailed else config


def check_hosting_type(check: Checks, label: str, instance_type: str) -> None:
    """Refuse what is no instance type, and a size that a known family does not have."""
    if not known(instance_type):
        return
    check.instance_type(label, instance_type)
    given: object = instance_type
    wanted = family(given) if isinstance(given, str) else ""
    known_types = enumeration("ProductionVariantInstanceType")
    sizes = [each for each in known_types if family(each) == wanted]
    if sizes and instance_type not in sizes:
        message = f"{label} must be one of {', '.join(sizes)}, got {instance_type!r}"
        check.refuse("InstanceTypeNotAllowed", message)
