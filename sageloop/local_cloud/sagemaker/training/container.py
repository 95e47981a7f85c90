"""The process of a container: start, output, stop and exit code."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time as wall
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.child import Child
    from sageloop.local_cloud.core.cloud import Cloud

STOP_GRACE_SECONDS = 120.0
# Lines are collected for this long, which reduces the calls for a program with much output.
_BATCH_SECONDS = 0.1
_CHUNK = 65_536


class Container:
    """A container's process group and its output. All times are wall seconds."""

    def __init__(
        self, cloud: Cloud, label: str, on_lines: Callable[[list[str]], None],
        on_limit: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._label = label
        self._on_lines = on_lines
        self._notify_limit = on_limit
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._stop_requested = False
        self._grace: threading.Timer | None = None
        self.timed_out = False

    def run(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path,
        max_seconds: float | None = None,
    ) -> int:  # fmt: skip
        """Run to the end; return the exit code as a shell reports it (128 + signal).

        After ``max_seconds`` the container is stopped and :attr:`timed_out` is true.
        """
        with self._lock:
            if self._stop_requested:
                return 128 + signal.SIGTERM
            child = self._child = self._cloud.processes.start(
                self._label, command, env=env, cwd=cwd, stdout=subprocess.PIPE
            )
        started = wall.monotonic()
        reader = threading.Thread(target=self._read_output, args=(child,), daemon=True)
        reader.start()
        limit = None if max_seconds is None else threading.Timer(max_seconds, self._on_limit)
        if limit is not None:
            limit.daemon = True
            limit.start()
        code = child.wait()
        self._cloud.processes.note_work(self._label, wall.monotonic() - started)
        if limit is not None:
            limit.cancel()
        with self._lock:
            self._child = None
            if self._grace is not None:
                self._grace.cancel()
        self._cloud.processes.forget(child)
        reader.join()
        return code if code >= 0 else 128 - code

    def stop(self) -> None:
        """Send SIGTERM to the process group, and SIGKILL after the grace period."""
        with self._lock:
            if self._stop_requested:
                return
            self._stop_requested = True
            if self._child is None:
                return
            self._cloud.processes.kill(self._child, signal.SIGTERM)
            self._grace = threading.Timer(STOP_GRACE_SECONDS, self.kill)
            self._grace.daemon = True
            self._grace.start()

    def kill(self) -> None:
        """Send SIGKILL to the process group."""
        with self._lock:
            self._stop_requested = True
            if self._child is not None:
                self._cloud.processes.kill(self._child, signal.SIGKILL)

    def _on_limit(self) -> None:
        self.timed_out = True
        if self._notify_limit is not None:
            self._notify_limit()
        self.stop()

    def _read_output(self, child: Child) -> None:
        if child.stdout is None:
            return
        with child.stdout as stream:
            for lines in _line_batches(stream.fileno()):
                self._on_lines(lines)


def _line_batches(descriptor: int) -> Iterator[list[str]]:
    rest = b""
    while True:
        chunk, open_still = _read_batch(descriptor)
        *lines, rest = (rest + chunk).split(b"\n")
        if not open_still and rest:
            lines.append(rest)
        if lines:
            yield [line.decode(errors="replace") for line in lines]
        if not open_still:
            return


def _read_batch(descriptor: int) -> tuple[bytes, bool]:
    poll = select.poll()  # select() supports only descriptors below 1024
    poll.register(descriptor, select.POLLIN)
    read = os.read(descriptor, _CHUNK)
    chunks, until = [read], wall.monotonic() + _BATCH_SECONDS
    while read:
        left = until - wall.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            break
        read = os.read(descriptor, _CHUNK)
        chunks.append(read)
    return b"".join(chunks), bool(read)
