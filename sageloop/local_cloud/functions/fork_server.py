"""The cloud's connection to the fork server: requests workers and receives their exit status."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.processes import clean_environment

if TYPE_CHECKING:
    from sageloop.local_cloud.core.child import Child
    from sageloop.local_cloud.core.cloud import Cloud

# The packages in AWS's Python runtime; no other package of this environment is visible.
_RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
_ZYGOTE = Path(__file__).with_name("bootstrap") / "zygote.py"
_KEPT_STATUSES = 256


@dataclass(frozen=True, slots=True)
class Channel:
    """The cloud's ends of a worker's socket and log."""

    socket: socket.socket
    log: int


class ForkServer:
    """Starts the fork server on first use, and again if it ends."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._ended = threading.Condition()
        self._statuses: dict[int, int] = {}
        self.runtime_dir = cloud.work_dir / "lambda" / "runtime"

    def warm_up(self) -> None:
        """Start loading, so that the first function does not wait."""
        with self._lock:
            self._server()

    def fork(self) -> Channel:
        """Fork a worker; its first message on the socket contains its process id."""
        ours, theirs = socket.socketpair()
        log_read, log_write = os.pipe()
        try:
            with self._lock:
                try:
                    socket.send_fds(self._server(), [b"fork"], [theirs.fileno(), log_write])
                except OSError:
                    self._control = None
                    socket.send_fds(self._server(), [b"fork"], [theirs.fileno(), log_write])
        except BaseException:
            ours.close()
            os.close(log_read)
            raise
        finally:
            theirs.close()
            os.close(log_write)
        os.set_blocking(log_read, False)
        return Channel(ours, log_read)

    def exit_code(self, pid: int, timeout: float) -> int | None:
        """A worker's exit code (negative: the signal); ``None`` if unknown after ``timeout``."""
        with self._ended:
            self._ended.wait_for(lambda: pid in self._statuses, timeout)
            return self._statuses.pop(pid, None)

    def _server(self) -> socket.socket:
        if self._control is None:
            self._control = self._start()
        return self._control

    def _start(self) -> socket.socket:
        _link_runtime(self.runtime_dir)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        nowhere = str(self._cloud.work_dir / "no-such-file")
        quiet = {
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        }
        child = self._cloud.processes.start(
            "lambda fork server",
            [sys.executable, "-I", "-S", str(_ZYGOTE), str(self.runtime_dir)],
            env=clean_environment() | quiet, stdin=theirs.fileno(), stderr=None, hidden=True,
        )  # fmt: skip
        theirs.close()
        threading.Thread(
            target=self._listen, args=(ours, child), name="lambda workers", daemon=True
        ).start()
        return ours

    def _listen(self, control: socket.socket, child: Child) -> None:
        with suppress(OSError):
            while report := control.recv(4096):
                ended = json.loads(report)
                self._cloud.processes.release(ended["pid"])
                with self._ended:
                    self._statuses[ended["pid"]] = ended["status"]
                    while len(self._statuses) > _KEPT_STATUSES:
                        del self._statuses[next(iter(self._statuses))]
                    self._ended.notify_all()
        child.wait()
        self._cloud.processes.forget(child)


def _link_runtime(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        link = folder / source.name
        if not link.is_symlink():
            link.symlink_to(source)
