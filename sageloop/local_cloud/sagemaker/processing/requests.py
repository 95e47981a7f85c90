"""Constraints of CreateProcessingJob that the service model does not declare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from sageloop.local_cloud.core.errors import AwsError

Request = dict[str, Any]

ROOT = "/opt/ml/processing"


def check(request: Request, allow: frozenset[str]) -> None:
    """Refuse a request that AWS would refuse or that the local cloud cannot execute.

    Members in ``allow`` as ``processing:<Member>`` are stored and not executed. Raises ``AwsError``
    ValidationException.
    """
    for message in _violations(request):
        raise AwsError("ValidationException", message)
    missing = [what for what in _not_executed(request) if f"processing:{what}" not in allow]
    if missing:
        raise AwsError(
            "ValidationException",
            f"not executed by the local cloud: {', '.join(missing)}; nothing was started. "
            f"To store it without executing it: --allow processing:{missing[0]}",
        )


def inputs_of(request: Request) -> list[dict[str, Any]]:
    """The inputs that SageMaker downloads (not AppManaged)."""
    return [
        entry for entry in request.get("ProcessingInputs", ())
        if "S3Input" in entry and not entry.get("AppManaged", False)
    ]  # fmt: skip


def outputs_of(request: Request) -> list[dict[str, Any]]:
    """The outputs that SageMaker uploads (not AppManaged)."""
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", ())
    return [o for o in outputs if "S3Output" in o and not o.get("AppManaged", False)]


def instances_of(request: Request) -> tuple[str, int]:
    """The instance type and count of a cluster; of InstancePreferences, the first."""
    cluster = request["ProcessingResources"]["ClusterConfig"]
    chosen = (cluster.get("InstancePreferences") or [{}])[0]
    count = chosen.get("InstanceCount", cluster.get("InstanceCount", 1))
    return chosen.get("InstanceType", cluster.get("InstanceType", "")), int(count)


def _violations(request: Request) -> Iterator[str]:
    yield from _cluster_violations(request["ProcessingResources"]["ClusterConfig"])
    inputs = request.get("ProcessingInputs", [])
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    yield from _duplicates("ProcessingInputs", "InputName", inputs)
    yield from _duplicates("ProcessingOutputConfig.Outputs", "OutputName", outputs)
    for entry in inputs:
        yield from _input_violations(entry)
    for entry in outputs:
        yield from _output_violations(entry)


def _cluster_violations(cluster: dict[str, Any]) -> Iterator[str]:
    preferences = cluster.get("InstancePreferences")
    if (preferences is None) == ("InstanceType" not in cluster):
        yield (
            "Exactly one of ClusterConfig.InstanceType and ClusterConfig.InstancePreferences must "
            "be specified."
        )
    counted = sum("InstanceCount" in preference for preference in preferences or ())
    if counted not in (0, len(preferences or ())) or (counted and "InstanceCount" in cluster):
        yield (
            "InstanceCount must be specified either in each of InstancePreferences or once in "
            "ClusterConfig."
        )


def _duplicates(where: str, member: str, entries: list[dict[str, Any]]) -> Iterator[str]:
    names = [entry[member] for entry in entries]
    for name in names:
        if names.count(name) > 1:
            yield f"{where} has more than one {member} {name}; names must be unique."


def _input_violations(entry: dict[str, Any]) -> Iterator[str]:
    where = f"ProcessingInput {entry['InputName']}"
    if ("S3Input" in entry) == ("DatasetDefinition" in entry):
        yield f"{where} needs exactly one of S3Input and DatasetDefinition."
        return
    s3 = entry.get("S3Input", {})
    if s3 and not entry.get("AppManaged", False):
        yield from _path_violations(where, s3.get("LocalPath"))
        if not s3.get("S3InputMode"):
            yield f"{where} needs S3InputMode unless it is AppManaged."
    if s3.get("S3CompressionType") == "Gzip" and s3.get("S3InputMode") != "Pipe":
        yield f"{where}: S3CompressionType Gzip can only be used with S3InputMode Pipe."


def _output_violations(entry: dict[str, Any]) -> Iterator[str]:
    where = f"ProcessingOutput {entry['OutputName']}"
    if not {"S3Output", "FeatureStoreOutput"} & entry.keys():
        yield f"{where} needs S3Output or FeatureStoreOutput."
    if "S3Output" in entry and not entry.get("AppManaged", False):
        yield from _path_violations(where, entry["S3Output"].get("LocalPath"))


def _path_violations(where: str, path: str | None) -> Iterator[str]:
    if path is None:
        yield f"{where} needs LocalPath unless it is AppManaged."
    elif not _below_root(path):
        yield f"{where}: LocalPath must begin with {ROOT}/, got {path}."


def _below_root(path: str) -> bool:
    pure = PurePosixPath(path)
    return ".." not in pure.parts and PurePosixPath(ROOT) in pure.parents


def _not_executed(request: Request) -> Iterator[str]:
    if request.get("ExperimentConfig"):
        yield "ExperimentConfig"
    for entry in request.get("ProcessingInputs", ()):
        where = f"of input {entry['InputName']}"
        if "DatasetDefinition" in entry:
            yield f"DatasetDefinition {where}"
        if entry.get("S3Input", {}).get("S3InputMode") == "Pipe":
            yield f"S3InputMode Pipe {where}"
    for entry in request.get("ProcessingOutputConfig", {}).get("Outputs", ()):
        if "FeatureStoreOutput" in entry:
            yield f"FeatureStoreOutput of output {entry['OutputName']}"
