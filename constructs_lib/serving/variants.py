"""Production variants of an endpoint."""

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
    """One of the instance types of a variant.

    Attributes:
        instance_type: ML instance type.
        priority: Priority, 1 (first) to 5.
        model: Model for this type, in place of the variant's.

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
    """Scaling of instances with the inference components on them.

    Attributes:
        minimum: Minimum number of instances; with 0, a variant without copies has no cost.
        maximum: Maximum number of instances.
        consolidate: Whether to move copies to fewer instances; by default only instances
            without a copy are removed.
        cooldown_minutes: Cooldown of consolidation, 5 to 1440.
        step: Maximum number of instances per consolidation, 1 to 100.

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
        """Refuse a minimum above the maximum, and values out of range."""
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
    """A production variant on instances of one type, or of a pool of types.

    Attributes:
        name: Name of the variant.
        model: Model that it serves; the endpoint's model by default.
        instance_type: ML instance type; ``ml.m5.large`` by default.
        pools: Instance types by priority, in place of one type.
        instance_count: Initial number of instances; 2 instances use two Availability Zones.
        weight: Relative weight of the traffic; a variant with 0 serves only requests with its
            ``TargetVariant``.
        scaling: Automatic scaling; none by default.
        managed_scaling: Managed instance scaling for inference components; none by default.
        startup_seconds: Time limit of the container's first health check, 60 to 3600.
        download_seconds: Time limit of downloading the artifact, 60 to 3600.
        provision_seconds: Time limit of provisioning instances, 300 to 3600.
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
        """The instance types in order of priority."""
        if self.pools:
            return [pool.instance_type for pool in sorted(self.pools, key=lambda p: p.priority)]
        return [_DEFAULT_TYPE if self.instance_type is None else self.instance_type]

    @property
    def has_local_disk(self) -> bool:
        """Whether the type has instance storage, which takes neither size nor key."""
        return any(has_local_disk(each) for each in self.instance_types)

    @property
    def fewest(self) -> int:
        """The minimum number of instances during a rollout."""
        scaling = self.scaling
        if scaling is None or not known(scaling.minimum, self.instance_count):
            return self.instance_count
        return min(self.instance_count, scaling.minimum) or self.instance_count

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
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
                         f"{', '.join(self.instance_types)} has instance storage")  # fmt: skip

    def _check_pools(self, check: Checks) -> None:
        if not self.pools:
            return
        if self.instance_type is not None:
            check.refuse("TypeTwice", "variant.instance_type and pools are mutually exclusive, got "
                         f"{self.instance_type!r} and {len(self.pools)} pools")  # fmt: skip
        check.whole("number of variant.pools", len(self.pools), 1, _POOLS)
        priorities = [pool.priority for pool in self.pools]
        for priority in priorities:
            check.whole("pool.priority", priority, 1, _POOLS)
        if len(set(priorities)) < len(priorities):
            message = f"pools must have unique priorities, got {priorities}"
            check.refuse("PriorityTwice", message)

    def rendered(self) -> dict[str, Any]:
        """A ``ProductionVariant`` without ``ModelName`` and ``CoreDumpConfig``."""
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
    """Enhanced metrics of instances, containers and accelerators.

    Attributes:
        frequency_seconds: Publishing frequency: 10, 30, 60, 120, 180, 240 or 300.
        detailed: Whether to enable detailed observability.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_MetricsConfig.html

    Example:
        >>> EnhancedMetrics(frequency_seconds=10)

    """

    frequency_seconds: int = 60
    detailed: bool = False

    def check(self, check: Checks) -> None:
        """Refuse an invalid frequency."""
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
    """Refuse invalid instance types, and sizes that a known family does not have."""
    if not known(instance_type):
        return
    check.instance_type(label, instance_type)
    value: object = instance_type
    name = family(value) if isinstance(value, str) else ""
    known_types = enumeration("ProductionVariantInstanceType")
    sizes = [each for each in known_types if family(each) == name]
    if sizes and instance_type not in sizes:
        message = f"{label} must be one of {', '.join(sizes)}, got {instance_type!r}"
        check.refuse("InstanceTypeNotAllowed", message)
