"""Validation of the resource of a scalable target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.access.caller import INTERNAL
from sageloop.local_cloud.scaling.capacity import CONCURRENCY, COPIES, INSTANCES
from sageloop.local_cloud.scaling.checks import invalid
from sageloop.local_cloud.scaling.model import TargetKey

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_VARIANT = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
_COMPONENT = re.compile(r"inference-component/([^/]+)")


def check_resource(cloud: Cloud, key: TargetKey, minimum: int) -> None:
    """Refuse a resource that does not exist or cannot be scaled by the dimension."""
    client = cloud.client("sagemaker", principal=INTERNAL, region=key.region)
    if key.dimension == COPIES:
        _check_component(client, key)
        return
    match = _VARIANT.fullmatch(key.resource)
    if match is None:
        raise invalid(
            f"Unsupported resource id: {key.resource} (expected endpoint/<name>/variant/<name>)"
        )
    endpoint, name = match.groups()
    try:
        described = client.describe_endpoint(EndpointName=endpoint)
        config = client.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    except ClientError as error:
        raise _no_such_variant(key) from error
    known = [*config["ProductionVariants"], *described.get("ProductionVariants", ())]
    variant = next((v for v in known if v["VariantName"] == name), None)
    if variant is None:
        raise _no_such_variant(key)
    _check_variant(key, variant, config, minimum)


def scaled_variants_changed(
    scaled: set[str], old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[str]:
    """Variants with a scalable target that an update removes or whose instance type it changes."""
    types = {v["VariantName"]: v.get("InstanceType") for v in new["ProductionVariants"]}
    return [
        variant["VariantName"]
        for variant in old["ProductionVariants"]
        if variant["VariantName"] in scaled
        and types.get(variant["VariantName"], "") != variant.get("InstanceType")
    ]


def _check_component(client: Any, key: TargetKey) -> None:
    match = _COMPONENT.fullmatch(key.resource)
    if match is None:
        raise invalid(
            f"Unsupported resource id: {key.resource} (expected inference-component/<name>)"
        )
    try:
        client.describe_inference_component(InferenceComponentName=match[1])
    except ClientError as error:
        raise invalid(f"SageMaker inference component doesn't exist: {key.resource}") from error


def _check_variant(
    key: TargetKey, variant: Mapping[str, Any], config: Mapping[str, Any], minimum: int
) -> None:
    serverless = variant.get("ServerlessConfig")
    if key.dimension == CONCURRENCY:
        if not (serverless or {}).get("ProvisionedConcurrency"):
            raise invalid(f"{key.resource} has no provisioned concurrency that could be scaled")
        return
    if serverless:
        raise invalid(f"{key.resource} is serverless; {INSTANCES} is for instances")
    if str(variant.get("InstanceType", "")).startswith("ml.t2."):
        raise invalid(
            f"Auto scaling does not support burstable instances such as {variant['InstanceType']}"
            f", which {key.resource} runs on"
        )
    if minimum < 1 and "AsyncInferenceConfig" not in config:
        raise invalid(
            f"Minimum capacity cannot be less than 1 for {key.resource}; only variants of "
            f"asynchronous endpoints and inference components scale to 0, got {minimum}"
        )


def _no_such_variant(key: TargetKey) -> Exception:
    return invalid(f"SageMaker endpoint variant doesn't exist: {key.resource}")
