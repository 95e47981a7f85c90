"""One instance of a variant: a serving process, its health and its requests."""

from __future__ import annotations

import logging
import secrets
import signal
import subprocess
import threading
import time as wall
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.ports import free_port
from sageloop.local_cloud.sagemaker import isolation
from sageloop.local_cloud.sagemaker.hosting.instances import container_process
from sageloop.local_cloud.sagemaker.hosting.instances.container_logs import ContainerLog
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import (
    Connections,
    ContainerResponse,
    StreamedResponse,
)
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import PRIMARY

if TYPE_CHECKING:
    from sageloop.local_cloud.core.child import Child
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing

log = logging.getLogger(__name__)
_STARTS = 3
_EXIT_SECONDS = 0.2  # time between the close of a socket and the exit of its process


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """The common properties of all instances of a variant. Times in wall seconds.

    ``container`` is the name of one of several containers, each of which has its own blueprint.
    """

    endpoint: str
    variant: str
    role: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    model_dir: Path | None
    startup_seconds: float
    instance_type: str | None = None
    container: str | None = None
    images: tuple[str, ...] = ()


class Instance:
    """A serving process: started, pinged, restarted after a crash, drained and stopped.

    ``on_change`` is called whenever :attr:`healthy` changes.
    """

    def __init__(
        self, cloud: Cloud, blueprint: Blueprint, timing: Timing, on_change: Callable[[], None],
        *, identity: str | None = None,
    ) -> None:  # fmt: skip
        self.id = f"i-{secrets.token_hex(8)}" if identity is None else identity
        self.container = PRIMARY if blueprint.container is None else blueprint.container
        self.unready = self.container
        self.blueprint = blueprint
        self.healthy = False
        self.process: Child | None = None
        self.log = ContainerLog(
            cloud, blueprint.endpoint, "/".join([blueprint.variant, *self._place(blueprint)]),
            blueprint.role, delay=timing.flush,
        )  # fmt: skip
        self._cloud = cloud
        self._timing = timing
        self._on_change = on_change
        folder = instance_folder(cloud, blueprint.endpoint)
        self._base = folder.joinpath(*self._place(blueprint))
        self._connections = Connections(0)
        self._requests = threading.Condition()
        self._outstanding = 0
        self._stopping = False
        self._failed_pings = 0
        self._down = False
        self._dead: Child | None = None
        self._restarting = f"restart of {self.id} of endpoint {blueprint.endpoint}"

    @property
    def starting_or_serving(self) -> bool:
        """Whether the instance is healthy or starting."""
        return not self._stopping and not self._down

    @property
    def outstanding(self) -> int:
        """The number of requests in progress."""
        return self._outstanding

    @property
    def folder(self) -> Path:
        """The ``/opt/ml`` of its container; with several containers, their parent directory."""
        return self._base

    @property
    def processes(self) -> list[Child]:
        """The running processes."""
        return [] if self.process is None else [self.process]

    def start(self) -> bool:
        """Start the process and wait for ``/ping``; return whether it passed in time."""
        deadline = wall.monotonic() + self.blueprint.startup_seconds
        for _ in range(_STARTS):
            child = self._launch()
            if child is None:
                return False
            started = wall.monotonic()
            if self._await_ping(child, deadline):
                label = f"start-up of {self.blueprint.endpoint}/{self.id}"
                self._cloud.processes.note_work(label, wall.monotonic() - started)
                self._enter_service(child)
                return True
            alive = child.poll() is None
            self._end(child)
            if alive or self._stopping or wall.monotonic() >= deadline:
                return False
        return False

    def begin(self) -> bool:
        """Accept a request; return ``False`` if the instance accepts no more requests."""
        with self._requests:
            if self._stopping or not self.healthy:
                return False
            self._outstanding += 1
            return True

    def finish(self) -> None:
        """End a request that was accepted by :meth:`begin`."""
        with self._requests:
            self._outstanding -= 1
            if self._outstanding == 0:
                self._requests.notify_all()

    def invoke(
        self, body: bytes, headers: Mapping[str, str], timeout: float | None = None
    ) -> ContainerResponse:
        """Send ``POST /invocations``; raises the exceptions of :meth:`Connections.request`."""
        allowed = self._timing.invocation if timeout is None else timeout
        return self._connections.request("POST", "/invocations", body, headers, allowed)

    def prepare(self, invocation: Invocation) -> Invocation:
        """Prepare the container for a request; return the request to serve.

        The time for this does not count as model latency. Raises the exceptions of :meth:`serve`,
        or ``AwsError``.
        """
        return invocation

    def serve(self, invocation: Invocation, headers: Mapping[str, str]) -> ContainerResponse:
        """Return the response to a request; subclasses call their containers differently."""
        return self.invoke(invocation.body, headers, invocation.timeout)

    def open(self, invocation: Invocation, headers: Mapping[str, str]) -> StreamedResponse:
        """Start a streamed response; its body is read in parts."""
        allowed = self._timing.invocation if invocation.timeout is None else invocation.timeout
        return self._connections.stream("POST", "/invocations", invocation.body, headers, allowed)

    def check(self) -> None:
        """Ping once; kill a process that fails repeatedly, restart one that is down."""
        if self.restart_if_down():
            return
        child = self.process
        if not self.healthy or child is None:
            return
        if self._ping(self._timing.ping_timeout):
            self._failed_pings = 0
            return
        self._failed_pings += 1
        if self._failed_pings >= self._timing.pings_failed:
            endpoint = self.blueprint.endpoint
            log.warning("instance %s of %s fails its health checks", self.id, endpoint)
            self._cloud.processes.kill(child, signal.SIGKILL)

    def restart_if_down(self) -> bool:
        """Restart the instance in the background if it is down; return whether it was."""
        with self._requests:
            if self._stopping or not self._down:
                return False
            self._down = False
        threading.Thread(target=self._restart, name=f"restart {self.id}", daemon=True).start()
        return True

    def drain(self) -> None:
        """Accept no more requests and wait for those in progress."""
        with self._requests:
            self._stopping = True
            self.healthy = False
            self._requests.wait_for(lambda: self._outstanding == 0, self._timing.drain)

    def stop(self) -> None:
        """Drain, send SIGTERM, then SIGKILL after AWS's 30 seconds."""
        self.drain()
        if self.process is not None:
            self._end(self.process)
        self._connections.close()
        isolation.remove(self._base)

    def abandon(self) -> None:
        """Never restart again; the process is ended with all others of the cloud."""
        self._stopping = True
        self.healthy = False

    def _place(self, blueprint: Blueprint) -> list[str]:
        return [self.id] if blueprint.container is None else [self.id, blueprint.container]

    def _launch(self) -> Child | None:
        # A concurrent stop() either stops the process or prevents its start.
        with self._requests:
            if self._stopping or self._cloud.stopped.is_set():
                return None
            self._prepare()
            port = free_port()
            self._connections.close()
            self._connections = Connections(port)
            child = self.process = container_process.launch(
                self._cloud, f"endpoint:{self.blueprint.endpoint}", self.blueprint.command,
                self.blueprint.environment, base=self._base, port=port,
            )  # fmt: skip
        if child.stdout is not None:
            self.log.follow(child.stdout)
        return child

    def _prepare(self) -> None:
        container_process.place_model(self._base, self.blueprint.model_dir)

    def _await_ping(self, child: Child, deadline: float) -> bool:
        return container_process.await_ping(
            child, self._ping, deadline=deadline, ping_seconds=self._timing.ping_timeout,
            is_abandoned=lambda: self._stopping or self._cloud.stopped.is_set(),
        )  # fmt: skip

    def _ping(self, timeout: float) -> bool:
        return container_process.passes_ping(self._connections, timeout)

    def _enter_service(self, child: Child) -> None:
        self._failed_pings = 0
        with self._requests:
            self.healthy = not self._stopping
        threading.Thread(
            target=self._watch, args=(child,), name=f"instance {self.id}", daemon=True
        ).start()
        self._on_change()
        if self._cloud.faults.kills_process(f"endpoint:{self.blueprint.endpoint}"):
            self._cloud.processes.kill(child, signal.SIGKILL)
            child.wait()
            self._mark_dead(child)

    def check_process(self) -> None:
        """Check after a failed request whether the process has exited, to stop routing to it."""
        child = self.process
        if child is not None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(_EXIT_SECONDS)
                self._mark_dead(child)

    def _mark_dead(self, child: Child) -> None:
        with self._requests:
            if self._dead is child or self._stopping or self.process is not child:
                return
            self._dead = child
            self.healthy = False
        # The restart counts as work in flight from now on, not from when the watcher wakes.
        self._cloud.activity.begin(self._restarting)
        self._on_change()

    def _watch(self, child: Child) -> None:
        child.wait()
        self._mark_dead(child)
        if self._dead is not child:
            return
        try:
            self._cloud.processes.forget(child)
            log.warning(
                "instance %s of endpoint %s exited (%s) and is restarted",
                self.id, self.blueprint.endpoint, child.returncode,
            )  # fmt: skip
            self._restart()
        finally:
            self._cloud.activity.end(self._restarting)

    def _restart(self) -> None:
        try:
            started = self.start()
        except Exception:
            log.exception("instance %s of %s failed unexpectedly", self.id, self.blueprint.endpoint)
            started = False
        if not started and not self._stopping:
            log.error("instance %s of %s is down", self.id, self.blueprint.endpoint)
            self._down = True
            self._on_change()

    def _end(self, child: Child) -> None:
        container_process.end(self._cloud, child, self._timing.terminate)


def instance_folder(cloud: Cloud, endpoint: str) -> Path:
    """The parent directory of the directories of an endpoint's instances."""
    return cloud.work_dir / "sagemaker" / "endpoints" / endpoint
