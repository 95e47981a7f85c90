"""MPI: how the hosts of a job wait for the first one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sageloop.local_cloud.core.ports import free_port
from sageloop.local_cloud.images.script import mpi
from sageloop.local_cloud.images.script.training import Training


def training(host: str, port: int) -> Training:
    """The job as one of two hosts has it."""
    return Training(
        base=Path(), hyperparameters={}, platform={}, channels={}, framework={},
        environment={"SAGELOOP_HOST_ADDRESSES": json.dumps({"algo-1": "127.0.0.1"}),
                     "SAGELOOP_MASTER_PORT": str(port)},
        resources={"current_host": host, "hosts": ["algo-1", "algo-2"]},
    )  # fmt: skip


def fail_as_the_first(port: int) -> None:
    with mpi.others_waiting(training("algo-1", port)):
        raise RuntimeError("the exit of the first host")


def test_waiting_host_succeeds_although_the_first_one_fails() -> None:
    port = free_port()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(mpi.await_first, training("algo-2", port))

        with pytest.raises(RuntimeError, match="of the first host"):
            fail_as_the_first(port)

        waiting.result(timeout=30)
