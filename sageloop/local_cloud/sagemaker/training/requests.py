"""What CreateTrainingJob refuses beyond the model's own constraints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker import containers

Request = dict[str, Any]

_NOT_EXECUTED = (
    "EnableManagedSpotTraining", "CheckpointConfig", "DebugHookConfig",
    "DebugRuleConfigurations", "TensorBoardOutputConfig", "ProfilerRuleConfigurations",
    "ExperimentConfig", "RemoteDebugConfig", "InfraCheckConfig", "SessionChainingConfig",
    "ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig",
)  # fmt: skip
_RESOURCES_NOT_EXECUTED = (
    "InstanceGroups", "KeepAlivePeriodInSeconds", "TrainingPlanArn", "InstancePlacementConfig",
)  # fmt: skip
_CHANNEL_NOT_EXECUTED = ("ShuffleConfig",)
_SOURCE_NOT_EXECUTED = ("FileSystemDataSource", "DatasetSource")
_S3_NOT_EXECUTED = (
    "AttributeNames", "InstanceGroupNames", "ModelAccessConfig", "HubAccessConfig",
)  # fmt: skip


def check(request: Request, allow: frozenset[str]) -> None:
    """Refuse a request that AWS would refuse or that cannot be executed here.

    Members in ``allow`` as ``training:<Member>`` are stored and not executed. Raises
    ``AwsError`` ValidationException.
    """
    for message in _mistakes(request):
        raise AwsError("ValidationException", message)
    missing = [what for what in _not_executed(request) if f"training:{what}" not in allow]
    if missing:
        raise AwsError(
            "ValidationException",
            f"not executed yet by the local cloud: {', '.join(missing)}; nothing was started. "
            f"Allow by name to have it stored only: --allow training:{missing[0]}",
        )


def check_image(image: str, allow: frozenset[str]) -> bool:
    """Whether an image has a local program.

    Raises ``AwsError`` if it has none and ``image:<uri>`` is not in ``allow``.
    """
    if containers.training_command(image) is not None:
        return True
    if f"image:{image}" in allow:
        return False
    raise AwsError(
        "ValidationException",
        f"the training image {image} has no program on this machine (there is one for "
        f"{', '.join(containers.known_images())}). Allow it by name to have its jobs stored, "
        f"not executed: --allow image:{image}",
    )


def _mistakes(request: Request) -> Iterator[str]:
    specification = request.get("AlgorithmSpecification")
    if specification is None:
        yield "AlgorithmSpecification is required."
        return
    if ("TrainingImage" in specification) == ("AlgorithmName" in specification):
        yield (
            "Exactly one of AlgorithmSpecification.TrainingImage and "
            "AlgorithmSpecification.AlgorithmName must be specified."
        )
    if "ResourceConfig" not in request:
        yield "ResourceConfig is required."
    elif not {"InstanceGroups", "InstanceType"} & request["ResourceConfig"].keys():
        yield "ResourceConfig.InstanceType is required unless InstanceGroups are given."
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", ())]
    for name in names:
        if names.count(name) > 1:
            yield f"InputDataConfig has more than one channel named {name}; names must be unique."
    for definition in specification.get("MetricDefinitions", ()):
        yield from _regex_mistakes(definition)
    if not request["OutputDataConfig"].get("S3OutputPath", "").startswith(("s3://", "https://")):
        yield "OutputDataConfig.S3OutputPath must be an S3 URI."


def _regex_mistakes(definition: dict[str, str]) -> Iterator[str]:
    try:
        groups = re.compile(definition["Regex"]).groups
    except re.error as error:
        yield f"The regex of metric {definition['Name']} is not valid: {error}"
        return
    if groups == 0:
        yield f"The regex of metric {definition['Name']} has no capture group for the value."


def _not_executed(request: Request) -> Iterator[str]:
    yield from (member for member in _NOT_EXECUTED if request.get(member))
    profiler = request.get("ProfilerConfig", {})
    if profiler and not profiler.get("DisableProfiler"):
        yield "ProfilerConfig"
    resources = request["ResourceConfig"]
    yield from (f"ResourceConfig.{m}" for m in _RESOURCES_NOT_EXECUTED if resources.get(m))
    if resources.get("InstanceCount", 1) > 1:
        yield "ResourceConfig.InstanceCount above 1"
    yield from _algorithm(request["AlgorithmSpecification"])
    for channel in request.get("InputDataConfig", ()):
        yield from _channel(channel)
    image = request["AlgorithmSpecification"].get("TrainingImage", "")
    if containers.is_xgboost(image) and "sagemaker_program" in request.get("HyperParameters", {}):
        yield "script mode (hyperparameter sagemaker_program) of the XGBoost image"


def _algorithm(specification: dict[str, Any]) -> Iterator[str]:
    for member in (
        "AlgorithmName", "ContainerEntrypoint", "ContainerArguments", "TrainingImageConfig",
    ):  # fmt: skip
        if specification.get(member):
            yield f"AlgorithmSpecification.{member}"
    if specification.get("TrainingInputMode") == "Pipe":
        yield "AlgorithmSpecification.TrainingInputMode Pipe"


def _channel(channel: dict[str, Any]) -> Iterator[str]:
    where = f"channel {channel['ChannelName']}"
    tests: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("InputMode Pipe", lambda: channel.get("InputMode") == "Pipe"),
        ("CompressionType Gzip", lambda: channel.get("CompressionType") == "Gzip"),
        ("RecordWrapperType RecordIO", lambda: channel.get("RecordWrapperType") == "RecordIO"),
    )
    yield from (f"{what} of {where}" for what, found in tests if found())
    yield from (f"{m} of {where}" for m in _CHANNEL_NOT_EXECUTED if m in channel)
    source = channel["DataSource"]
    yield from (f"{m} of {where}" for m in _SOURCE_NOT_EXECUTED if m in source)
    s3 = source.get("S3DataSource", {})
    yield from (f"{m} of {where}" for m in _S3_NOT_EXECUTED if m in s3)
    if s3.get("S3DataType", "S3Prefix") not in ("S3Prefix", "ManifestFile"):
        yield f"S3DataType {s3['S3DataType']} of {where}"
