"""The process of a serving container: its model, port, health check and end."""

from __future__ import annotations

import signal
import subprocess
import time as wall
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from sageloop.local_cloud.sagemaker.hosting.invocation.connections import Connections, NotSent
from sageloop.local_cloud.sagemaker.isolation import with_private_opt_ml

if TYPE_CHECKING:
    from sageloop.local_cloud.core.child import Child
    from sageloop.local_cloud.core.cloud import Cloud

# An idle connection would occupy a server that accepts one connection at a time.
_PING_HEADERS = {"Connection": "close"}


def place_model(base: Path, model_dir: Path | None) -> None:
    """Create the directory that a container uses as ``/opt/ml``, with its model."""
    base.mkdir(parents=True, exist_ok=True)
    model = base / "model"
    if model.is_symlink() or model.exists():
        return
    if model_dir is None:
        model.mkdir()
    else:
        model.symlink_to(model_dir, target_is_directory=True)


def launch(
    cloud: Cloud, label: str, command: tuple[str, ...], environment: Mapping[str, str], *,
    base: Path, port: int,
) -> Child:  # fmt: skip
    """Start a serving process on a port; its output is piped."""
    definition = {"SAGEMAKER_BIND_TO_PORT": str(port), "SAGEMAKER_BASE_DIR": str(base)}
    return cloud.processes.start(
        label, with_private_opt_ml(command, base), env={**environment, **definition}, cwd=base,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def passes_ping(connections: Connections, seconds: float) -> bool:
    """Whether ``GET /ping`` returns 200 within so many wall seconds."""
    try:
        response = connections.request("GET", "/ping", None, _PING_HEADERS, seconds)
    except (OSError, HTTPException, NotSent):
        return False
    return response.status == 200


def await_ping(
    child: Child, ping: Callable[[float], bool], *, deadline: float,
    ping_seconds: float, is_abandoned: Callable[[], bool],
) -> bool:  # fmt: skip
    """Ping a process until it passes, exits, ``is_abandoned``, or ``deadline`` is reached.

    ``deadline`` is a time of ``time.monotonic()``, ``ping_seconds`` the wall seconds of one ping.
    """
    pause = 0.05
    while child.poll() is None and not is_abandoned():
        left = deadline - wall.monotonic()
        if left <= 0:
            return False
        if ping(min(left, ping_seconds)):
            return True
        # A process does not signal that it is ready, so it is pinged repeatedly.
        with suppress(subprocess.TimeoutExpired):
            child.wait(min(pause, left))
        pause = min(pause * 1.3, 0.5)
    return False


def end(cloud: Cloud, child: Child, grace: float) -> None:
    """Send SIGTERM, then SIGKILL after ``grace`` wall seconds."""
    cloud.processes.kill(child, signal.SIGTERM)
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        cloud.processes.kill(child, signal.SIGKILL)
        child.wait()
    cloud.processes.forget(child)
