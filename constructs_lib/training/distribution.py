"""How the hosts and processes of a job find each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._private.checks import Checks, known
from .instances import data_parallel_types
from .resource_config import ResourceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How a framework's code runs on several hosts and devices.

    Attributes:
        kind: ``torchrun``, ``mpi`` or ``data_parallel``.
        processes_per_host: Processes on each host; with ``torchrun`` one for each device by
            default.
        custom_mpi_options: More options of ``mpirun``.
        instance_groups: Groups of a heterogeneous cluster that take part; all by default.

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
        """PyTorch's own launcher."""
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
        """Open MPI's launcher."""
        return cls(
            kind="mpi",
            processes_per_host=processes_per_host,
            custom_mpi_options=custom_mpi_options,
            instance_groups=instance_groups,
        )

    @classmethod
    def data_parallel(cls, *, custom_mpi_options: str = "") -> Distribution:
        """SageMaker's data parallel library, on the types that have it."""
        return cls(kind="data_parallel", custom_mpi_options=custom_mpi_options)

    def check(self, check: Checks, compute: ResourceConfig) -> None:
        """Refuse what does not go with the instances."""
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
        """The hyperparameters by which framework images are told."""
        told: dict[str, Any] = {
            "torchrun": {"sagemaker_torch_distributed_enabled": True},
            "mpi": {"sagemaker_mpi_enabled": True},
            "data_parallel": {"sagemaker_distributed_dataparallel_enabled": True},
        }[self.kind]
        told["sagemaker_instance_type"] = instance_type
        if self.processes_per_host is not None:
            told["sagemaker_mpi_num_of_processes_per_host"] = self.processes_per_host
        if self.custom_mpi_options:
            prefix = "sagemaker_mpi" if self.kind == "mpi" else "sagemaker_distributed_dataparallel"
            told[f"{prefix}_custom_mpi_options"] = self.custom_mpi_options
        if self.instance_groups:
            told["sagemaker_distribution_instance_groups"] = list(self.instance_groups)
        return told


def check_data_parallel(check: Checks, compute: ResourceConfig) -> None:
    """Refuse instances on which SageMaker's data parallel library does not run."""
    allowed = data_parallel_types()
    for each in dict.fromkeys(compute.types):
        if known(each) and each not in allowed:
            message = f"distribution data_parallel needs one of {', '.join(allowed)}, got {each!r}"
            check.refuse("InstanceTypeNotAllowed", message)
