"""Checks of Security Hub's SageMaker controls 1 to 25 on templates.

https://docs.aws.amazon.com/securityhub/latest/userguide/sagemaker-controls.html
No offline tool has most of these. A control is a predicate over one resource's properties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.security.checks.flatten import Template, as_list, properties, resources

Check = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Control:
    """One control: its id, its resource type and its predicate."""

    id: str
    type: str
    passes: Check


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A resource that fails a control."""

    control: str
    resource: str


def _at(holder: Mapping[str, Any], path: str) -> Any:
    value: Any = holder
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _is(path: str, expected: Any) -> Check:
    return lambda p: _at(p, path) == expected


def _true(path: str) -> Check:
    return lambda p: _at(p, path) in (True, "true", "True")


def _has_value(path: str) -> Check:
    return lambda p: bool(_at(p, path))


def _two_instances(p: Mapping[str, Any]) -> bool:
    variants = as_list(p.get("ProductionVariants"))
    return all(
        "ServerlessConfig" in v or int(v.get("InitialInstanceCount", 0)) > 1 for v in variants
    )


def _private_registry(p: Mapping[str, Any]) -> bool:
    container = p.get("PrimaryContainer")
    return not container or _at(container, "ImageConfig.RepositoryAccessMode") == "Vpc"


def _private_registries(p: Mapping[str, Any]) -> bool:
    return all(
        _at(c, "ImageConfig.RepositoryAccessMode") == "Vpc" for c in as_list(p.get("Containers"))
    )


def _online_key(p: Mapping[str, Any]) -> bool:
    online = p.get("OnlineStoreConfig")
    return not online or bool(_at(online, "SecurityConfig.KmsKeyId"))


def _offline_key(p: Mapping[str, Any]) -> bool:
    offline = p.get("OfflineStoreConfig")
    return not offline or bool(_at(offline, "S3StorageConfig.KmsKeyId"))


def _bias_traffic(p: Mapping[str, Any]) -> bool:
    count = int(_at(p, "JobResources.ClusterConfig.InstanceCount") or 1)
    return count < 2 or _true("NetworkConfig.EnableInterContainerTrafficEncryption")(p)


_ISOLATED = _true("NetworkConfig.EnableNetworkIsolation")
_TRAFFIC = _true("NetworkConfig.EnableInterContainerTrafficEncryption")
_SCHEDULE = "MonitoringScheduleConfig.MonitoringJobDefinition.NetworkConfig."

CONTROLS = tuple(
    Control(f"SageMaker.{number}", f"AWS::SageMaker::{kind}", check)
    for number, kind, check in (
        (1, "NotebookInstance", _is("DirectInternetAccess", "Disabled")),
        (2, "NotebookInstance", _has_value("SubnetId")),
        (3, "NotebookInstance", _is("RootAccess", "Disabled")),
        (4, "EndpointConfig", _two_instances),
        (5, "Model", _true("EnableNetworkIsolation")),
        (6, "AppImageConfig", _has_value("Tags")),
        (7, "Image", _has_value("Tags")),
        (8, "NotebookInstance", _is("PlatformIdentifier", "notebook-al2023-v1")),
        (9, "DataQualityJobDefinition", _TRAFFIC),
        (10, "ModelExplainabilityJobDefinition", _TRAFFIC),
        (11, "DataQualityJobDefinition", _ISOLATED),
        (12, "ModelBiasJobDefinition", _ISOLATED),
        (13, "ModelQualityJobDefinition", _TRAFFIC),
        (14, "MonitoringSchedule", _true(_SCHEDULE + "EnableNetworkIsolation")),
        (15, "ModelBiasJobDefinition", _bias_traffic),
        (16, "Model", _private_registry),
        (17, "FeatureGroup", _offline_key),
        (18, "FeatureGroup", _online_key),
        (19, "Model", _private_registries),
        (20, "ModelExplainabilityJobDefinition", _ISOLATED),
        (21, "NotebookInstance", _has_value("KmsKeyId")),
        (22, "MonitoringSchedule", _true(_SCHEDULE + "EnableInterContainerTrafficEncryption")),
        (23, "InferenceExperiment", _has_value("KmsKey")),
        (24, "InferenceExperiment", _has_value("DataStorageConfig.KmsKey")),
        (25, "ModelQualityJobDefinition", _ISOLATED),
    )
)


def findings(template: Template) -> list[Finding]:
    """Every resource that fails a control, in order."""
    return sorted(
        Finding(control.id, name)
        for control in CONTROLS
        for name, resource in resources(template, control.type).items()
        if not control.passes(properties(resource))
    )
