"""The process of the user's script: starts it, copies its output and waits for its end."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from sageloop.local_cloud.images.script.failures import ProcessFailed, Terminated

# Start of a line that reports an error: the name of a Python exception.
_ERROR = re.compile(rb"^(?:\[[^\]]*\][: ]*)?(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b")
_LONGEST = 4096
_POLL_SECONDS = 1.0


class Stop:
    """Records SIGTERM, which the platform sends to the whole process group."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        # A handler, not SIG_IGN: an ignored signal is ignored in child processes too.
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self._requested.set()

    @property
    def requested(self) -> bool:
        """Whether SIGTERM was received."""
        return self._requested.is_set()

    def end_when_childless(self, launcher: subprocess.Popen[bytes]) -> None:
        """Kill a launcher that outlives its processes after SIGTERM.

        torchrun waits five minutes for the launchers of the other hosts and does not react to
        signals meanwhile. A job that failed on another host does not wait for it.
        """
        import psutil

        self._requested.wait()
        while launcher.poll() is None:
            try:
                if not psutil.Process(launcher.pid).children():
                    launcher.kill()
            except psutil.NoSuchProcess:
                return
            with suppress(subprocess.TimeoutExpired):
                launcher.wait(_POLL_SECONDS)


def run(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, capture: bool,
    stop: Stop, launcher: bool = False,
) -> None:  # fmt: skip
    """Run the command to its end. ``capture`` adds the script's error to the failure reason.

    ``launcher``: whether the command only starts the processes that do the work.

    Raises :class:`ProcessFailed` for a nonzero exit code, :class:`Terminated` if the platform
    stopped the job.
    """
    child = subprocess.Popen(
        command, env=dict(environment), cwd=directory,
        stderr=subprocess.PIPE if capture else None,
    )  # fmt: skip
    if launcher:
        threading.Thread(target=stop.end_when_childless, args=(child,), daemon=True).start()
    error_lines: list[bytes] = []
    reader = threading.Thread(target=_copy, args=(child.stderr, error_lines), daemon=True)
    if child.stderr is not None:
        reader.start()
    code = child.wait()
    if code and stop.requested:
        raise Terminated
    if code:
        if reader.is_alive():
            reader.join(timeout=5)  # a grandchild may keep the pipe open
        message = b"".join(error_lines)[:_LONGEST].decode(errors="replace").strip()
        raise ProcessFailed(
            "ExecuteUserScriptError", command=command, code=code, message=message
        )  # fmt: skip


def _copy(stream: IO[bytes] | None, error_lines: list[bytes]) -> None:
    """Copy the output and keep the lines from the first error on, each once."""
    out = sys.stderr.buffer
    for line in stream or ():
        out.write(line)
        out.flush()
        if (error_lines or _ERROR.match(line)) and line.strip() and line not in error_lines:
            error_lines.append(line)
