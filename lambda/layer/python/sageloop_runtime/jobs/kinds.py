"""The four kinds of jobs: their operations, members and limits in SageMaker's API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from sageloop_runtime.errors import BadInputError, is_missing, message_of
from sageloop_runtime.names import digest_of

_ENDED = frozenset({"Completed", "Failed", "Stopped", "Deleting", "DeleteFailed"})


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of job.

    Attributes:
        name: name of the kind.
        noun: what follows Create, Describe, Stop and List in the names of its operations.
        longest_job: maximum length of the prefix of job names; SageMaker allows 63 characters
            for the name of a job and 32 for that of a tuning job.
        digest: hex digits that follow the prefix.
        required: members that every Create request must have.
        resources: path of the object with the instance type.
        start_member: member of the description with the start time.
        end_member: member of the description with the end time.

    """

    name: str
    noun: str
    longest_job: int
    digest: int
    required: tuple[str, ...]
    resources: tuple[str, ...]
    start_member: str
    end_member: str

    @property
    def label(self) -> str:
        """The name of such a job in messages."""
        return "batch transform job" if self.name == "transform" else f"{self.name} job"

    @property
    def name_member(self) -> str:
        """The member of requests, responses and events with the name of the job."""
        return f"{self.noun}Name"

    @property
    def status_member(self) -> str:
        """The member of responses and events with the status of the job."""
        return f"{self.noun}Status"

    def job_name(self, job: str, key: str) -> str:
        """The name of the job of the trigger with this key."""
        return f"{job}-{digest_of(key, length=self.digest)}"

    def is_job_of(self, job: str, name: str) -> bool:
        """Whether ``name`` is of ``job``: not of a longer prefix, and no trial of a tuning job."""
        return re.fullmatch(re.escape(job) + f"-[0-9a-f]{{{self.digest}}}", name) is not None

    # SageMaker's operations

    def create(self, sagemaker: Any, request: Mapping[str, Any]) -> None:
        """Create the job."""
        self._operation(sagemaker, "Create")(**request)

    def describe(self, sagemaker: Any, name: str) -> dict[str, Any]:
        """The description of the job."""
        return dict(self._operation(sagemaker, "Describe")(**{self.name_member: name}))

    def find(self, sagemaker: Any, name: str) -> dict[str, Any] | None:
        """The description of the job; None if it does not exist."""
        try:
            return self.describe(sagemaker, name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def stop(self, sagemaker: Any, name: str) -> None:
        """Stop the job, unless it has ended or was never created."""
        try:
            self._operation(sagemaker, "Stop")(**{self.name_member: name})
        except ClientError as error:
            text = message_of(error).lower()
            if not any(part in text for part in ("not found", "could not", "status", "stopp")):
                raise

    def running(self, sagemaker: Any, job: str) -> Iterator[str]:
        """Names of the jobs of ``job`` in progress."""
        request = {"NameContains": f"{job}-", "StatusEquals": "InProgress"}
        while True:
            response = self._operation(sagemaker, "List", "s")(**request)
            for item in response[f"{self.noun}Summaries"]:
                if self.is_job_of(job, item[self.name_member]):
                    yield item[self.name_member]
            if not response.get("NextToken"):
                return
            request["NextToken"] = response["NextToken"]

    def _operation(self, sagemaker: Any, verb: str, plural: str = "") -> Any:
        return getattr(sagemaker, xform_name(f"{verb}{self.noun}{plural}"))

    # descriptions

    def status(self, described: Mapping[str, Any]) -> str:
        """The job's status."""
        return str(described[self.status_member])

    def has_ended(self, described: Mapping[str, Any]) -> bool:
        """Whether the status is final."""
        return self.status(described) in _ENDED


TRAINING = Kind(
    name="training", noun="TrainingJob", longest_job=40, digest=12,
    required=("AlgorithmSpecification", "OutputDataConfig", "ResourceConfig", "RoleArn",
              "StoppingCondition"),
    resources=("ResourceConfig",), start_member="TrainingStartTime", end_member="TrainingEndTime",
)  # fmt: skip
TUNING = Kind(
    name="tuning", noun="HyperParameterTuningJob", longest_job=21, digest=10,
    required=("HyperParameterTuningJobConfig",),
    resources=("ResourceConfig",),
    start_member="CreationTime", end_member="HyperParameterTuningEndTime",
)  # fmt: skip
PROCESSING = Kind(
    name="processing", noun="ProcessingJob", longest_job=40, digest=12,
    required=("AppSpecification", "ProcessingResources", "RoleArn"),
    resources=("ProcessingResources", "ClusterConfig"),
    start_member="ProcessingStartTime", end_member="ProcessingEndTime",
)  # fmt: skip
TRANSFORM = Kind(
    name="transform", noun="TransformJob", longest_job=40, digest=12,
    required=("ModelName", "TransformInput", "TransformOutput", "TransformResources"),
    resources=("TransformResources",),
    start_member="TransformStartTime", end_member="TransformEndTime",
)  # fmt: skip
KINDS = {kind.name: kind for kind in (TRAINING, TUNING, PROCESSING, TRANSFORM)}


def kind_of(document: Mapping[str, Any]) -> Kind:
    """The kind of a job document; training by default.

    Raises:
        BadInputError: if the kind is unknown.

    """
    name = document.get("kind", TRAINING.name)
    if not isinstance(name, str) or name not in KINDS:
        raise BadInputError(f"the kind {name!r} is unknown: {', '.join(KINDS)} are known")
    return KINDS[name]


def job_in_event(detail: Mapping[str, Any]) -> tuple[Kind, str] | None:
    """Kind and name of the job in the detail of an event; None if there is none."""
    for kind in KINDS.values():
        name = detail.get(kind.name_member)
        if isinstance(name, str):
            return kind, name
    return None


def definitions_of(kind: Kind, request: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a request with container, channels and instances: for tuning, definitions."""
    if kind is not TUNING:
        return [request]
    single = request.get("TrainingJobDefinition")
    return [*([] if single is None else [single]), *request.get("TrainingJobDefinitions", [])]
