"""The response of DescribeEndpoint, from the stored document and the running fleets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.sagemaker.hosting.instances.fleet import Fleet, VariantFleet
from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint, Progress


def describe(document: Mapping[str, Any], live: LiveEndpoint | None) -> dict[str, Any]:
    """The description of an endpoint."""
    described = dict(document)
    if live is None:
        return described
    fleet = live.fleet
    if fleet is not None:
        described["ProductionVariants"] = [_summary(v) for v in fleet.variants.values()]
        if fleet.shadows:
            described["ShadowProductionVariants"] = [_summary(v) for v in fleet.shadows.values()]
        described |= _optional(fleet, document["EndpointStatus"])
    progress = live.progress
    if progress is not None:
        described["PendingDeploymentSummary"] = pending(progress)
    return described


def pending(progress: Progress) -> dict[str, Any]:
    """The PendingDeploymentSummary of a deployment in progress."""
    fleet = progress.fleet
    summary = {
        "EndpointConfigName": progress.config_name,
        "StartTime": progress.started,
        "ProductionVariants": [_pending(progress, v) for v in fleet.variants.values()],
    }
    if fleet.shadows:
        summary["ShadowProductionVariants"] = [
            _pending(progress, variant) for variant in fleet.shadows.values()
        ]
    return summary


def _pending(progress: Progress, variant: VariantFleet) -> dict[str, Any]:
    summary = _summary(variant)
    if variant.spec.instance_type is not None:
        summary["InstanceType"] = variant.spec.instance_type
    step = progress.steps.get(variant.spec.name)
    if step is not None:
        summary["VariantStatus"] = [
            {"Status": step.status, "StatusMessage": step.message, "StartTime": step.since}
        ]
    return summary


def _summary(variant: VariantFleet) -> dict[str, Any]:
    images = variant.spec.blueprint.images or (variant.spec.image,)
    # A variant for inference components has no image of its own.
    deployed = [
        {
            "SpecifiedImage": image,
            "ResolvedImage": resolved(image),
            "ResolutionTime": variant.spec.resolved_at,
        }
        for image in images
        if image
    ]
    return {
        "VariantName": variant.spec.name,
        **({"DeployedImages": deployed} if deployed else {}),
        **variant.summary(),
    }


def _optional(fleet: Fleet, status: str) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if "MetricsConfig" in fleet.config:
        members["MetricsConfig"] = fleet.config["MetricsConfig"]
    if "AsyncInferenceConfig" in fleet.config:
        members["AsyncInferenceConfig"] = fleet.config["AsyncInferenceConfig"]
    capture = fleet.config.get("DataCaptureConfig")
    if capture is not None:
        enabled = capture.get("EnableCapture", True)
        members["DataCaptureConfig"] = {
            "EnableCapture": enabled,
            "CaptureStatus": "Started" if enabled and status != "Deleting" else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
            "KmsKeyId": capture.get("KmsKeyId", ""),
        }
    return members


def resolved(image: str) -> str:
    """An image reference with a digest."""
    if "@sha256:" in image:
        return image
    repository, _, tag = image.rpartition(":")
    name = repository if repository and "/" not in tag else image
    # No image is pulled; the digest is computed from the name, so equal names give equal digests.
    return f"{name}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"
