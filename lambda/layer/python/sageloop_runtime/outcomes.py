"""How a job ended: its status, its reason, how long it ran, on which instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.instance_types import CAPACITY
from sageloop_runtime.kinds import TUNING, Kind
from sageloop_runtime.log import log
from sageloop_runtime.times import parse_time

LONGEST_REASON = 1024
INTERNAL = "InternalServerError"
"""What the reason of a job names that failed by no fault of its own."""

_METRICS = {"Completed": "JobsCompleted", "Failed": "JobsFailed"}
_TRIALS = 10


def failed_trials(kind: Kind, sagemaker: Any, name: str, status: str) -> list[dict[str, Any]]:
    """Some failed trials of a tuning job that failed: its own reason names none of theirs."""
    if kind is not TUNING or status != "Failed":
        return []
    try:
        answer = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, StatusEquals="Failed", MaxResults=_TRIALS
        )
    except ClientError as error:
        # What only explains must not keep the lock.
        log("failed trials cannot be listed", name=name, error=str(error))
        return []
    return list(answer["TrainingJobSummaries"])


def why(kind: Kind, job: Mapping[str, Any], trials: list[dict[str, Any]]) -> str:
    """Why a job did not complete: its reason, or how it was stopped."""
    status = kind.status(job)
    reason = job.get("FailureReason") or job.get("ExitMessage") or job.get("SecondaryStatus")
    text = f"{status}: {status if reason is None else reason}"
    told = next((item for item in trials if item.get("FailureReason")), None)
    if told is not None:
        text += f" (trial {told['TrainingJobName']}: {told['FailureReason']})"
    return text[:LONGEST_REASON]


def lacked_capacity(job: Mapping[str, Any], trials: list[dict[str, Any]]) -> bool:
    """Whether a failed job, or each of its failed trials, found no instances."""
    if str(job.get("FailureReason", "")).startswith(CAPACITY):
        return True
    reasons = [str(item.get("FailureReason", "")) for item in trials]
    return bool(reasons) and all(reason.startswith(CAPACITY) for reason in reasons)


def was_wanted(kind: Kind, job: Mapping[str, Any]) -> bool:
    """Whether a person or a deployment stopped the job, and not a limit of its own."""
    overrun = str(job.get("SecondaryStatus", "")).startswith("Max")
    return kind.status(job) != "Failed" and not overrun and not job.get("FailureReason")


def seconds_of(kind: Kind, job: Mapping[str, Any]) -> float | None:
    """How long the job ran; None where SageMaker does not say when it ended."""
    ended = job.get(kind.ended, job.get("LastModifiedTime"))
    began = job.get(kind.began, job.get("CreationTime"))
    if ended is None or began is None:
        return None
    return max(0.0, parse_time(ended) - parse_time(began))


def samples_of(kind: Kind, job: Mapping[str, Any]) -> dict[str, float]:
    """The samples that count the job's end."""
    seconds = seconds_of(kind, job)
    counted = {_METRICS.get(kind.status(job), "JobsStopped"): 1.0}
    return counted if seconds is None else {**counted, "JobSeconds": seconds}
