"""The four kinds of jobs: what SageMaker calls everything about them."""

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

    ``noun`` is what Create, Describe, Stop and List are put before. SageMaker allows
    63 characters to a name and 32 to a tuning job's: ``longest_job`` is what that leaves to the
    prefix before ``digest`` hex digits. ``required`` are the members without which a request
    cannot be one; ``resources`` leads to the object that says the instance type; ``began`` and
    ``ended`` are the stamps between which a job is said to have run.
    """

    name: str
    noun: str
    longest_job: int
    digest: int
    required: tuple[str, ...]
    resources: tuple[str, ...]
    began: str
    ended: str

    @property
    def words(self) -> str:
        """As people call such a job."""
        return "batch transform job" if self.name == "transform" else f"{self.name} job"

    @property
    def name_member(self) -> str:
        """Under which requests, answers and events name the job."""
        return f"{self.noun}Name"

    @property
    def status_member(self) -> str:
        """Under which answers and events tell its status."""
        return f"{self.noun}Status"

    def job_name(self, job: str, key: str) -> str:
        """The job that the trigger with this key starts."""
        return f"{job}-{digest_of(key, length=self.digest)}"

    def is_job_of(self, job: str, name: str) -> bool:
        """Whether ``name`` is of ``job``, and neither of a longer name nor a tuning job's trial."""
        return re.fullmatch(re.escape(job) + f"-[0-9a-f]{{{self.digest}}}", name) is not None

    # SageMaker's operations

    def create(self, sagemaker: Any, request: Mapping[str, Any]) -> None:
        """Create the job."""
        self._operation(sagemaker, "Create")(**request)

    def describe(self, sagemaker: Any, name: str) -> dict[str, Any]:
        """What SageMaker says of the job."""
        return dict(self._operation(sagemaker, "Describe")(**{self.name_member: name}))

    def find(self, sagemaker: Any, name: str) -> dict[str, Any] | None:
        """What SageMaker says of the job; None if there is none of this name."""
        try:
            return self.describe(sagemaker, name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def stop(self, sagemaker: Any, name: str) -> None:
        """Stop the job, unless it ended meanwhile or was never created."""
        try:
            self._operation(sagemaker, "Stop")(**{self.name_member: name})
        except ClientError as error:
            text = message_of(error).lower()
            if not any(part in text for part in ("not found", "could not", "status", "stopp")):
                raise

    def running(self, sagemaker: Any, job: str) -> Iterator[str]:
        """Names of the jobs of ``job`` that run."""
        request = {"NameContains": f"{job}-", "StatusEquals": "InProgress"}
        while True:
            answer = self._operation(sagemaker, "List", "s")(**request)
            for item in answer[f"{self.noun}Summaries"]:
                if self.is_job_of(job, item[self.name_member]):
                    yield item[self.name_member]
            if not answer.get("NextToken"):
                return
            request["NextToken"] = answer["NextToken"]

    def _operation(self, sagemaker: Any, verb: str, plural: str = "") -> Any:
        return getattr(sagemaker, xform_name(f"{verb}{self.noun}{plural}"))

    # what a described job says

    def status(self, described: Mapping[str, Any]) -> str:
        """The job's status."""
        return str(described[self.status_member])

    def has_ended(self, described: Mapping[str, Any]) -> bool:
        """Whether nothing follows any more."""
        return self.status(described) in _ENDED


TRAINING = Kind(
    name="training", noun="TrainingJob", longest_job=40, digest=12,
    required=("AlgorithmSpecification", "OutputDataConfig", "ResourceConfig", "RoleArn",
              "StoppingCondition"),
    resources=("ResourceConfig",), began="TrainingStartTime", ended="TrainingEndTime",
)  # fmt: skip
TUNING = Kind(
    name="tuning", noun="HyperParameterTuningJob", longest_job=21, digest=10,
    required=("HyperParameterTuningJobConfig",),
    resources=("ResourceConfig",), began="CreationTime", ended="HyperParameterTuningEndTime",
)  # fmt: skip
PROCESSING = Kind(
    name="processing", noun="ProcessingJob", longest_job=40, digest=12,
    required=("AppSpecification", "ProcessingResources", "RoleArn"),
    resources=("ProcessingResources", "ClusterConfig"),
    began="ProcessingStartTime", ended="ProcessingEndTime",
)  # fmt: skip
TRANSFORM = Kind(
    name="transform", noun="TransformJob", longest_job=40, digest=12,
    required=("ModelName", "TransformInput", "TransformOutput", "TransformResources"),
    resources=("TransformResources",), began="TransformStartTime", ended="TransformEndTime",
)  # fmt: skip
KINDS = {kind.name: kind for kind in (TRAINING, TUNING, PROCESSING, TRANSFORM)}


def kind_of(document: Mapping[str, Any]) -> Kind:
    """The kind that a job document names; training where it names none.

    Raises:
        BadInputError: if there is no such kind.

    """
    name = document.get("kind", TRAINING.name)
    if not isinstance(name, str) or name not in KINDS:
        raise BadInputError(f"the kind {name!r} is unknown: {', '.join(KINDS)} are known")
    return KINDS[name]


def named_in(detail: Mapping[str, Any]) -> tuple[Kind, str] | None:
    """Kind and name of the job that an event's detail is about; None if it is about none."""
    for kind in KINDS.values():
        name = detail.get(kind.name_member)
        if isinstance(name, str):
            return kind, name
    return None


def parts_of(kind: Kind, request: dict[str, Any]) -> list[dict[str, Any]]:
    """What of a request says containers, channels and instances: for tuning, its definitions."""
    if kind is not TUNING:
        return [request]
    one = request.get("TrainingJobDefinition")
    return [*([] if one is None else [one]), *request.get("TrainingJobDefinitions", [])]
