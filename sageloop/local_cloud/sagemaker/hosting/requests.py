"""Checks of what a request asks for, before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sageloop.local_cloud.core.errors import AwsError

_LATER = ("AsyncInferenceConfig", "ExplainerConfig", "ShadowProductionVariants",
          "CrossRegionTrafficConfig")  # fmt: skip
_LATER_OF_VARIANT = ("ServerlessConfig", "InstancePools", "ManagedInstanceScaling",
                     "AcceleratorType", "CapacityReservationConfig",
                     "AcceleratorPartitionLayouts")  # fmt: skip
_ROUTING = ("RANDOM", "LEAST_OUTSTANDING_REQUESTS")


def not_executed(what: str) -> AwsError:
    """The refusal of something SageMaker has and the local cloud does not run yet."""
    return AwsError(
        "NotImplemented",
        f"the local cloud does not execute {what} yet; see docs/local-cloud-coverage.md",
        501,
    )


def invalid(message: str) -> AwsError:
    """AWS's refusal of a request that makes no sense."""
    return AwsError("ValidationException", message)


def check_endpoint_config(params: Mapping[str, Any]) -> None:
    """Refuse an endpoint configuration that is wrong, or that is not executed."""
    for member in _LATER:
        if params.get(member):
            raise not_executed(member)
    variants = params["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) != len(names):
        raise invalid(f"names of production variants must be unique, got {', '.join(names)}")
    for variant in variants:
        _check_variant(variant)
    if sum(weight_of(variant) for variant in variants) <= 0:
        raise invalid("at least one production variant must have a weight above 0")
    if params.get("DataCaptureConfig"):
        _check_capture(params["DataCaptureConfig"])


def weight_of(variant: Mapping[str, Any]) -> float:
    """InitialVariantWeight; AWS's default is 1."""
    return float(variant.get("InitialVariantWeight", 1.0))


def check_counts(desired: Iterable[Mapping[str, Any]], known: Iterable[str]) -> None:
    """Refuse weights and capacities of unknown variants or out of range."""
    names = list(known)
    for change in desired:
        name = change["VariantName"]
        if name not in names:
            raise invalid(f"The variant {name} is not one of the endpoint: {', '.join(names)}")
        if "ServerlessUpdateConfig" in change:
            raise not_executed("ServerlessUpdateConfig")
        if change.get("DesiredInstanceCount", 1) < 1:
            raise invalid(f"DesiredInstanceCount of variant {name} must be at least 1, got 0")


def _check_variant(variant: Mapping[str, Any]) -> None:
    name = variant["VariantName"]
    for member in _LATER_OF_VARIANT:
        if variant.get(member):
            raise not_executed(f"{member} (production variant {name})")
    if "ModelName" not in variant:
        raise not_executed(f"inference components (production variant {name} without ModelName)")
    for member in ("InstanceType", "InitialInstanceCount"):
        if member not in variant:
            raise invalid(f"production variant {name} needs {member}")
    if variant["InitialInstanceCount"] < 1:
        raise invalid(f"InitialInstanceCount of production variant {name} must be at least 1")
    strategy = variant.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM")
    if strategy not in _ROUTING:
        raise not_executed(f"RoutingStrategy {strategy} (production variant {name})")


def _check_capture(config: Mapping[str, Any]) -> None:
    if not config["DestinationS3Uri"].startswith("s3://"):
        raise invalid(f"DestinationS3Uri must be an s3:// URI, got {config['DestinationS3Uri']}")
    if not config["CaptureOptions"]:
        raise invalid("CaptureOptions needs at least one CaptureMode")
