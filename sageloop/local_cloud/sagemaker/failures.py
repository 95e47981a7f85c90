"""Failures of a job and the text that each writes to FailureReason."""

from __future__ import annotations

INTERNAL_ERROR = (
    "InternalServerError: We encountered an internal error. Please try again."  # AWS's message
)
CAPACITY_ERROR = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type."
)
_MAX_LENGTH = 1024


class JobFailed(Exception):
    """Ends the job with status Failed; the text becomes its FailureReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason[:_MAX_LENGTH]


class InternalError(JobFailed):
    """A platform failure, which a RetryStrategy retries."""

    def __init__(self) -> None:
        super().__init__(INTERNAL_ERROR)


class CapacityAwaited(Exception):
    """No spot instances are available; the job waits for capacity."""


class SpotInterrupted(Exception):
    """The spot instances of the job were reclaimed."""


class JobStopped(Exception):
    """StopTrainingJob was called before the job produced output to upload."""


class Abandoned(Exception):
    """The cloud is shutting down; the job keeps its status."""


def algorithm_error(message: str, exit_code: int) -> JobFailed:
    """The failure of a container that exited with the non-zero code ``exit_code``."""
    tail = f", exit code: {exit_code}"
    head = f"AlgorithmError: {message[:_MAX_LENGTH]}"
    return JobFailed(head[: _MAX_LENGTH - len(tail)] + tail)
