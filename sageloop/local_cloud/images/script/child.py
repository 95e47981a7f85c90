"""The user's process: started in the container's own group, listened to, waited for."""

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

# What a line that tells an error begins with: the name of an exception of Python's.
_ERROR = re.compile(rb"^(?:\[[^\]]*\][: ]*)?(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b")
_LONGEST = 4096
_LOOK_SECONDS = 1.0


class Stop:
    """Remembers SIGTERM. The platform sends it to the whole group, so the script has it too."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        # A handler, not SIG_IGN: what is ignored here would be ignored in the script.
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether it came."""
        return self._asked.is_set()

    def end_when_childless(self, launcher: subprocess.Popen[bytes]) -> None:
        """Kill a launcher that outlives its processes after SIGTERM.

        torchrun waits five minutes for the launchers of the other hosts and hears no signal
        meanwhile; when the job has failed on one of those, nothing is left to wait for.
        """
        import psutil

        self._asked.wait()
        while launcher.poll() is None:
            try:
                if not psutil.Process(launcher.pid).children():
                    launcher.kill()
            except psutil.NoSuchProcess:
                return
            with suppress(subprocess.TimeoutExpired):
                launcher.wait(_LOOK_SECONDS)


def run(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, capture: bool,
    stop: Stop, launcher: bool = False,
) -> None:  # fmt: skip
    """Run to the end. ``capture`` tells the script's error in the reason of the failure.

    ``launcher`` is whether the command only starts the processes that do the work.

    Raises :class:`ProcessFailed` for an exit code other than zero, :class:`Terminated` if the
    platform stopped the job meanwhile.
    """
    child = subprocess.Popen(
        command, env=dict(environment), cwd=directory,
        stderr=subprocess.PIPE if capture else None,
    )  # fmt: skip
    if launcher:
        threading.Thread(target=stop.end_when_childless, args=(child,), daemon=True).start()
    told: list[bytes] = []
    reader = threading.Thread(target=_copy, args=(child.stderr, told), daemon=True)
    if child.stderr is not None:
        reader.start()
    code = child.wait()
    if code and stop.asked:
        raise Terminated
    if code:
        if reader.is_alive():
            reader.join(timeout=5)  # a grandchild may hold the pipe open for ever
        message = b"".join(told)[:_LONGEST].decode(errors="replace").strip()
        raise ProcessFailed(
            "ExecuteUserScriptError", command=command, code=code, message=message
        )  # fmt: skip


def _copy(stream: IO[bytes] | None, told: list[bytes]) -> None:
    """Pass lines on and keep those from the first error on, each once."""
    out = sys.stderr.buffer
    for line in stream or ():
        out.write(line)
        out.flush()
        if (told or _ERROR.match(line)) and line.strip() and line not in told:
            told.append(line)
