"""The four kinds of jobs, and what SageMaker calls everything about them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """What SageMaker calls one kind of job.

    Attributes:
        name: The kind, as it stands in a job's document.
        resource: Resource part of the jobs' ARNs.
        noun: What ``Create``, ``Describe``, ``Stop`` and ``List`` are put before.
        event: Detail type of the event that tells of a change of state.
        name_limit: How long a name prefix may be: SageMaker allows 63 characters, 32 to a
            tuning job, and what started the job is appended.
        namespace: Where SageMaker publishes the instances' metrics.

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
        """The key under which requests and events name the job."""
        return f"{self.noun}Name"

    @property
    def status_key(self) -> str:
        """The key under which answers and events tell the job's status."""
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
