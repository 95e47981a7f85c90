"""SageMaker's operations and response members for the four kinds of jobs."""

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
        noun: The name of the kind in ``Describe`` operations.
        operation: The boto3 method that describes a job.
        log_group: The log group of its containers.

    """

    noun: str
    operation: str
    log_group: str

    def describe(self, sagemaker: Any, name: str) -> dict[str, Any]:
        """The response of SageMaker's Describe operation."""
        return dict(getattr(sagemaker, self.operation)(**{f"{self.noun}Name": name}))

    def status(self, described: Mapping[str, Any]) -> str:
        """The job's status."""
        return str(described[f"{self.noun}Status"])

    def has_ended(self, described: Mapping[str, Any]) -> bool:
        """Whether the status is final."""
        return self.status(described) in _ENDED

    def history(self, described: Mapping[str, Any]) -> list[str]:
        """The statuses so far, oldest first; only the current one if SageMaker keeps no history."""
        passed = [str(item["Status"]) for item in described.get("SecondaryStatusTransitions", [])]
        return passed if passed else [self.status(described)]

    def progress(self, described: Mapping[str, Any]) -> str:
        """The current progress as a short text."""
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
    """A job's final metrics; for a tuning job its best trial's objective."""
    metrics = {
        str(item["MetricName"]): float(item["Value"])
        for item in described.get("FinalMetricDataList", [])
    }
    objective = best_trial(described).get("FinalHyperParameterTuningJobObjectiveMetric")
    if objective:
        metrics[str(objective["MetricName"])] = float(objective["Value"])
    return metrics


def best_trial(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tuning job's best trial, empty if there is none."""
    trial: Mapping[str, Any] = described.get("BestTrainingJob", {})
    return trial


def reason_of(described: Mapping[str, Any]) -> str | None:
    """SageMaker's failure reason of a job."""
    for key in ("FailureReason", "ExitMessage"):
        if described.get(key):
            return str(described[key])
    return None


def log_lines(logs: Any, group: str, prefix: str, next_tokens: dict[str, str]) -> Iterator[str]:
    """New log lines of a job since ``next_tokens``, which is updated.

    Args:
        logs: A CloudWatch Logs client.
        group: The log group.
        prefix: The prefix of the job's log streams.
        next_tokens: The next token of each stream.

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
            more = {"nextToken": next_tokens[name]} if name in next_tokens else {}
            answer = logs.get_log_events(
                logGroupName=group, logStreamName=name, startFromHead=True, **more
            )
            yield from (str(event["message"]).rstrip("\n") for event in answer["events"])
            following = answer["nextForwardToken"]
            if following == next_tokens.get(name):
                break
            next_tokens[name] = following
