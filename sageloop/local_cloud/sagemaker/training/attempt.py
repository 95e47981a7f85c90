"""One attempt at a job: its containers on all hosts, and what came of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from enum import StrEnum

from sageloop.local_cloud.sagemaker.failures import JobFailed, algorithm_error
from sageloop.local_cloud.sagemaker.training.host import HostRun


class EndReason(StrEnum):
    """Why the containers have ended, when it was not of their own accord."""

    STOP = "stop"
    LIMIT = "limit"
    INTERRUPTION = "interruption"
    MACHINE = "machine"
    FAILURE = "failure"


class Attempt:
    """Runs all hosts and waits for all. The first reason for an end is the one that counts."""

    def __init__(self, runs: Sequence[HostRun], *, on_limit: Callable[[], None]) -> None:
        self._runs = runs
        self._on_limit = on_limit
        self._lock = threading.Lock()
        self.reason: EndReason | None = None
        self.failure: JobFailed | None = None

    def run(self, command: Sequence[str], *, max_seconds: float) -> None:
        """Run to the end of the last host; ``max_seconds`` are wall seconds.

        Afterwards :attr:`ending` is ``None`` if every host ended with code zero.
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
        """Stop all hosts with SIGTERM and grace; with SIGKILL if the machine breaks down."""
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
        """SIGKILL to everything, whatever the reason was."""
        for run in self._runs:
            run.container.kill()

    def _run_host(self, run: HostRun, command: Sequence[str]) -> None:
        try:
            code = run.run(command)
        except Exception as error:  # what a thread raises would be lost
            self.end(EndReason.FAILURE, JobFailed(f"ClientError: {type(error).__name__}: {error}"))
            return
        if code != 0:
            failure = algorithm_error(run.host.directory.failure_text(), code)
            self.end(EndReason.FAILURE, failure)

    def _limit(self) -> None:
        self._on_limit()
        self.end(EndReason.LIMIT)
