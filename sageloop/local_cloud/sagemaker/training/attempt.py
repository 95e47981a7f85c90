"""One attempt at a training job: the containers on all hosts and how they ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from enum import StrEnum

from sageloop.local_cloud.sagemaker.failures import JobFailed, algorithm_error
from sageloop.local_cloud.sagemaker.training.host import HostRun


class EndReason(StrEnum):
    """Why an attempt ended before its containers exited by themselves."""

    STOP = "stop"
    LIMIT = "limit"
    INTERRUPTION = "interruption"
    MACHINE = "machine"
    FAILURE = "failure"


class Attempt:
    """Runs the containers of all hosts; the first end reason is kept."""

    def __init__(self, runs: Sequence[HostRun], *, on_limit: Callable[[], None]) -> None:
        self._runs = runs
        self._on_limit = on_limit
        self._lock = threading.Lock()
        self.reason: EndReason | None = None
        self.failure: JobFailed | None = None

    def run(self, command: Sequence[str], *, max_seconds: float) -> None:
        """Run until the container of the last host has ended; ``max_seconds`` are wall seconds.

        Afterwards :attr:`reason` is ``None`` if every container exited with code zero.
        """
        limit = threading.Timer(max_seconds, self._limit)
        limit.daemon = True
        limit.start()
        others = [
            threading.Thread(target=self._run_host, args=(run, command), daemon=True)
            for run in self._runs[1:]
        ]
        for thread in others:
            thread.start()
        self._run_host(self._runs[0], command)
        for thread in others:
            thread.join()
        limit.cancel()

    def end(self, reason: EndReason, failure: JobFailed | None = None) -> None:
        """Stop all hosts with SIGTERM and a grace period; with SIGKILL on a machine failure."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason, self.failure = reason, failure
        for run in self._runs:
            if reason is EndReason.MACHINE:
                run.container.kill()
            else:
                run.container.stop()

    def kill(self) -> None:
        """Send SIGKILL to all containers, whatever the end reason is."""
        for run in self._runs:
            run.container.kill()

    def _run_host(self, run: HostRun, command: Sequence[str]) -> None:
        try:
            code = run.run(command)
        except Exception as error:  # an exception in a thread would be lost
            self.end(EndReason.FAILURE, JobFailed(f"ClientError: {type(error).__name__}: {error}"))
            return
        if code != 0:
            failure = algorithm_error(run.host.directory.failure_text(), code)
            self.end(EndReason.FAILURE, failure)

    def _limit(self) -> None:
        self._on_limit()
        self.end(EndReason.LIMIT)
