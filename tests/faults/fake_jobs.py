"""SageMaker's four kinds of jobs in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from documents import BUCKET
from fake_client import client_error
from fake_stores import Stores
from sageloop_runtime.jobs.kinds import KINDS, TRAINING, TUNING, Kind
from sageloop_runtime.times import iso

EVENTS = {
    "training": "SageMaker Training Job State Change",
    "tuning": "SageMaker HyperParameter Tuning Job State Change",
    "processing": "SageMaker Processing Job State Change",
    "transform": "SageMaker Transform Job State Change",
}


class Jobs(Stores):
    """The part of the world that runs jobs."""

    now: float

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.kinds: dict[str, Kind] = {}
        self.scarce: set[str] = set()
        self.lose_events = False

    def emit(self, function: str, source: str, kind: str, detail: dict[str, Any]) -> None:
        event = {"source": source, "detail-type": kind, "time": iso(self.now), "detail": detail}
        if not self.lose_events:
            self.queue.append((function, event))

    def stamp(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    # what the four kinds share

    def _create(self, kind: Kind, request: dict[str, Any]) -> Any:
        name = request[kind.name_member]
        types = set(_types(request))
        if types & self.scarce:
            raise client_error("ResourceLimitExceeded", f"the quota of {types.pop()} is 0")
        if name in self.jobs:
            raise client_error("ResourceInUse", "Job names must be unique")
        self.jobs[name] = {
            **request, kind.status_member: "InProgress", "CreationTime": self.stamp(),
        }  # fmt: skip
        self.kinds[name] = kind
        return {}

    def _describe(self, kind: Kind, name: str) -> Any:
        if self.kinds.get(name) is not kind:
            raise client_error("ValidationException", "Requested resource not found.")
        return self.jobs[name]

    def _list(self, kind: Kind, contained: str, status: str) -> Any:
        names = [
            n for n, job in self.jobs.items()
            if contained in n and self.kinds[n] is kind and kind.status(job) == status
        ]  # fmt: skip
        return {f"{kind.noun}Summaries": [{kind.name_member: name} for name in names]}

    def _stop(self, kind: Kind, name: str) -> Any:
        if kind.status(self._describe(kind, name)) == "InProgress":
            self.finish(name, status="Stopped", secondary="Stopped")

    def running_jobs(self) -> list[str]:
        return [n for n, job in self.jobs.items() if self.kinds[n].status(job) == "InProgress"]

    def finish(
        self, name: str, *, metric: float | None = 8.0, status: str = "Completed",
        reason: str | None = None, secondary: str | None = None, artifact: bytes = b"\x1f\x8b..",
    ) -> None:  # fmt: skip
        """Let a job end; a tuning job with a best trial of this metric."""
        job, kind = self.jobs[name], self.kinds[name]
        job[kind.status_member] = status
        job["SecondaryStatus"] = secondary or status
        job[kind.end_member] = self.stamp()
        if reason is not None:
            job["FailureReason"] = reason
        if kind is TRAINING:
            self._train(job, name, metric, artifact)
        elif kind is TUNING and status == "Completed":
            self._tune(job, name, metric, artifact)
        detail = {kind.name_member: name, kind.status_member: status}
        self.emit("on_job_change", "aws.sagemaker", EVENTS[kind.name], detail)

    def _train(self, job: dict[str, Any], name: str, metric: float | None, artifact: bytes) -> None:
        key = f"out/{name}/output/model.tar.gz"
        if job["TrainingJobStatus"] != "Failed":
            job["ModelArtifacts"] = {"S3ModelArtifacts": f"s3://{BUCKET}/{key}"}
            self.objects[BUCKET, key] = artifact
        if metric is not None:
            job["FinalMetricDataList"] = [{"MetricName": "validation:mae", "Value": metric}]

    def _tune(self, job: dict[str, Any], name: str, metric: float | None, artifact: bytes) -> None:
        if metric is None:
            return
        trial = f"{name}-002-0123abcd"
        definition = job["TrainingJobDefinition"]
        self.jobs[trial] = {
            **definition, "TrainingJobName": trial, "TrainingJobStatus": "Completed",
            "CreationTime": self.stamp(),
        }  # fmt: skip
        self.kinds[trial] = TRAINING
        self._train(self.jobs[trial], trial, metric, artifact)
        job["BestTrainingJob"] = {
            "TrainingJobName": trial,
            "FinalHyperParameterTuningJobObjectiveMetric": {
                "MetricName": "validation:mae", "Value": metric,
            },
        }  # fmt: skip
        detail = {"TrainingJobName": trial, "TrainingJobStatus": "Completed"}
        self.emit("on_job_change", "aws.sagemaker", EVENTS["training"], detail)

    # the operations, by their names

    def _create_training_job(self, **request: Any) -> Any:
        return self._create(TRAINING, request)

    def _describe_training_job(self, TrainingJobName: str) -> Any:
        return self._describe(TRAINING, TrainingJobName)

    def _list_training_jobs(self, NameContains: str, StatusEquals: str) -> Any:
        return self._list(TRAINING, NameContains, StatusEquals)

    def _stop_training_job(self, TrainingJobName: str) -> Any:
        return self._stop(TRAINING, TrainingJobName)

    def _create_hyper_parameter_tuning_job(self, **request: Any) -> Any:
        return self._create(TUNING, request)

    def _describe_hyper_parameter_tuning_job(self, HyperParameterTuningJobName: str) -> Any:
        return self._describe(TUNING, HyperParameterTuningJobName)

    def _list_hyper_parameter_tuning_jobs(self, NameContains: str, StatusEquals: str) -> Any:
        return self._list(TUNING, NameContains, StatusEquals)

    def _stop_hyper_parameter_tuning_job(self, HyperParameterTuningJobName: str) -> Any:
        return self._stop(TUNING, HyperParameterTuningJobName)

    def _list_training_jobs_for_hyper_parameter_tuning_job(
        self, HyperParameterTuningJobName: str, StatusEquals: str, MaxResults: int
    ) -> Any:
        reasons = self.jobs[HyperParameterTuningJobName].get("trials", [])
        return {
            "TrainingJobSummaries": [
                {"TrainingJobName": f"{HyperParameterTuningJobName}-{i:03}-0123abcd",
                 "TrainingJobStatus": StatusEquals, "FailureReason": reason}
                for i, reason in enumerate(reasons[:MaxResults])
            ]
        }  # fmt: skip

    def _create_processing_job(self, **request: Any) -> Any:
        return self._create(KINDS["processing"], request)

    def _describe_processing_job(self, ProcessingJobName: str) -> Any:
        return self._describe(KINDS["processing"], ProcessingJobName)

    def _list_processing_jobs(self, NameContains: str, StatusEquals: str) -> Any:
        return self._list(KINDS["processing"], NameContains, StatusEquals)

    def _stop_processing_job(self, ProcessingJobName: str) -> Any:
        return self._stop(KINDS["processing"], ProcessingJobName)

    def _create_transform_job(self, **request: Any) -> Any:
        return self._create(KINDS["transform"], request)

    def _describe_transform_job(self, TransformJobName: str) -> Any:
        return self._describe(KINDS["transform"], TransformJobName)

    def _list_transform_jobs(self, NameContains: str, StatusEquals: str) -> Any:
        return self._list(KINDS["transform"], NameContains, StatusEquals)

    def _stop_transform_job(self, TransformJobName: str) -> Any:
        return self._stop(KINDS["transform"], TransformJobName)


def _types(value: Any) -> Any:
    """Every InstanceType in a request."""
    if isinstance(value, dict):
        if "InstanceType" in value:
            yield value["InstanceType"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _types(item)
