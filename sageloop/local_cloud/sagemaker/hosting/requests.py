"""Checks of what a request asks for, before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sageloop.local_cloud.core.errors import AwsError

_LATER = ("ExplainerConfig", "CrossRegionTrafficConfig")
_LATER_OF_VARIANT = ("ServerlessConfig", "AcceleratorType", "CapacityReservationConfig",
                     "AcceleratorPartitionLayouts")  # fmt: skip
_FREQUENCIES = (10, 30, 60, 120, 180, 240, 300)
_ROUTING = ("RANDOM", "LEAST_OUTSTANDING_REQUESTS")


def not_executed(feature: str) -> AwsError:
    """The refusal of something SageMaker has and the local cloud does not run yet."""
    return AwsError(
        "NotImplemented",
        f"the local cloud does not execute {feature} yet; see docs/local-cloud-coverage.md",
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
    names = [variant["VariantName"] for variant in every_variant(params)]
    if len(set(names)) != len(names):
        raise invalid(f"names of production variants must be unique, got {', '.join(names)}")
    check_weights({v["VariantName"]: weight_of(v) for v in params["ProductionVariants"]})
    if params.get("ShadowProductionVariants"):
        _check_shadow(params)
    _check_metrics(params.get("MetricsConfig", {}))
    if params.get("DataCaptureConfig"):
        _check_capture(params["DataCaptureConfig"])


def every_variant(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Production and shadow variants of a configuration."""
    return [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]


def weight_of(variant: Mapping[str, Any]) -> float:
    """InitialVariantWeight; AWS's default is 1."""
    return float(variant.get("InitialVariantWeight", 1.0))


def check_weights(weights: Mapping[str, float]) -> None:
    """Refuse weights of production variants of which none is above 0: no one would serve."""
    if weights and sum(weights.values()) <= 0:
        raise invalid(
            "The sum of the weights of the production variants must be greater than 0; got 0 for "
            f"{', '.join(weights)}"
        )


def check_counts(
    desired: Iterable[Mapping[str, Any]], known: Iterable[str], *, least: int = 1
) -> None:
    """Refuse weights and capacities of unknown variants or out of range.

    ``least`` is the fewest instances a variant of the endpoint may have.
    """
    names = list(known)
    for change in desired:
        name = change["VariantName"]
        if name not in names:
            raise invalid(f"The variant {name} is not one of the endpoint: {', '.join(names)}")
        count = change.get("DesiredInstanceCount", least)
        if count < least:
            raise invalid(
                f"DesiredInstanceCount of variant {name} must be at least {least}, got {count}"
            )


def check_instances(variant: Mapping[str, Any], *, typed: str = "InstanceType") -> None:
    """Refuse an instance-based variant that is wrong; ``typed`` says what its instances are."""
    name = variant["VariantName"]
    for member in _LATER_OF_VARIANT:
        if variant.get(member):
            raise not_executed(f"{member} (production variant {name})")
    if "ModelName" not in variant:
        raise not_executed(f"inference components (production variant {name} without ModelName)")
    if variant.get("ManagedInstanceScaling"):
        # AWS's own words; a variant with a model is scaled by Application Auto Scaling.
        raise invalid("ManagedInstanceScaling is only supported for inference component endpoints.")
    for member in (typed, "InitialInstanceCount"):
        if member not in variant:
            raise invalid(f"production variant {name} needs {member}")
    if variant["InitialInstanceCount"] < 1:
        raise invalid(f"InitialInstanceCount of production variant {name} must be at least 1")
    strategy = variant.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM")
    if strategy not in _ROUTING:
        raise not_executed(f"RoutingStrategy {strategy} (production variant {name})")


def _check_shadow(params: Mapping[str, Any]) -> None:
    production, shadow = params["ProductionVariants"], params["ShadowProductionVariants"]
    if len(production) != 1 or len(shadow) != 1:
        raise invalid(
            "ShadowProductionVariants takes one variant beside one production variant, got "
            f"{len(shadow)} beside {len(production)}"
        )
    for variant in every_variant(params):
        if "ServerlessConfig" in variant or "ModelName" not in variant:
            raise invalid(
                "ShadowProductionVariants are for instance-based variants of one model, which "
                f"{variant['VariantName']} is not"
            )
    if params.get("AsyncInferenceConfig"):
        raise invalid("ShadowProductionVariants and AsyncInferenceConfig exclude each other")


def _check_metrics(config: Mapping[str, Any]) -> None:
    if config.get("EnableDetailedObservability"):
        raise not_executed("MetricsConfig.EnableDetailedObservability")
    every = config.get("MetricPublishFrequencyInSeconds", 60)
    if every not in _FREQUENCIES:
        raise invalid(
            f"MetricPublishFrequencyInSeconds must be one of {', '.join(map(str, _FREQUENCIES))}, "
            f"got {every}"
        )


def _check_capture(config: Mapping[str, Any]) -> None:
    if not config["DestinationS3Uri"].startswith("s3://"):
        raise invalid(f"DestinationS3Uri must be an s3:// URI, got {config['DestinationS3Uri']}")
    if not config["CaptureOptions"]:
        raise invalid("CaptureOptions needs at least one CaptureMode")
