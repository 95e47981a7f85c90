"""MPI: the first host runs ``mpirun`` for all hosts, the others wait for its end.

On AWS each host runs its own processes, which the first host starts by SSH. Local hosts share one
machine, so all processes run on the first host: they have its ``/opt/ml`` and its
``SM_CURRENT_HOST``.
"""

from __future__ import annotations

import importlib.util
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from sageloop.local_cloud.images.script.distribution import meeting_point
from sageloop.local_cloud.images.script.failures import ClientError
from sageloop.local_cloud.images.script.training import Training

_SECONDS_TO_MEET = 120.0
_RETRY_SECONDS = 0.1


def command(training: Training, processes: int, single: Sequence[str]) -> list[str]:
    """The ``mpirun`` command of the first host."""
    options = training.framework.get("sagemaker_mpi_custom_mpi_options")
    own = _open_mpi() if _is_open_mpi() else []
    return [
        "mpirun", "-np", str(processes), *own, *shlex.split(str(options or "")), *_aware(single),
    ]  # fmt: skip


@contextmanager
def others_waiting(training: Training) -> Iterator[None]:
    """Keep the other hosts of the job waiting until the body has ended."""
    others = len(training.distribution_hosts) - 1
    if others == 0:
        yield
        return
    place = meeting_point(training.environment, training.master)
    with socket.create_server(place, backlog=others) as listener, ExitStack() as links:
        listener.settimeout(_SECONDS_TO_MEET)
        try:
            for _ in range(others):
                links.enter_context(listener.accept()[0])
        except TimeoutError:
            raise ClientError("MPI: the other hosts of the job did not connect") from None
        yield


def await_first(training: Training) -> None:
    """Wait for the end of the first host's processes. Raises :class:`ClientError`.

    As in AWS's training toolkit, a waiting host succeeds whatever their exit code: the job fails
    with the first host's reason, independent of the order of two exit codes.
    """
    place = meeting_point(training.environment, training.master)
    with _connected(place) as link, suppress(OSError):
        link.recv(1)


def _connected(place: tuple[str, int]) -> socket.socket:
    until = time.monotonic() + _SECONDS_TO_MEET
    while True:
        try:
            link = socket.create_connection(place)
        except OSError as error:
            if time.monotonic() > until:
                raise ClientError(
                    f"MPI: cannot connect to the first host at {place}: {error}"
                ) from error
            time.sleep(_RETRY_SECONDS)  # the first host does not listen yet
        else:
            link.settimeout(None)
            return link


def _aware(single: Sequence[str]) -> list[str]:
    """Run Python through mpi4py, if installed: an exception in one process then ends all."""
    if single[0] == "/bin/sh" or "--" not in single or not importlib.util.find_spec("mpi4py"):
        return list(single)
    rest = single[single.index("--") + 1 :]
    return [single[0], "-m", "mpi4py", *rest]


def _open_mpi() -> list[str]:
    return ["--allow-run-as-root", "--oversubscribe", "--tag-output", "--bind-to", "none"]


def _is_open_mpi() -> bool:
    version = subprocess.run(
        ["mpirun", "--version"], capture_output=True, text=True, check=False, stdin=sys.stdin
    )
    return "Open MPI" in version.stdout
