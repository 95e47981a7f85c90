"""What SageMaker calls the four kinds of jobs, and what a description says of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ENDED = frozenset({"Completed", "Failed", "Stopped", "Deleting", "DeleteFailed"})
_COUNTERS = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of job.

    Attributes:
        noun: What ``Describe`` is put before.
        operation: The boto3 method that describes one.
        log_group: Where its containers log.

    """

    noun: str
    operation: str
    log_group: str

    def describe(self, sagemaker: Any, name: str) -> dict[str, Any]:
        """What SageMaker says of a job."""
        return dict(getattr(sagemaker, self.operation)(**{f"{self.noun}Name": name}))

    def status(self, described: Mapping[str, Any]) -> str:
        """The job's status."""
        return str(described[f"{self.noun}Status"])

    def has_ended(self, described: Mapping[str, Any]) -> bool:
        """Whether the status is a last one."""
        return self.status(described) in _ENDED

    def history(self, described: Mapping[str, Any]) -> list[str]:
        """The statuses so far, oldest first; only the last where SageMaker keeps no history."""
        passed = [str(item["Status"]) for item in described.get("SecondaryStatusTransitions", [])]
        return passed if passed else [self.status(described)]

    def progress(self, described: Mapping[str, Any]) -> str:
        """What goes on now, in a few words."""
        counters = described.get("TrainingJobStatusCounters", {})
        counted = [f"{counters[key]} {key}" for key in _COUNTERS if counters.get(key)]
        messages = [
            item["StatusMessage"]
            for item in described.get("SecondaryStatusTransitions", [])[-1:]
            if item.get("StatusMessage")
        ]
        now = str(described.get("SecondaryStatus", self.status(described)))
        more = ", ".join([*counted, *messages])
        return f"{now} ({more})" if more else now


KINDS = {
    "training": Kind(
        noun="TrainingJob", operation="describe_training_job",
        log_group="/aws/sagemaker/TrainingJobs",
    ),
    "tuning": Kind(
        noun="HyperParameterTuningJob", operation="describe_hyper_parameter_tuning_job",
        log_group="/aws/sagemaker/TrainingJobs",
    ),
    "processing": Kind(
        noun="ProcessingJob", operation="describe_processing_job",
        log_group="/aws/sagemaker/ProcessingJobs",
    ),
    "transform": Kind(
        noun="TransformJob", operation="describe_transform_job",
        log_group="/aws/sagemaker/TransformJobs",
    ),
}  # fmt: skip


def final_metrics(described: Mapping[str, Any]) -> dict[str, float]:
    """A job's last metrics; for a tuning job its best trial's objective."""
    found = {
        str(item["MetricName"]): float(item["Value"])
        for item in described.get("FinalMetricDataList", [])
    }
    objective = best_trial(described).get("FinalHyperParameterTuningJobObjectiveMetric")
    if objective:
        found[str(objective["MetricName"])] = float(objective["Value"])
    return found


def best_trial(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tuning job's best trial, empty where there is none."""
    found: Mapping[str, Any] = described.get("BestTrainingJob", {})
    return found


def reason_of(described: Mapping[str, Any]) -> str | None:
    """Why a job failed, in SageMaker's words."""
    for key in ("FailureReason", "ExitMessage"):
        if described.get(key):
            return str(described[key])
    return None


def log_lines(logs: Any, group: str, prefix: str, seen: dict[str, str]) -> Iterator[str]:
    """Lines that the streams of a job got since ``seen``, which is brought up to date.

    Args:
        logs: A CloudWatch Logs client.
        group: The log group.
        prefix: What the names of the job's streams begin with.
        seen: For each stream the token to go on from.

    """
    try:
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName=group, logStreamNamePrefix=prefix
        )
        names = sorted(item["logStreamName"] for page in pages for item in page["logStreams"])
    except logs.exceptions.ResourceNotFoundException:
        return
    for name in names:
        while True:
            more = {"nextToken": seen[name]} if name in seen else {}
            answer = logs.get_log_events(
                logGroupName=group, logStreamName=name, startFromHead=True, **more
            )
            yield from (str(event["message"]).rstrip("\n") for event in answer["events"])
            following = answer["nextForwardToken"]
            if following == seen.get(name):
                break
            seen[name] = following
