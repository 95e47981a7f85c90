"""How a script starts on several hosts: the command line and the variables that make them one."""

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
    """The user's program: its name, kind and arguments, and the Python it runs in."""

    name: str
    kind: Kind
    arguments: Sequence[str]
    python: str


@dataclass(frozen=True, slots=True)
class Launch:
    """What is started on this host.

    ``launcher`` is whether the command starts further processes; ``mpi`` is how many there are
    on all hosts together, if they are MPI's.
    """

    command: list[str]
    variables: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    launcher: bool = False
    mpi: int | None = None


def launch(training: Training, program: Program, framework: Framework | None) -> Launch:
    """The start of a program, as the hyperparameters ask for it.

    Raises :class:`ClientError` for a way that has no local counterpart.
    """
    refused = support.refusal(training.framework)
    if refused is not None:
        raise ClientError(refused)
    alone = entry.command(program.kind, program.name, program.arguments, program.python)
    variables = _torch_variables(training) if framework == PYTORCH else {}
    if training.group not in training.distribution_groups:
        return Launch(alone, variables)
    for key, stood_in_for in _TORCHRUN.items():
        if training.framework.get(key):
            return _torchrun(training, program, stood_in_for)
    if training.framework.get("sagemaker_mpi_enabled"):
        given = training.framework.get("sagemaker_mpi_num_processes")
        processes = processes_per_host(training) * len(training.distribution_hosts)
        return Launch(alone, variables, mpi=processes if given is None else int(given))
    if training.framework.get(_MIRRORED):
        variables = variables | {"TF_CONFIG": json.dumps(_tf_config(training))}
    return Launch(alone, variables)


def processes_per_host(training: Training) -> int:
    """As many as are asked for, or one for each graphics processor, or one."""
    given = training.framework.get(_PROCESSES)
    return max(1, gpus()) if given is None else int(given)


def meeting_point(environment: Mapping[str, str], host: str) -> tuple[str, int]:
    """Where on this machine a host of the job can be found: its address and the job's port."""
    addresses = json.loads(environment.get("SAGELOOP_HOST_ADDRESSES", "{}"))
    address = addresses.get(host, host)
    # The name is what a script expects; it is known where the job has hosts of its own.
    named = host if _resolved(host) == address else address
    return named, int(environment.get("SAGELOOP_MASTER_PORT", _PORT))


def _torchrun(training: Training, program: Program, stood_in_for: str | None) -> Launch:
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
    notes = () if stood_in_for is None else (
        f"torchrun with gloo stands in for {stood_in_for}: the results are those of the same "
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
    # A server of TensorFlow listens on all addresses, so each host here needs a port of its own.
    found = [meeting_point(training.environment, host) for host in hosts]
    workers = [f"{address}:{port + n}" for n, (address, port) in enumerate(found)]
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
