"""DescribeEndpoint's answer, from what is stored and what runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.sagemaker.hosting.fleet import Fleet, VariantFleet
from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint, Progress


def describe(document: Mapping[str, Any], live: LiveEndpoint | None) -> dict[str, Any]:
    """The whole description of an endpoint."""
    described = dict(document)
    if live is None:
        return described
    fleet = live.fleet
    if fleet is not None:
        described["ProductionVariants"] = [_summary(v) for v in fleet.variants.values()]
        described |= _optional(fleet, document["EndpointStatus"])
    progress = live.progress
    if progress is not None:
        described["PendingDeploymentSummary"] = pending(progress)
    return described


def pending(progress: Progress) -> dict[str, Any]:
    """PendingDeploymentSummary of a deployment under way."""
    instance_types = {
        v["VariantName"]: v["InstanceType"] for v in progress.fleet.config["ProductionVariants"]
    }
    variants = []
    for name, variant in progress.fleet.variants.items():
        summary = _summary(variant) | {"InstanceType": instance_types[name]}
        step = progress.steps.get(name)
        if step is not None:
            summary["VariantStatus"] = [
                {"Status": step.status, "StatusMessage": step.message, "StartTime": step.since}
            ]
        variants.append(summary)
    return {
        "EndpointConfigName": progress.config_name,
        "StartTime": progress.started,
        "ProductionVariants": variants,
    }


def _summary(variant: VariantFleet) -> dict[str, Any]:
    image = variant.spec.image
    return {
        "VariantName": variant.spec.name,
        "DeployedImages": [
            {
                "SpecifiedImage": image,
                "ResolvedImage": _resolved(image),
                "ResolutionTime": variant.spec.resolved_at,
            }
        ],
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": variant.count,
        "DesiredInstanceCount": variant.desired,
    }


def _optional(fleet: Fleet, status: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "MetricsConfig" in fleet.config:
        found["MetricsConfig"] = fleet.config["MetricsConfig"]
    capture = fleet.config.get("DataCaptureConfig")
    if capture is not None:
        enabled = capture.get("EnableCapture", True)
        found["DataCaptureConfig"] = {
            "EnableCapture": enabled,
            "CaptureStatus": "Started" if enabled and status != "Deleting" else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
            "KmsKeyId": capture.get("KmsKeyId", ""),
        }
    return found


def _resolved(image: str) -> str:
    if "@sha256:" in image:
        return image
    repository, _, tag = image.rpartition(":")
    name = repository if repository and "/" not in tag else image
    # No image is pulled; the digest is one of the name, so that equal images look equal.
    return f"{name}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"
