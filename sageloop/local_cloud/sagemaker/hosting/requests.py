"""Validation of endpoint requests before anything is created."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sageloop.local_cloud.core.errors import AwsError

_UNSUPPORTED = ("ExplainerConfig", "CrossRegionTrafficConfig")
_UNSUPPORTED_VARIANT_MEMBERS = ("ServerlessConfig", "AcceleratorType", "CapacityReservationConfig",
                     "AcceleratorPartitionLayouts")  # fmt: skip
_FREQUENCIES = (10, 30, 60, 120, 180, 240, 300)
_ROUTING = ("RANDOM", "LEAST_OUTSTANDING_REQUESTS")


def not_executed(feature: str) -> AwsError:
    """The error for a SageMaker feature that the local cloud does not execute."""
    return AwsError(
        "NotImplemented",
        f"the local cloud does not execute {feature} yet; see docs/local-cloud-coverage.md",
        501,
    )


def invalid(message: str) -> AwsError:
    """AWS's error for an invalid request."""
    return AwsError("ValidationException", message)


def check_endpoint_config(params: Mapping[str, Any]) -> None:
    """Refuse an endpoint configuration that is invalid or not supported."""
    for member in _UNSUPPORTED:
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
    """The production and shadow variants of a configuration."""
    return [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]


def weight_of(variant: Mapping[str, Any]) -> float:
    """The InitialVariantWeight; AWS's default is 1."""
    return float(variant.get("InitialVariantWeight", 1.0))


def check_weights(weights: Mapping[str, float]) -> None:
    """Refuse weights of production variants that are all 0: no variant would get traffic."""
    if weights and sum(weights.values()) <= 0:
        raise invalid(
            "The sum of the weights of the production variants must be greater than 0; got 0 for "
            f"{', '.join(weights)}"
        )


def check_counts(
    desired: Iterable[Mapping[str, Any]], known: Iterable[str], *, minimum: int = 1
) -> None:
    """Refuse weights and capacities of unknown variants or out of range.

    ``minimum`` is the minimum number of instances of a variant of the endpoint.
    """
    names = list(known)
    for change in desired:
        name = change["VariantName"]
        if name not in names:
            raise invalid(f"The variant {name} is not one of the endpoint: {', '.join(names)}")
        count = change.get("DesiredInstanceCount", minimum)
        if count < minimum:
            raise invalid(
                f"DesiredInstanceCount of variant {name} must be at least {minimum}, got {count}"
            )


def check_instances(variant: Mapping[str, Any], *, type_member: str = "InstanceType") -> None:
    """Refuse an invalid instance-based variant; ``type_member`` specifies its instances."""
    name = variant["VariantName"]
    for member in _UNSUPPORTED_VARIANT_MEMBERS:
        if variant.get(member):
            raise not_executed(f"{member} (production variant {name})")
    if "ModelName" not in variant:
        raise not_executed(f"inference components (production variant {name} without ModelName)")
    if variant.get("ManagedInstanceScaling"):
        # AWS's message; a variant with a model is scaled by Application Auto Scaling.
        raise invalid("ManagedInstanceScaling is only supported for inference component endpoints.")
    for member in (type_member, "InitialInstanceCount"):
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
            "ShadowProductionVariants must be one variant for one production variant, got "
            f"{len(shadow)} for {len(production)}"
        )
    for variant in every_variant(params):
        if "ServerlessConfig" in variant or "ModelName" not in variant:
            raise invalid(
                "ShadowProductionVariants require instance-based variants of one model; variant "
                f"{variant['VariantName']} is not one"
            )
    if params.get("AsyncInferenceConfig"):
        raise invalid("ShadowProductionVariants cannot be combined with AsyncInferenceConfig")


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
