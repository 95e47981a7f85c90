"""Why a job fails, in the words of FailureReason."""

from __future__ import annotations

INTERNAL_ERROR = (
    "InternalServerError: We encountered an internal error. Please try again."  # AWS's own words
)
CAPACITY_ERROR = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type."
)
_LONGEST = 1024


class JobFailed(Exception):
    """The job ends as Failed; the text becomes its FailureReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason[:_LONGEST]


class InternalError(JobFailed):
    """A failure of the platform's own, which a RetryStrategy retries."""

    def __init__(self) -> None:
        super().__init__(INTERNAL_ERROR)


class CapacityAwaited(Exception):
    """There are no spot instances now; the job waits for some."""


class SpotInterrupted(Exception):
    """The job's spot instances were taken away."""


class JobStopped(Exception):
    """StopTrainingJob came before there was anything to keep."""


class Abandoned(Exception):
    """The cloud goes down; the job is left as it is."""


def algorithm_error(message: str, exit_code: int) -> JobFailed:
    """The failure of a container that exited with ``exit_code``, not zero."""
    tail = f", exit code: {exit_code}"
    head = f"AlgorithmError: {message[:_LONGEST]}"
    return JobFailed(head[: _LONGEST - len(tail)] + tail)
