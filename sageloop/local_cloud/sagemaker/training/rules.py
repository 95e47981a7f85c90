"""Constraints of CreateTrainingJob that botocore's model does not declare.

The rules are those of the API reference and the developer guide. Where they do not document AWS's
message, the message is the local cloud's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from sageloop.local_cloud.core.user_patterns import compiled

Request = dict[str, Any]

# Instance types with local NVMe, which is encrypted by hardware.
_LOCAL_STORAGE = re.compile(
    r"ml\.(g4dn|g5|g6|g6e|g7|g7e|p3dn|p4d|p4de|p5|p5e|p5en|p6-\w+|p6e-\w+|r5d|trn1|trn1n|trn2)\."
)
_WITHOUT_CHECKPOINTS = re.compile(r"(^|/)(kmeans|linear-learner)(:|$)")
_MAX_WAIT_WITHOUT_CHECKPOINTS = 3600
_OPT_ML = PurePosixPath("/opt/ml")
_RESERVED = ("code", "input", "model", "output", "sagemaker")
_MODE = "TrainingInputMode"


def violations(request: Request) -> Iterator[str]:
    """The violated constraints of a request, one line each."""
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
        return
    yield from _resources(request)
    yield from _spot(request)
    yield from _channels(request, specification.get(_MODE, "File"))
    yield from _checkpoints(request)
    for definition in specification.get("MetricDefinitions", ()):
        yield from _regex(definition)
    if not request["OutputDataConfig"].get("S3OutputPath", "").startswith(("s3://", "https://")):
        yield "OutputDataConfig.S3OutputPath must be an S3 URI."


def _resources(request: Request) -> Iterator[str]:
    resources = request["ResourceConfig"]
    groups = resources.get("InstanceGroups", ())
    if groups:
        excluded = [m for m in ("InstanceType", "InstanceCount") if resources.get(m)]
        if excluded:
            yield f"ResourceConfig.{excluded[0]} cannot be specified together with InstanceGroups."
        names = [group["InstanceGroupName"] for group in groups]
        if len(set(names)) < len(names):
            yield f"InstanceGroupName must be unique within InstanceGroups, got {', '.join(names)}."
    elif "InstanceType" not in resources and "InstancePreferences" not in resources:
        yield "ResourceConfig.InstanceType is required unless InstanceGroups are given."
    counts = [group["InstanceCount"] for group in groups] or [resources.get("InstanceCount", 1)]
    if min(counts) < 1:
        yield f"InstanceCount must be at least 1, got {min(counts)}."
    yield from _volumes(resources)
    if resources.get("KeepAlivePeriodInSeconds"):
        if groups:
            yield "KeepAlivePeriodInSeconds is not supported with heterogeneous InstanceGroups."
        if request.get("EnableManagedSpotTraining"):
            yield "KeepAlivePeriodInSeconds is not supported with EnableManagedSpotTraining."


def _volumes(resources: Mapping[str, Any]) -> Iterator[str]:
    if not resources.get("VolumeKmsKeyId"):
        return
    groups = resources.get("InstanceGroups") or [resources]
    for kind in dict.fromkeys(group.get("InstanceType", "") for group in groups):
        if _LOCAL_STORAGE.match(kind):
            yield (
                f"VolumeKmsKeyId is not supported for instance type {kind}, which has local "
                "storage encrypted by hardware."
            )


def _spot(request: Request) -> Iterator[str]:
    limits = request.get("StoppingCondition", {})
    max_wait = limits.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if max_wait is not None:
            yield (
                "Invalid MaxWaitTimeInSeconds. It can be specified only when "
                "EnableManagedSpotTraining is true."
            )
        return
    max_runtime = limits.get("MaxRuntimeInSeconds", 86_400)
    if max_wait is None or max_wait < max_runtime:
        yield (
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            f"MaxRuntimeInSeconds ({max_runtime}) when EnableManagedSpotTraining is true, "
            f"got {max_wait}."
        )
        return
    image = request["AlgorithmSpecification"].get("TrainingImage", "")
    if _WITHOUT_CHECKPOINTS.search(image) and max_wait > _MAX_WAIT_WITHOUT_CHECKPOINTS:
        yield (
            "Invalid MaxWaitTimeInSeconds. An algorithm that does not checkpoint may wait at most "
            f"{_MAX_WAIT_WITHOUT_CHECKPOINTS} seconds, got {max_wait}."
        )


def _channels(request: Request, mode: str) -> Iterator[str]:
    channels = request.get("InputDataConfig", ())
    names = [channel["ChannelName"] for channel in channels]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"InputDataConfig has more than one channel named {name}; names must be unique."
        if name in (".", ".."):
            yield (
                f"InputDataConfig has a channel named {name}, which is not a valid directory name."
            )
    for channel in channels:
        own_mode = channel.get("InputMode", mode)
        label = f"channel {channel['ChannelName']}"
        yield from (f"{label}: {rule}" for rule in _channel(request, channel, own_mode))


def _channel(request: Request, channel: Mapping[str, Any], mode: str) -> Iterator[str]:
    source = channel["DataSource"]
    if len(source) != 1:
        yield f"exactly one data source must be specified, got {', '.join(source) or 'none'}."
    file_system, s3 = "FileSystemDataSource" in source, source.get("S3DataSource", {})
    tests: tuple[tuple[bool, Callable[[], str]], ...] = (
        (
            channel.get("CompressionType") == "Gzip" and mode != "Pipe",
            lambda: f"CompressionType Gzip is used only in Pipe input mode, got {mode}.",
        ),
        (
            channel.get("RecordWrapperType") == "RecordIO" and mode != "Pipe",
            lambda: f"RecordWrapperType RecordIO is used only in Pipe input mode, got {mode}.",
        ),
        (
            file_system and mode != "File",
            lambda: f"FileSystemDataSource is supported only in File input mode, got {mode}.",
        ),
        (
            file_system and not request.get("VpcConfig"),
            lambda: "FileSystemDataSource requires a VpcConfig with access to the file system.",
        ),
    )
    yield from (label() for broken, label in tests if broken)
    yield from _s3_source(request, s3, mode)


def _s3_source(request: Request, s3: Mapping[str, Any], mode: str) -> Iterator[str]:
    if s3.get("S3DataType") == "AugmentedManifestFile":
        if mode != "Pipe":
            yield f"S3DataType AugmentedManifestFile is used only in Pipe input mode, got {mode}."
        if not s3.get("AttributeNames"):
            yield "S3DataType AugmentedManifestFile requires AttributeNames."
    elif s3.get("AttributeNames"):
        yield "AttributeNames are used only with S3DataType AugmentedManifestFile."
    groups = request["ResourceConfig"].get("InstanceGroups", ())
    known = [group["InstanceGroupName"] for group in groups]
    for name in s3.get("InstanceGroupNames", ()):
        if name not in known:
            yield (
                f"InstanceGroupNames has {name}, which is no instance group of the job; there "
                f"are {', '.join(known) or 'none'}."
            )


def _checkpoints(request: Request) -> Iterator[str]:
    config = request.get("CheckpointConfig", {})
    if "S3Uri" in config and not config["S3Uri"].startswith(("s3://", "https://")):
        yield "CheckpointConfig.S3Uri must be an S3 URI."
    path = PurePosixPath(config.get("LocalPath", _OPT_ML / "checkpoints"))
    inside = path.is_relative_to(_OPT_ML) and ".." not in path.parts
    if not inside or path == _OPT_ML or path.parts[3] in _RESERVED:
        yield (
            f"CheckpointConfig.LocalPath {path} cannot be provided by the local cloud: it must be "
            f"under /opt/ml and not in one of its directories {', '.join(_RESERVED)}."
        )


def _regex(definition: dict[str, str]) -> Iterator[str]:
    try:
        groups = compiled(definition["Regex"]).groups
    except ValueError as error:
        yield f"The regex of metric {definition['Name']} is not valid: {error}"
        return
    if groups == 0:
        yield f"The regex of metric {definition['Name']} has no capture group for the value."
