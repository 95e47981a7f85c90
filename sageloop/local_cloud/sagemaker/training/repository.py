"""The stored documents of training jobs and their status changes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.failures import JobStopped
from sageloop.local_cloud.sagemaker.store import Document
from sageloop.local_cloud.sagemaker.training.metrics import definitions_for

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account

FAMILY = "training-job"
_DAY = 86_400
_STATUS_OF = {
    "Completed": "Completed", "Failed": "Failed", "Stopping": "Stopping", "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped", "MaxWaitTimeExceeded": "Stopped",
}  # fmt: skip
_ACTIVE_STATUSES = ("Starting", "Downloading", "Training", "Interrupted", "Restarting")
_STATUS_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Pending": "Training job waiting for capacity",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Interrupted": "Training job interrupted as its spot instances were reclaimed",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job exceeded MaxWaitTimeInSeconds provided",
    "Restarting": "Restarting the training job after an internal error",
}
_EVENT_MEMBERS = (
    "TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus",
    "FailureReason", "HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig",
    "OutputDataConfig", "ResourceConfig", "VpcConfig", "StoppingCondition", "ModelArtifacts",
    "CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime",
    "SecondaryStatusTransitions", "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining",
)  # fmt: skip
_NOT_DESCRIBED = ("Tags",)


class TrainingJobRepository:
    """Creates and updates training jobs in the store; each status change is an event."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._store = account.store
        self._clock = account.cloud.clock

    def open(
        self, request: dict[str, Any], *, secondary: str = "Starting",
        tuning_job_arn: str | None = None,
    ) -> Document:  # fmt: skip
        """Create a job from its request. Raises ResourceInUse if the name is taken."""
        name, now = request["TrainingJobName"], self._clock.now()
        specification = dict(request["AlgorithmSpecification"])
        definitions = definitions_for(
            specification.get("TrainingImage", ""), specification.get("MetricDefinitions", ())
        )
        if definitions:
            specification["MetricDefinitions"] = definitions
        document = {m: v for m, v in request.items() if m not in _NOT_DESCRIBED} | {
            "TrainingJobArn": self._store.arn(FAMILY, name),
            "AlgorithmSpecification": specification,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": secondary,
            "StoppingCondition": {"MaxRuntimeInSeconds": _DAY}
            | request.get("StoppingCondition", {}),
            "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
            "EnableInterContainerTrafficEncryption": request.get(
                "EnableInterContainerTrafficEncryption", False
            ),
            "EnableManagedSpotTraining": request.get("EnableManagedSpotTraining", False),
            "CreationTime": now,
            "LastModifiedTime": now,
            "SecondaryStatusTransitions": [
                _transition(secondary, now, _STATUS_MESSAGES[secondary])
            ],
        }
        if tuning_job_arn is not None:
            document["TuningJobArn"] = tuning_job_arn
        if request["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
            document["WarmPoolStatus"] = {"Status": "InUse"}
        self._store.create(FAMILY, name, document, tags=request.get("Tags"))
        self._emit(document)
        return document

    def move(
        self, name: str, secondary: str, *, message: str | None = None, **members: Any
    ) -> Document:
        """Enter a secondary status and set ``members``.

        Raises :class:`JobStopped` if the job is Stopping and the secondary status would continue
        it.
        """
        now = self._clock.now()

        def change(document: Document) -> None:
            stopping = document["TrainingJobStatus"] == "Stopping"
            if stopping and secondary in _ACTIVE_STATUSES:
                raise JobStopped
            status = "Stopping" if stopping else "InProgress"
            document["TrainingJobStatus"] = _STATUS_OF.get(secondary, status)
            document["SecondaryStatus"] = secondary
            document["LastModifiedTime"] = now
            document.update(members)
            transitions = document["SecondaryStatusTransitions"]
            transitions[-1]["EndTime"] = now
            transitions.append(_transition(secondary, now, message or _STATUS_MESSAGES[secondary]))
            if document["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
                transitions[-1]["EndTime"] = now
                document.setdefault("TrainingEndTime", now)

        document = self._store.modify(FAMILY, name, change)
        self._emit(document)
        return document

    def describe(self, name: str) -> Document:
        """Return a job. Raises ``AwsError`` if it does not exist."""
        return self._store.get(FAMILY, name)

    def mark_stopping(self, name: str) -> bool:
        """Set a job to Stopping; return false if it is stopping already.

        Raises ``AwsError`` if the job has ended.
        """
        now = self._clock.now()
        with self._store.changed:
            status = self._store.get(FAMILY, name)["TrainingJobStatus"]
            if status == "Stopping":
                return False
            if status != "InProgress":
                raise AwsError(
                    "ValidationException",
                    f"The request was rejected because the training job is in status {status}.",
                )
            self.move(name, "Stopping", LastModifiedTime=now)
        return True

    def _emit(self, document: Document) -> None:
        detail = {member: document.get(member) for member in _EVENT_MEMBERS}
        detail["Tags"] = self._store.tags(document["TrainingJobArn"])
        if detail["ModelArtifacts"] is None:
            del detail["ModelArtifacts"]
        self._account.emit(
            "SageMaker Training Job State Change", detail, document["TrainingJobArn"]
        )


def _transition(status: str, now: datetime, message: str) -> dict[str, Any]:
    return {"Status": status, "StartTime": now, "StatusMessage": message}
