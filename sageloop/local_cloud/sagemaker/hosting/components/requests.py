"""Validation of requests about inference components.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceComponentSpecification.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.instances.instance_types import Resources
from sageloop.local_cloud.sagemaker.hosting.requests import invalid, not_executed

Document = Mapping[str, Any]
_UNSUPPORTED = ("BaseInferenceComponentName", "InstanceType")
_ROUTING = ("RANDOM", "LEAST_OUTSTANDING_REQUESTS")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedScaling:
    """Limits for instances that SageMaker adds for copies and removes when empty.

    ``cooldown`` is in virtual seconds.
    """

    minimum: int
    maximum: int
    cooldown: float = 0.0

    @classmethod
    def of(cls, variant: Document) -> ManagedScaling | None:
        """The ManagedInstanceScaling of a variant, if it is enabled."""
        config = variant.get("ManagedInstanceScaling", {})
        if config.get("Status", "DISABLED") != "ENABLED":
            return None
        minutes = config.get("ScaleInPolicy", {}).get("CooldownInMinutes", 0)
        minimum = int(config.get("MinInstanceCount", 1))
        return cls(
            minimum=minimum, maximum=int(config.get("MaxInstanceCount", max(1, minimum))),
            cooldown=minutes * 60.0,
        )  # fmt: skip


def check_variant(config: Document, variant: Document) -> None:
    """Refuse a variant for components that is invalid, or not supported."""
    name = variant["VariantName"]
    if not config.get("ExecutionRoleArn"):
        raise invalid(
            "ExecutionRoleArn must be specified for an endpoint configuration whose production "
            f"variants have no ModelName; the variant {name} has none."
        )
    if config.get("AsyncInferenceConfig"):
        raise invalid(f"AsyncInferenceConfig needs a ModelName; variant {name} has none")
    for member in ("InstancePools", "AcceleratorType", "CapacityReservationConfig",
                   "AcceleratorPartitionLayouts"):  # fmt: skip
        if variant.get(member):
            raise not_executed(f"{member} of a variant for inference components ({name})")
    if "InstanceType" not in variant:
        raise invalid(f"production variant {name} needs InstanceType")
    strategy = variant.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM")
    if strategy not in _ROUTING:
        raise not_executed(f"RoutingStrategy {strategy} (production variant {name})")
    if any("ModelName" in other for other in config["ProductionVariants"]):
        raise invalid("Either all production variants must have a ModelName, or none.")
    _check_scaling(variant)


def _check_scaling(variant: Document) -> None:
    name, scaling = variant["VariantName"], ManagedScaling.of(variant)
    policy = variant.get("ManagedInstanceScaling", {}).get("ScaleInPolicy", {})
    if policy.get("Strategy", "IDLE_RELEASE") != "IDLE_RELEASE":
        raise not_executed(f"ScaleInPolicy {policy['Strategy']} (production variant {name})")
    count = int(variant.get("InitialInstanceCount", 0 if scaling is None else scaling.minimum))
    minimum = 1 if scaling is None else scaling.minimum
    maximum = count if scaling is None else scaling.maximum
    if not minimum <= count <= maximum:
        raise invalid(
            f"InitialInstanceCount of production variant {name} must be {minimum} to {maximum}, "
            f"got {count}"
        )


def initial_count(variant: Document) -> int:
    """The InitialInstanceCount; with managed scaling, MinInstanceCount is the default."""
    scaling = ManagedScaling.of(variant)
    return int(variant.get("InitialInstanceCount", 1 if scaling is None else scaling.minimum))


def specification_of(params: Document) -> Document:
    """The specification of a request. Raises ``AwsError`` for unsupported members."""
    if params.get("Specifications"):
        raise not_executed("Specifications by instance type of an inference component")
    specifications = params.get("Specification")
    if specifications is None:
        raise invalid("An inference component needs a Specification.")
    for member in _UNSUPPORTED:
        if specifications.get(member):
            raise not_executed(f"{member} of an inference component")
    if specifications.get("SchedulingConfig", {}).get("AvailabilityZoneBalance"):
        raise not_executed("AvailabilityZoneBalance of an inference component")
    if specifications.get("Container", {}).get("ContainerMetricsConfig"):
        raise not_executed("ContainerMetricsConfig of an inference component")
    if ("ModelName" in specifications) == ("Container" in specifications):
        raise invalid("A Specification takes ModelName or Container, exactly one of them.")
    if "Container" in specifications and "Image" not in specifications["Container"]:
        raise invalid("The Container of a Specification needs an Image.")
    required_resources(specifications)
    return dict(specifications)


def required_resources(specification: Document) -> Resources:
    """The resources that a copy reserves on an instance."""
    requirements = specification.get("ComputeResourceRequirements")
    if requirements is None:
        raise invalid("A Specification needs ComputeResourceRequirements.")
    if requirements.get("AcceleratorPartitionType"):
        raise not_executed("AcceleratorPartitionType of an inference component")
    minimum = int(requirements["MinMemoryRequiredInMb"])
    maximum = int(requirements.get("MaxMemoryRequiredInMb", minimum))
    if maximum < minimum:
        raise invalid(
            f"MaxMemoryRequiredInMb ({maximum}) must not be below MinMemoryRequiredInMb ({minimum})"
        )
    return Resources(
        float(requirements.get("NumberOfCpuCoresRequired", 0)), minimum,
        float(requirements.get("NumberOfAcceleratorDevicesRequired", 0)),
    )  # fmt: skip


def copies_of(params: Document, *, minimum: int, default: int | None = None) -> int:
    """The CopyCount of a RuntimeConfig. Raises ``AwsError`` below ``minimum``."""
    config = params.get("RuntimeConfig")
    if config is None and default is not None:
        return default
    count = 0 if config is None else int(config["CopyCount"])
    if count < minimum:
        raise invalid(f"Inference components copy count must be an integer of at least {minimum}")
    return count


def no_capacity_error() -> AwsError:
    """The error for a request to a component without copies."""
    return AwsError(
        "ValidationError",
        "Inference Component has no capacity to process this request. ApplicationAutoScaling may "
        "be in-progress (if configured) or try to increase the capacity by invoking "
        "UpdateInferenceComponentRuntimeConfig API.",
    )
