"""The directory that a training container uses as ``/opt/ml``, with its configuration files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sageloop.local_cloud.sagemaker.training.channels.channel import Channel
from sageloop.local_cloud.sagemaker.training.cluster import Cluster, HostPlan

INSIDE = PurePosixPath("/opt/ml")
CHECKPOINTS = str(INSIDE / "checkpoints")
WARM_CACHE = "sagemaker/warmpoolcache"


@dataclass(frozen=True, slots=True)
class JobDirectory:
    """Paths below the ``/opt/ml`` directory of a host."""

    base: Path

    @property
    def config(self) -> Path:
        """The directory of the configuration files."""
        return self.base / "input" / "config"

    @property
    def model(self) -> Path:
        """The directory that is uploaded as ``model.tar.gz``."""
        return self.base / "model"

    @property
    def output(self) -> Path:
        """The directory that is uploaded as ``output.tar.gz``."""
        return self.base / "output" / "data"

    @property
    def failure(self) -> Path:
        """The file to which a container writes its failure reason."""
        return self.base / "output" / "failure"

    @property
    def warm_cache(self) -> Path:
        """The directory that a warm pool keeps for the next job."""
        return self.base / WARM_CACHE

    def channel(self, name: str) -> Path:
        """The directory of a channel's files."""
        return self.base / "input" / "data" / name

    def inside(self, path: str) -> Path:
        """The local path of a path under ``/opt/ml``."""
        return self.base / PurePosixPath(path).relative_to(INSIDE)

    def failure_text(self) -> str:
        """The failure reason that the container wrote, or an empty string."""
        if not self.failure.is_file():
            return ""
        with self.failure.open(errors="replace") as file:
            return file.read(1024).strip()


def prepare(
    base: Path, job: dict[str, Any], cluster: Cluster, host: HostPlan, channels: Sequence[Channel]
) -> JobDirectory:
    """Create the directory of a host and write its configuration files."""
    directory = JobDirectory(base)
    checkpoints = job.get("CheckpointConfig", {})
    checkpoint_path = checkpoints.get("LocalPath", CHECKPOINTS)
    for path in (
        directory.config, directory.model, directory.output, base / "code", base / "input" / "data",
        base / "output" / "intermediate", directory.inside(checkpoint_path),
        *(directory.channel(c.name) for c in channels if c.mode != "Pipe"),
    ):  # fmt: skip
        path.mkdir(parents=True, exist_ok=True)
    _write(directory, "hyperparameters", job.get("HyperParameters", {}))
    _write(directory, "inputdataconfig", {c.name: c.config_entry() for c in channels})
    _write(directory, "resourceconfig", cluster.resource_config(host))
    if checkpoints:
        document = {
            "S3Uri": checkpoints["S3Uri"],
            "LocalPath": checkpoint_path,
        }
        _write(directory, "checkpointconfig", document)
    return directory


def fallback_environment(directory: JobDirectory, channels: Sequence[Channel]) -> dict[str, str]:
    """Environment variables for programs without a private ``/opt/ml``."""
    base = directory.base
    return {
        "SAGEMAKER_BASE_DIR": str(base),
        "SM_INPUT_DIR": str(base / "input"),
        "SM_INPUT_CONFIG_DIR": str(directory.config),
        "SM_MODEL_DIR": str(directory.model),
        "SM_OUTPUT_DIR": str(base / "output"),
        "SM_OUTPUT_DATA_DIR": str(directory.output),
    } | {f"SM_CHANNEL_{c.name.upper()}": str(directory.channel(c.name)) for c in channels}


def _write(directory: JobDirectory, name: str, content: dict[str, Any]) -> None:
    (directory.config / f"{name}.json").write_text(json.dumps(content))
