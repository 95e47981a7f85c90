"""The stored documents of tuning jobs and their status changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.store import Document
from sageloop.local_cloud.sagemaker.training.metrics import definitions_for
from sageloop.local_cloud.sagemaker.tuning.definitions import OBJECTIVE_PARAMETER, Definition
from sageloop.local_cloud.sagemaker.tuning.trials import Trial, best_of, counters

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account

FAMILY = "hyper-parameter-tuning-job"
ENDED = ("Completed", "Failed", "Stopped")
_EVENT_MEMBERS = (
    "HyperParameterTuningJobName", "HyperParameterTuningJobArn", "HyperParameterTuningJobConfig",
    "TrainingJobDefinition", "TrainingJobDefinitions", "HyperParameterTuningJobStatus",
    "CreationTime", "HyperParameterTuningEndTime", "LastModifiedTime",
    "TrainingJobStatusCounters", "ObjectiveStatusCounters", "FailureReason", "BestTrainingJob",
    "TuningJobCompletionReason", "TuningJobCompletionDetails",
)  # fmt: skip
_MAX_REASON_LENGTH = 1024


class TuningJobRepository:
    """Creates and updates tuning jobs in the store; each status change is an event."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._store = account.store
        self._clock = account.cloud.clock

    def open(self, request: Mapping[str, Any], definitions: Sequence[Definition]) -> Document:
        """Create a tuning job from its request. Raises ResourceInUse if the name is taken."""
        name, now = request["HyperParameterTuningJobName"], self._clock.now()
        described = [_described(definition) for definition in definitions]
        several = "TrainingJobDefinitions" in request
        document = {member: v for member, v in request.items() if member != "Tags"} | {
            "HyperParameterTuningJobArn": self._store.arn(FAMILY, name),
            "HyperParameterTuningJobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
            "ConsumedResources": {"RuntimeInSeconds": 0},
            **({"TrainingJobDefinitions": described} if several else {}),
            **({} if several else {"TrainingJobDefinition": described[0]}),
            **counters(()),
        }
        self._store.create(FAMILY, name, document, tags=request.get("Tags"))
        self._emit(document)
        return document

    def refresh(
        self, name: str, trials: Sequence[Trial], *, parents: Sequence[Trial] | None = None,
        **members: Any,
    ) -> None:  # fmt: skip
        """Update the counters of the training jobs and the best training job.

        ``parents`` are the trials of the parent jobs if an overall best training job is reported
        (IdenticalDataAndAlgorithm).
        """
        changes: dict[str, Any] = {**counters(trials), **members}
        best = best_of(trials)
        if best is not None:
            changes["BestTrainingJob"] = best.summary()
        overall = best_of((*parents, *trials)) if parents is not None else None
        if overall is not None:
            changes["OverallBestTrainingJob"] = overall.summary() | {
                "TuningJobName": overall.name.rsplit("-", 2)[0]
            }
        changes["LastModifiedTime"] = self._clock.now()
        self._store.update(FAMILY, name, changes)

    def move(self, name: str, status: str, *, reason: str | None = None) -> None:
        """Set a status; ``reason`` is the FailureReason."""
        now = self._clock.now()
        changes: dict[str, Any] = {
            "HyperParameterTuningJobStatus": status, "LastModifiedTime": now
        }  # fmt: skip
        if reason is not None:
            changes["FailureReason"] = reason[:_MAX_REASON_LENGTH]
        if status in ENDED:
            changes["HyperParameterTuningEndTime"] = now
        self._emit(self._store.update(FAMILY, name, changes))

    def mark_stopping(self, name: str) -> bool:
        """Set a job to Stopping; return false if it is stopping already.

        Raises ``AwsError`` if the job has ended.
        """
        with self._store.changed:
            status = self._store.get(FAMILY, name)["HyperParameterTuningJobStatus"]
            if status == "Stopping":
                return False
            if status != "InProgress":
                raise AwsError(
                    "ValidationException",
                    "The request was rejected because the hyperparameter tuning job is in status "
                    f"{status}.",
                )
            self.move(name, "Stopping")
        return True

    def _emit(self, document: Document) -> None:
        arn = document["HyperParameterTuningJobArn"]
        detail = {member: document.get(member) for member in _EVENT_MEMBERS}
        detail["Tags"] = self._store.tags(arn)
        self._account.emit("SageMaker HyperParameter Tuning Job State Change", detail, arn)


def _described(definition: Definition) -> dict[str, Any]:
    # As in AWS's description: with the metrics of the algorithm and the parameter that AWS adds.
    document = dict(definition.document)
    specification = dict(document["AlgorithmSpecification"])
    metrics = definitions_for(
        specification.get("TrainingImage", ""), specification.get("MetricDefinitions", ())
    )
    if metrics:
        specification["MetricDefinitions"] = metrics
    injected = {OBJECTIVE_PARAMETER: definition.objective.metric}
    return document | {
        "AlgorithmSpecification": specification,
        "StaticHyperParameters": document.get("StaticHyperParameters", {}) | injected,
    }
