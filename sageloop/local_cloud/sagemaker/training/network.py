"""A private network with only a loopback interface, shared by the hosts of a job."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.processes import clean_environment
from sageloop.local_cloud.sagemaker import isolation

if TYPE_CHECKING:
    from sageloop.local_cloud.core.child import Child
    from sageloop.local_cloud.core.cloud import Cloud

# SIOCSIFFLAGS with IFF_UP | IFF_RUNNING: the loopback interface of a new network is down.
_HOLDER = """\
import fcntl, signal, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh", b"lo", 0x41))
print("up", flush=True)
signal.pause()
"""


class PrivateNetwork:
    """A process that keeps a network namespace open for the containers of a job."""

    def __init__(self, cloud: Cloud, job: str) -> None:
        self._cloud = cloud
        self._job = job
        self._holder: Child | None = None

    @property
    def pid(self) -> int | None:
        """The process whose namespaces are joined, or ``None`` if there is none."""
        return None if self._holder is None else self._holder.pid

    def open(self) -> None:
        """Create the network with its loopback interface, where this machine supports it."""
        if not isolation.networks_available():
            return
        holder = self._cloud.processes.start(
            f"network:{self._job}", ["unshare", "-Urn", sys.executable, "-I", "-S", "-c", _HOLDER],
            env=clean_environment(), stdout=subprocess.PIPE, hidden=True,
        )  # fmt: skip
        first_line = holder.stdout.readline() if holder.stdout else b""
        if first_line.strip() != b"up":
            self._end(holder)
            raise OSError(f"no private network could be created for training job {self._job}")
        self._holder = holder

    def close(self) -> None:
        """Release the network."""
        if self._holder is not None:
            self._end(self._holder)
            self._holder = None

    def _end(self, holder: Child) -> None:
        self._cloud.processes.kill(holder, signal.SIGKILL)
        holder.wait()
        if holder.stdout:
            holder.stdout.close()
        self._cloud.processes.forget(holder)
