"""The training job of script mode, read from the files under ``/opt/ml``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sageloop.local_cloud.images.script.container_paths import INSIDE, local_path

_PREFIX = "sagemaker_"
# Hyperparameters of the platform; all others with its prefix are meant for the framework.
_PLATFORM = frozenset(
    ("sagemaker_program", "sagemaker_submit_directory", "sagemaker_enable_cloudwatch_metrics",
     "sagemaker_region", "sagemaker_container_log_level", "sagemaker_job_name",
     "default_user_module_name", "_tuning_objective_metric", "sagemaker_s3_output")
)  # fmt: skip
_DISTRIBUTED = (
    "sagemaker_mpi_enabled", "sagemaker_parameter_server_enabled",
    "sagemaker_distributed_dataparallel_enabled", "sagemaker_pytorch_ddp_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled", "sagemaker_torch_distributed_enabled",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Training:
    """A job on one host. ``hyperparameters`` are the user's, ``platform`` those of AWS."""

    base: Path
    environment: Mapping[str, str]
    hyperparameters: Mapping[str, Any]
    platform: Mapping[str, Any]
    framework: Mapping[str, Any]
    resources: Mapping[str, Any]
    channels: Mapping[str, Any]

    @property
    def code(self) -> Path:
        """The directory in which the code runs."""
        return self.base / "code"

    @property
    def output(self) -> Path:
        """The directory of the success and failure files."""
        return self.base / "output"

    @property
    def host(self) -> str:
        """The name of this host."""
        return str(self.resources["current_host"])

    @property
    def hosts(self) -> list[str]:
        """All hosts of the job, in AWS's order."""
        return list(self.resources["hosts"])

    @property
    def group(self) -> str:
        """The instance group of this host."""
        return str(self.resources.get("current_group_name", "homogeneousCluster"))

    @property
    def groups(self) -> list[Mapping[str, Any]]:
        """The instance groups of the resource configuration."""
        return list(self.resources.get("instance_groups", ()))

    @property
    def interface(self) -> str:
        """The network interface of the hosts."""
        return str(self.resources.get("network_interface_name", "eth0"))

    @property
    def group_hosts(self) -> list[str]:
        """The hosts of this host's group."""
        named = [g["hosts"] for g in self.groups if g["instance_group_name"] == self.group]
        return list(named[0]) if named else []

    @property
    def distribution_groups(self) -> list[str]:
        """The instance groups whose hosts train together."""
        names = self.framework.get("sagemaker_distribution_instance_groups")
        if names is not None:
            return list(names)
        return [self.group] if any(self.framework.get(key) for key in _DISTRIBUTED) else []

    @property
    def distribution_hosts(self) -> list[str]:
        """The hosts that train together."""
        if not self.groups:
            return self.hosts
        chosen = self.distribution_groups
        groups = (g["hosts"] for g in self.groups if g["instance_group_name"] in chosen)
        return [host for hosts in groups for host in hosts]

    @property
    def master(self) -> str:
        """The host that coordinates the others."""
        return (self.distribution_hosts or self.hosts)[0]

    @property
    def entry_point(self) -> str | None:
        """The name of the user's program."""
        name = self.environment.get("SAGEMAKER_PROGRAM", self.platform.get("sagemaker_program"))
        return None if name is None else str(name)

    @property
    def module_directory(self) -> str:
        """The source of the code."""
        directory = self.platform.get("sagemaker_submit_directory")
        return str(self.code) if directory is None else str(directory)

    @property
    def log_level(self) -> Any:
        """The log level, 20 (INFO) by default."""
        return self.platform.get("sagemaker_container_log_level", 20)

    def local_path(self, path: str) -> Path:
        """A container path as a path of this machine, where ``/opt/ml`` may differ."""
        return local_path(self.base, path)


def read(environment: Mapping[str, str]) -> Training:
    """Read the job from ``/opt/ml`` or ``SAGEMAKER_BASE_DIR``."""
    base = Path(environment.get("SAGEMAKER_BASE_DIR", str(INSIDE)))
    config = base / "input" / "config"
    values = {name: parsed(text) for name, text in _read(config / "hyperparameters.json").items()}
    own = {k: v for k, v in values.items() if k not in _PLATFORM and not k.startswith(_PREFIX)}
    reserved = {k: v for k, v in values.items() if k not in own}
    return Training(
        base,
        environment,
        own,
        {k: v for k, v in reserved.items() if k in _PLATFORM},
        {k: v for k, v in reserved.items() if k not in _PLATFORM},
        _read(config / "resourceconfig.json"),
        _read(config / "inputdataconfig.json"),
    )


def parsed(text: Any) -> Any:
    """The value of a hyperparameter: parsed as JSON, or the text if that fails."""
    try:
        return json.loads(text)
    except (ValueError, TypeError):
        return text


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content
