"""The directory that is a job's ``/opt/ml``, and the files in it that say what the job is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HOST = "algo-1"
_GROUP = "homogeneousCluster"


@dataclass(frozen=True, slots=True)
class JobDirectory:
    """Paths under a job's ``/opt/ml``."""

    base: Path

    @property
    def config(self) -> Path:
        """Where the configuration files lie."""
        return self.base / "input" / "config"

    @property
    def model(self) -> Path:
        """What becomes ``model.tar.gz``."""
        return self.base / "model"

    @property
    def output(self) -> Path:
        """What becomes ``output.tar.gz``."""
        return self.base / "output" / "data"

    @property
    def failure(self) -> Path:
        """The file in which a container says why it failed."""
        return self.base / "output" / "failure"

    def channel(self, name: str) -> Path:
        """Where a channel's files lie."""
        return self.base / "input" / "data" / name

    def failure_text(self) -> str:
        """What the container wrote as the reason of its failure, or nothing."""
        if not self.failure.is_file():
            return ""
        with self.failure.open(errors="replace") as file:
            return file.read(1024).strip()


def prepare(base: Path, job: dict[str, Any]) -> JobDirectory:
    """Make the directory and write its configuration files from a job's description."""
    directory = JobDirectory(base)
    channels = job.get("InputDataConfig", [])
    for path in (
        directory.config, directory.model, directory.output, base / "code",
        base / "output" / "intermediate", base / "checkpoints",
        *(directory.channel(c["ChannelName"]) for c in channels),
    ):  # fmt: skip
        path.mkdir(parents=True, exist_ok=True)
    mode = job["AlgorithmSpecification"].get("TrainingInputMode", "File")
    _write(directory, "hyperparameters", job.get("HyperParameters", {}))
    _write(
        directory, "inputdataconfig", {c["ChannelName"]: _channel(c, mode) for c in channels}
    )  # fmt: skip
    _write(directory, "resourceconfig", _resources(job["ResourceConfig"]["InstanceType"]))
    return directory


def fallback_environment(directory: JobDirectory, channels: list[str]) -> dict[str, str]:
    """Variables for programs that cannot have a private ``/opt/ml`` on this machine."""
    base = directory.base
    return {
        "SAGEMAKER_BASE_DIR": str(base),
        "SM_INPUT_DIR": str(base / "input"),
        "SM_INPUT_CONFIG_DIR": str(directory.config),
        "SM_MODEL_DIR": str(directory.model),
        "SM_OUTPUT_DIR": str(base / "output"),
        "SM_OUTPUT_DATA_DIR": str(directory.output),
    } | {f"SM_CHANNEL_{name.upper()}": str(directory.channel(name)) for name in channels}


def _channel(channel: dict[str, Any], mode: str) -> dict[str, str]:
    s3 = channel["DataSource"].get("S3DataSource", {})
    described = {
        "TrainingInputMode": channel.get("InputMode", mode),
        "S3DistributionType": s3.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    if "ContentType" in channel:
        described["ContentType"] = channel["ContentType"]
    return described


def _resources(instance_type: str) -> dict[str, Any]:
    group = {
        "instance_group_name": _GROUP, "instance_type": instance_type, "hosts": [_HOST],
    }  # fmt: skip
    return {
        "current_host": _HOST,
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "hosts": [_HOST],
        "instance_groups": [group],
        "network_interface_name": "eth0",
        "topology": None,
    }


def _write(directory: JobDirectory, name: str, content: dict[str, Any]) -> None:
    (directory.config / f"{name}.json").write_text(json.dumps(content))
