"""The four kinds of jobs, and their names in SageMaker's API."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """Names of one kind of job in SageMaker's API.

    Attributes:
        name: The kind, as in a job document.
        resource: Resource part of the jobs' ARNs.
        noun: Noun of the operations ``Create``, ``Describe``, ``Stop`` and ``List``.
        event: Detail type of the state change event.
        name_limit: Maximum length of a name prefix: SageMaker allows 63 characters, 32 for a
            tuning job, and a suffix is appended.
        namespace: CloudWatch namespace of the instance metrics.

    """

    name: str
    resource: str
    noun: str
    event: str
    name_limit: int
    namespace: str

    @property
    def resource_type(self) -> str:
        """Type of the custom resource."""
        return f"Custom::{self.name.capitalize()}Job"

    @property
    def name_key(self) -> str:
        """The member of requests and events with the job's name."""
        return f"{self.noun}Name"

    @property
    def status_key(self) -> str:
        """The member of responses and events with the job's status."""
        return f"{self.noun}Status"

    def action(self, verb: str) -> str:
        """An IAM action, for example ``sagemaker:StopTrainingJob`` for ``Stop``."""
        plural = "s" if verb == "List" else ""
        return f"sagemaker:{verb}{self.noun}{plural}"


TRAINING = JobKind(
    name="training", resource="training-job", noun="TrainingJob",
    event="SageMaker Training Job State Change", name_limit=40,
    namespace="/aws/sagemaker/TrainingJobs",
)  # fmt: skip
TUNING = JobKind(
    name="tuning", resource="hyper-parameter-tuning-job", noun="HyperParameterTuningJob",
    event="SageMaker HyperParameter Tuning Job State Change", name_limit=21,
    namespace="/aws/sagemaker/TrainingJobs",
)  # fmt: skip
PROCESSING = JobKind(
    name="processing", resource="processing-job", noun="ProcessingJob",
    event="SageMaker Processing Job State Change", name_limit=40,
    namespace="/aws/sagemaker/ProcessingJobs",
)  # fmt: skip
TRANSFORM = JobKind(
    name="transform", resource="transform-job", noun="TransformJob",
    event="SageMaker Transform Job State Change", name_limit=40,
    namespace="/aws/sagemaker/TransformJobs",
)  # fmt: skip
