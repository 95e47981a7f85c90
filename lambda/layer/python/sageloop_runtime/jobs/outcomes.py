"""The outcome of a job: its status, failure reason and duration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.jobs.instance_types import CAPACITY
from sageloop_runtime.jobs.kinds import TUNING, Kind
from sageloop_runtime.log import log
from sageloop_runtime.times import parse_time

LONGEST_REASON = 1024
INTERNAL_ERROR = "InternalServerError"
"""Part of the failure reason of a job for a failure of SageMaker's infrastructure."""

_METRICS = {"Completed": "JobsCompleted", "Failed": "JobsFailed"}
_TRIALS = 10


def failed_trials(kind: Kind, sagemaker: Any, name: str, status: str) -> list[dict[str, Any]]:
    """Some failed trials of a failed tuning job, whose own reason does not contain theirs."""
    if kind is not TUNING or status != "Failed":
        return []
    try:
        response = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, StatusEquals="Failed", MaxResults=_TRIALS
        )
    except ClientError as error:
        # An explanation must not keep the lock.
        log("failed trials cannot be listed", name=name, error=str(error))
        return []
    return list(response["TrainingJobSummaries"])


def failure_reason(kind: Kind, job: Mapping[str, Any], trials: list[dict[str, Any]]) -> str:
    """Why a job did not complete."""
    status = kind.status(job)
    reason = job.get("FailureReason") or job.get("ExitMessage") or job.get("SecondaryStatus")
    text = f"{status}: {status if reason is None else reason}"
    trial = next((item for item in trials if item.get("FailureReason")), None)
    if trial is not None:
        text += f" (trial {trial['TrainingJobName']}: {trial['FailureReason']})"
    return text[:LONGEST_REASON]


def is_capacity_error(job: Mapping[str, Any], trials: list[dict[str, Any]]) -> bool:
    """Whether there was no capacity for a failed job, or for each of its failed trials."""
    if str(job.get("FailureReason", "")).startswith(CAPACITY):
        return True
    reasons = [str(item.get("FailureReason", "")) for item in trials]
    return bool(reasons) and all(reason.startswith(CAPACITY) for reason in reasons)


def is_stopped_on_request(kind: Kind, job: Mapping[str, Any]) -> bool:
    """Whether an operator or a deployment stopped the job, and no limit of its own."""
    overrun = str(job.get("SecondaryStatus", "")).startswith("Max")
    return kind.status(job) != "Failed" and not overrun and not job.get("FailureReason")


def duration_of(kind: Kind, job: Mapping[str, Any]) -> float | None:
    """The duration of the job in seconds; None if its description has no end time."""
    end = job.get(kind.end_member, job.get("LastModifiedTime"))
    start = job.get(kind.start_member, job.get("CreationTime"))
    if end is None or start is None:
        return None
    return max(0.0, parse_time(end) - parse_time(start))


def end_samples(kind: Kind, job: Mapping[str, Any]) -> dict[str, float]:
    """The samples of the metrics about the end of the job."""
    seconds = duration_of(kind, job)
    counted = {_METRICS.get(kind.status(job), "JobsStopped"): 1.0}
    return counted if seconds is None else {**counted, "JobSeconds": seconds}
