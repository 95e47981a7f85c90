"""One serving container of a transform job."""

from __future__ import annotations

import json
import signal
import threading
import time as wall
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sageloop.local_cloud.core.ports import free_port
from sageloop.local_cloud.sagemaker.failures import InternalError, JobFailed
from sageloop.local_cloud.sagemaker.hosting.instances import container_process
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import (
    Connections,
    ContainerResponse,
    NotSent,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.core.child import Child
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import Serving
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing

# AWS documents no limit for batch transform; AWS Support has named half an hour.
_STARTUP_SECONDS = 1800
NO_PING = (
    "AlgorithmError: Model container failed to respond to ping; see job logs for more information"
)


class NoResponse(Exception):
    """The container did not respond to a request."""


class Server:
    """A process that serves a model under ``base``. All times are wall seconds."""

    def __init__(
        self, cloud: Cloud, serving: Serving, *, label: str, base: Path,
        on_lines: Callable[[list[str]], None], timing: Timing,
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._serving = serving
        self._label = label
        self._base = base
        self._on_lines = on_lines
        self._timing = timing
        self._connections = Connections(0)
        self._child: Child | None = None
        self._reader: threading.Thread | None = None
        self._ended = threading.Event()

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the process and wait for ``/ping``. Raises :class:`JobFailed` if it fails."""
        container_process.place_model(self._base, self._serving.model_dir)
        port = free_port()
        self._connections = Connections(port)
        child = self._child = container_process.launch(
            self._cloud, self._label, self._serving.command,
            {**self._serving.environment, **environment}, base=self._base, port=port,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(child.stdout,), daemon=True)
        self._reader.start()
        if not self._passes_ping(child):
            raise JobFailed(NO_PING)
        if self._cloud.faults.kills_process(self._label):
            self.kill()
            raise InternalError

    def execution_parameters(self) -> dict[str, Any]:
        """The response to ``GET /execution-parameters``, or ``{}`` if it is not implemented."""
        try:
            response = self._connections.request(
                "GET", "/execution-parameters", None, {}, self._timing.ping_timeout
            )
            offered = json.loads(response.body) if response.status == 200 else {}
        except (OSError, HTTPException, NotSent, ValueError):
            return {}
        return offered if isinstance(offered, dict) else {}

    def invoke(self, body: bytes, headers: Mapping[str, str], timeout: float) -> ContainerResponse:
        """Send ``POST /invocations``. Raises :class:`NoResponse` without a response in time."""
        try:
            return self._connections.request("POST", "/invocations", body, headers, timeout)
        except (OSError, HTTPException, NotSent) as error:
            raise NoResponse from error

    def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after the grace period."""
        self._ended.set()
        child = self._child
        if child is None:
            return
        container_process.end(self._cloud, child, self._timing.terminate)
        self._connections.close()
        if self._reader is not None:
            self._reader.join()

    def kill(self) -> None:
        """Send SIGKILL to the process group."""
        self._ended.set()
        if self._child is not None:
            self._cloud.processes.kill(self._child, signal.SIGKILL)

    def _passes_ping(self, child: Child) -> bool:
        return container_process.await_ping(
            child, lambda left: container_process.passes_ping(self._connections, left),
            deadline=wall.monotonic() + self._timing.startup(_STARTUP_SECONDS),
            ping_seconds=self._timing.ping_timeout,
            is_abandoned=lambda: self._ended.is_set() or self._cloud.stopped.is_set(),
        )  # fmt: skip

    def _read(self, output: IO[bytes] | None) -> None:
        if output is None:
            return
        with output:
            for line in output:
                self._on_lines([line.decode(errors="replace").rstrip("\r\n")])


def chunked(body: bytes) -> bytes:
    """A body in HTTP's chunked encoding, for payloads without a size limit."""
    size = 1 << 16
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
