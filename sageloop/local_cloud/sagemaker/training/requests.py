"""Constraints of CreateTrainingJob that the service model does not declare."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from sageloop.local_cloud import images
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.training.rules import Request, violations

_NOT_EXECUTED = (
    "DebugHookConfig", "DebugRuleConfigurations", "TensorBoardOutputConfig",
    "ProfilerRuleConfigurations", "ExperimentConfig", "RemoteDebugConfig", "InfraCheckConfig",
    "SessionChainingConfig", "ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig",
)  # fmt: skip
_RESOURCES_NOT_EXECUTED = ("TrainingPlanArn", "InstancePlacementConfig", "InstancePreferences")
_ALGORITHM_NOT_EXECUTED = ("AlgorithmName", "TrainingImageConfig")
_S3_NOT_EXECUTED = ("ModelAccessConfig", "HubAccessConfig")
_EXECUTED_TYPES = ("S3Prefix", "ManifestFile", "AugmentedManifestFile")
_NOT_UPDATED = ("ProfilerConfig", "ProfilerRuleConfigurations", "RemoteDebugConfig")


def check(request: Request, allow: frozenset[str], file_systems: Container[str]) -> None:
    """Refuse a request that AWS would refuse or that the local cloud cannot execute.

    ``file_systems`` are the ids of file systems with a local directory. Members in ``allow`` as
    ``training:<Member>`` are stored and not executed. Raises ``AwsError`` ValidationException.
    """
    for message in violations(request):
        raise AwsError("ValidationException", message)
    _refuse(_not_executed(request), allow)
    for channel in request.get("InputDataConfig", ()):
        system = channel["DataSource"].get("FileSystemDataSource", {}).get("FileSystemId")
        if system is not None and system not in file_systems:
            raise AwsError(
                "ValidationException",
                f"channel {channel['ChannelName']}: the file system {system} has no local "
                "directory; register one with "
                "training.file_systems.register(file_system_id, path).",
            )


def check_update(request: Request) -> None:
    """Refuse an update that UpdateTrainingJob does not support. Raises ``AwsError``."""
    _refuse((m for m in _NOT_UPDATED if request.get(m)), frozenset())


def check_image(request: Request, allow: frozenset[str]) -> bool:
    """Whether a local program can run the image of a job.

    Raises ``AwsError`` if none can and ``image:<uri>`` is not in ``allow``.
    """
    image = request["AlgorithmSpecification"].get("TrainingImage", "")
    refused = images.refusal(image, request)
    if refused is None and images.training_command(image, request) is not None:
        return True
    if f"image:{image}" in allow:
        return False
    if refused is not None:
        raise AwsError("ValidationException", refused)
    raise AwsError(
        "ValidationException",
        f"the training image {image} has no program on this machine (images with a program: "
        f"{', '.join(images.known_images())}). To store its jobs without executing them: "
        f"--allow image:{image}",
    )


def _refuse(members: Iterator[str], allow: frozenset[str]) -> None:
    missing = [what for what in members if f"training:{what}" not in allow]
    if missing:
        raise AwsError(
            "ValidationException",
            f"not executed by the local cloud: {', '.join(missing)}; nothing was started. "
            f"To store it without executing it: --allow training:{missing[0]}",
        )


def _not_executed(request: Request) -> Iterator[str]:
    yield from (member for member in _NOT_EXECUTED if _is_enabled(request.get(member)))
    profiler = request.get("ProfilerConfig", {})
    if profiler and not profiler.get("DisableProfiler"):
        yield "ProfilerConfig"
    resources = request["ResourceConfig"]
    yield from (f"ResourceConfig.{m}" for m in _RESOURCES_NOT_EXECUTED if resources.get(m))
    algorithm = request["AlgorithmSpecification"]
    yield from (f"AlgorithmSpecification.{m}" for m in _ALGORITHM_NOT_EXECUTED if algorithm.get(m))
    for channel in request.get("InputDataConfig", ()):
        yield from _channel(channel)


def _is_enabled(value: Any) -> bool:
    """Whether a member requests a feature: ``{"EnableRemoteDebug": False}`` does not."""
    if isinstance(value, dict):
        return any(item is not False for item in value.values())
    return bool(value)


def _channel(channel: dict[str, Any]) -> Iterator[str]:
    where = f"channel {channel['ChannelName']}"
    source = channel["DataSource"]
    if "DatasetSource" in source:
        yield f"DatasetSource of {where}"
    s3 = source.get("S3DataSource", {})
    yield from (f"{m} of {where}" for m in _S3_NOT_EXECUTED if m in s3)
    kind = s3.get("S3DataType", "S3Prefix")
    if kind not in _EXECUTED_TYPES:
        yield f"S3DataType {kind} of {where}"
