"""Distributed training of framework code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._private.checks import Checks, known
from .instances import data_parallel_types
from .resource_config import ResourceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Distribution of framework code over hosts and devices.

    Attributes:
        kind: ``torchrun``, ``mpi`` or ``data_parallel``.
        processes_per_host: Processes per host; with ``torchrun`` one per device by default.
        custom_mpi_options: Additional options of ``mpirun``.
        instance_groups: Instance groups that take part; all by default.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/distributed-training.html

    Example:
        >>> Distribution.torchrun()
        >>> Distribution.mpi(processes_per_host=4)

    """

    kind: str
    processes_per_host: int | None = None
    custom_mpi_options: str = ""
    instance_groups: Sequence[str] = ()

    @classmethod
    def torchrun(
        cls, *, processes_per_host: int | None = None, instance_groups: Sequence[str] = ()
    ) -> Distribution:
        """Launch by PyTorch's ``torchrun``."""
        return cls(
            kind="torchrun", processes_per_host=processes_per_host, instance_groups=instance_groups
        )

    @classmethod
    def mpi(
        cls,
        *,
        processes_per_host: int = 1,
        custom_mpi_options: str = "",
        instance_groups: Sequence[str] = (),
    ) -> Distribution:
        """Launch by ``mpirun`` of Open MPI."""
        return cls(
            kind="mpi",
            processes_per_host=processes_per_host,
            custom_mpi_options=custom_mpi_options,
            instance_groups=instance_groups,
        )

    @classmethod
    def data_parallel(cls, *, custom_mpi_options: str = "") -> Distribution:
        """SageMaker's distributed data parallel library."""
        return cls(kind="data_parallel", custom_mpi_options=custom_mpi_options)

    def check(self, check: Checks, compute: ResourceConfig) -> None:
        """Refuse distributions that the instances do not support."""
        if self.processes_per_host is not None:
            check.whole("distribution.processes_per_host", self.processes_per_host, 1, 1024)
        if self.kind == "data_parallel":
            check_data_parallel(check, compute)
        names = [group.name for group in compute.groups]
        for name in self.instance_groups:
            if known(name, *names) and name not in names:
                listed = ", ".join(names) if names else "none"
                message = f"distribution.instance_groups must be of {listed}, got {name!r}"
                check.refuse("ValueNotAllowed", message)

    def rendered(self, instance_type: str) -> dict[str, Any]:
        """The hyperparameters that configure framework images."""
        hyperparameters: dict[str, Any] = {
            "torchrun": {"sagemaker_torch_distributed_enabled": True},
            "mpi": {"sagemaker_mpi_enabled": True},
            "data_parallel": {"sagemaker_distributed_dataparallel_enabled": True},
        }[self.kind]
        hyperparameters["sagemaker_instance_type"] = instance_type
        if self.processes_per_host is not None:
            hyperparameters["sagemaker_mpi_num_of_processes_per_host"] = self.processes_per_host
        if self.custom_mpi_options:
            prefix = "sagemaker_mpi" if self.kind == "mpi" else "sagemaker_distributed_dataparallel"
            hyperparameters[f"{prefix}_custom_mpi_options"] = self.custom_mpi_options
        if self.instance_groups:
            hyperparameters["sagemaker_distribution_instance_groups"] = list(self.instance_groups)
        return hyperparameters


def check_data_parallel(check: Checks, compute: ResourceConfig) -> None:
    """Refuse instances on which SageMaker's data parallel library does not run."""
    allowed = data_parallel_types()
    for each in dict.fromkeys(compute.types):
        if known(each) and each not in allowed:
            message = f"distribution data_parallel needs one of {', '.join(allowed)}, got {each!r}"
            check.refuse("InstanceTypeNotAllowed", message)
