"""The directory that a processing container uses as ``/opt/ml``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from sageloop.local_cloud.sagemaker.processing.requests import inputs_of, outputs_of
from sageloop.local_cloud.sagemaker.training.cluster import Cluster, HostPlan

_MESSAGE_BYTES = 1024
# Members of the job's document that processingjobconfig.json does not contain.
_NOT_CONFIGURED = frozenset(
    ("ProcessingJobStatus", "CreationTime", "LastModifiedTime", "ProcessingStartTime")
)


@dataclass(frozen=True, slots=True)
class HostDirectory:
    """The ``/opt/ml`` directory of one host of a processing job."""

    host: HostPlan
    base: Path

    def path(self, local_path: str) -> Path:
        """The local path of ``/opt/ml/processing/...``."""
        return self.base / PurePosixPath(local_path).relative_to("/opt/ml")

    def message(self) -> str:
        """The first kilobyte that the program wrote to ``/opt/ml/output/message``."""
        path = self.base / "output" / "message"
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_MESSAGE_BYTES).decode(errors="replace").strip()


def prepare(root: Path, host: HostPlan, cluster: Cluster, job: dict[str, Any]) -> HostDirectory:
    """Create the directories of a host and write its two configuration files."""
    directory = HostDirectory(host, root / host.name / "ml")
    config = directory.base / "config"
    for path in (config, directory.base / "output", directory.base / "processing"):
        path.mkdir(parents=True, exist_ok=True)
    for entry in inputs_of(job):
        directory.path(entry["S3Input"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
    for entry in outputs_of(job):
        directory.path(entry["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
    described = {m: v for m, v in job.items() if m not in _NOT_CONFIGURED}
    _write(config / "processingjobconfig.json", described)
    hosts = [other.name for other in cluster.hosts]
    _write(config / "resourceconfig.json", {"current_host": host.name, "hosts": hosts})
    return directory


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written to a configuration file")
