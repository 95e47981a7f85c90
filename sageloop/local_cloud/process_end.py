"""Ends the process of a cloud that another process started."""

from __future__ import annotations

from contextlib import suppress

# The cloud kills itself ten seconds after the request to end, in any state of its threads.
_SECONDS = 20.0
_SAME = 0.01


def started_at(pid: int | None) -> float:
    """Start time of a process in epoch seconds; with the process id it identifies the process."""
    import psutil

    return float(psutil.Process(pid).create_time())


def end_process(pid: int, started: float) -> bool:
    """End a process and wait for its end; returns whether it was running.

    It receives a signal, and is killed if it does not react: this also ends a cloud that is
    stopped or whose interpreter is blocked.
    """
    import psutil

    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > _SAME or process.status() == "zombie":
            return False
        supervisors = process.children()
        process.terminate()
        if psutil.wait_procs([process], timeout=_SECONDS)[1]:
            process.kill()
        # Its descendants end before it does.
        psutil.wait_procs([process, *supervisors], timeout=_SECONDS)
        return True
    return False
