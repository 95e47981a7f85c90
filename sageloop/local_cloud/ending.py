"""Ending the process of a cloud that another process has started."""

from __future__ import annotations

from contextlib import suppress

# The cloud kills itself ten seconds after it was asked to end, whatever its threads do.
_SECONDS = 20.0
_SAME = 0.01


def started_at(pid: int | None) -> float:
    """When a process began, in seconds since the epoch: with its id, no other process has both."""
    import psutil

    return float(psutil.Process(pid).create_time())


def end_process(pid: int, started: float) -> bool:
    """End a process and wait until it has; whether it ran at all.

    It is asked to, and killed if it does not answer: a cloud that is stopped, or that lets no
    Python run, ends too.
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
        # What it started ends before these do.
        psutil.wait_procs([process, *supervisors], timeout=_SECONDS)
        return True
    return False
