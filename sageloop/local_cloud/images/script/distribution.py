"""Distributed training: the command and the variables that start a script on several hosts."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sageloop.local_cloud.images.frameworks import PYTORCH, Framework
from sageloop.local_cloud.images.script import entry, support
from sageloop.local_cloud.images.script.entry import Kind
from sageloop.local_cloud.images.script.failures import ClientError
from sageloop.local_cloud.images.script.training import Training
from sageloop.local_cloud.images.script.variables import gpus

_STAND_INS = Path(__file__).with_name("stand_ins")
_TORCHRUN = {
    "sagemaker_torch_distributed_enabled": None,
    "sagemaker_pytorch_ddp_enabled": "PyTorch DDP over MPI",
    "sagemaker_distributed_dataparallel_enabled": "SageMaker's data parallel library",
}
_MIRRORED = "sagemaker_multi_worker_mirrored_strategy_enabled"
_PROCESSES = "sagemaker_mpi_num_of_processes_per_host"
_PORT = 7777


@dataclass(frozen=True, slots=True)
class Program:
    """The user's program: its name, kind, arguments and interpreter."""

    name: str
    kind: Kind
    arguments: Sequence[str]
    python: str


@dataclass(frozen=True, slots=True)
class Launch:
    """The command that is started on this host.

    ``launcher``: whether the command starts further processes; ``mpi``: the number of MPI
    processes on all hosts, or ``None``.
    """

    command: list[str]
    variables: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    launcher: bool = False
    mpi: int | None = None


def launch(training: Training, program: Program, framework: Framework | None) -> Launch:
    """The start command of a program, as its hyperparameters configure it.

    Raises :class:`ClientError` for a kind of distribution that has no local counterpart.
    """
    refused = support.refusal(training.framework)
    if refused is not None:
        raise ClientError(refused)
    single = entry.command(program.kind, program.name, program.arguments, program.python)
    variables = _torch_variables(training) if framework == PYTORCH else {}
    if training.group not in training.distribution_groups:
        return Launch(single, variables)
    for key, replaced_kind in _TORCHRUN.items():
        if training.framework.get(key):
            return _torchrun(training, program, replaced_kind)
    if training.framework.get("sagemaker_mpi_enabled"):
        count = training.framework.get("sagemaker_mpi_num_processes")
        processes = processes_per_host(training) * len(training.distribution_hosts)
        return Launch(single, variables, mpi=processes if count is None else int(count))
    if training.framework.get(_MIRRORED):
        variables = variables | {"TF_CONFIG": json.dumps(_tf_config(training))}
    return Launch(single, variables)


def processes_per_host(training: Training) -> int:
    """The configured number of processes, or one for each GPU, or 1."""
    count = training.framework.get(_PROCESSES)
    return max(1, gpus()) if count is None else int(count)


def meeting_point(environment: Mapping[str, str], host: str) -> tuple[str, int]:
    """The address of a host of the job on this machine, and the job's port."""
    addresses = json.loads(environment.get("SAGELOOP_HOST_ADDRESSES", "{}"))
    address = addresses.get(host, host)
    # Scripts expect a host name; it resolves where the hosts of the job have their own addresses.
    named = host if _resolved(host) == address else address
    return named, int(environment.get("SAGELOOP_MASTER_PORT", _PORT))


def _torchrun(training: Training, program: Program, replaced_kind: str | None) -> Launch:
    if program.kind is not Kind.SCRIPT:
        raise ClientError(
            f"torchrun starts a Python script, and {program.name} is a {program.kind}; name a "
            ".py file in a source directory without setup.py as sagemaker_program."
        )
    hosts = training.distribution_hosts
    address, port = meeting_point(training.environment, training.master)
    options = ["--nnodes", len(hosts), "--nproc_per_node", processes_per_host(training)]
    if len(hosts) > 1:
        options += ["--master_addr", address, "--master_port", port]
        options += ["--node_rank", hosts.index(training.host)]
    else:
        options += ["--standalone"]
    notes = () if replaced_kind is None else (
        f"torchrun with gloo replaces {replaced_kind}: the results are those of the same "
        "algorithm, the speed is not",
    )  # fmt: skip
    run = [program.python, "-m", "torch.distributed.run", *(str(word) for word in options)]
    return Launch(
        [*run, program.name, *program.arguments],
        _torch_variables(training) | {"SAGELOOP_STAND_INS": str(_STAND_INS)},
        notes,
        launcher=True,
    )


def _torch_variables(training: Training) -> dict[str, str]:
    address, port = meeting_point(training.environment, training.hosts[0])
    return {
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": training.interface,
        "NCCL_SOCKET_IFNAME": training.interface,
        "NCCL_IB_DISABLE": "1",
        "NCCL_DEBUG": "WARN",
    }


def _tf_config(training: Training) -> dict[str, Any]:
    hosts = training.distribution_hosts
    # A TensorFlow server listens on all addresses, so each local host needs its own port.
    addresses = [meeting_point(training.environment, host) for host in hosts]
    workers = [f"{address}:{port + n}" for n, (address, port) in enumerate(addresses)]
    return {
        "cluster": {"worker": workers},
        "environment": "cloud",
        "task": {"index": hosts.index(training.host), "type": "worker"},
    }


def _resolved(host: str) -> str | None:
    try:
        return socket.gethostbyname(host)
    except OSError:
        return None
