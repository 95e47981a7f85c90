"""The four kinds of jobs, and their names in SageMaker's API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """Names of one kind of job in SageMaker's API.

    Attributes:
        name: The kind, as in a job document.
        resource: Resource part of the jobs' ARNs.
        noun: Noun of the operations ``Create``, ``Describe``, ``Stop`` and ``List``.
        event: Detail type of the state change event.
        digest: Hex digits that follow the name prefix and a hyphen.
        name_limit: Maximum length of a name prefix: SageMaker allows 63 characters, 32 for a
            tuning job, and a suffix is appended.
        namespace: CloudWatch namespace of the instance metrics.

    """

    name: str
    resource: str
    noun: str
    event: str
    digest: int
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

    @property
    def arn_key(self) -> str:
        """The member of events with the job's ARN."""
        return f"{self.noun}Arn"

    def names(self, job: str) -> str:
        """IAM pattern of the names of all jobs of a prefix, and of no longer prefix.

        A prefix may begin another: with ``scores-*`` the jobs of ``scores-weekly`` would match.
        """
        return f"{job}-{'?' * self.digest}"

    def trial_names(self, job: str) -> list[str]:
        """IAM patterns of the names of a tuning job's trials: its name, a number, 8 hex digits.

        SageMaker does not document the form of the names; numbers below 10,000 are allowed for.
        """
        return [f"{self.names(job)}-{'?' * digits}-{'?' * 8}" for digits in (3, 4)]

    def event_detail(self, job: str, statuses: Sequence[str]) -> dict[str, list[Any]]:
        """Event pattern of the detail of the state changes of a prefix's jobs.

        The digits after the prefix have no hyphen. EventBridge has no AND within one member, so
        that the ARN excludes what the name admits: jobs of a longer prefix.

        See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html

        """
        longer = {"anything-but": {"wildcard": f"*:{self.resource}/{job}-*-*"}}
        return {
            self.name_key: [{"prefix": f"{job}-"}],
            self.arn_key: [longer],
            self.status_key: list(statuses),
        }

    def action(self, verb: str) -> str:
        """An IAM action, for example ``sagemaker:StopTrainingJob`` for ``Stop``."""
        plural = "s" if verb == "List" else ""
        return f"sagemaker:{verb}{self.noun}{plural}"


TRAINING = JobKind(
    name="training", resource="training-job", noun="TrainingJob",
    event="SageMaker Training Job State Change", digest=12, name_limit=40,
    namespace="/aws/sagemaker/TrainingJobs",
)  # fmt: skip
TUNING = JobKind(
    name="tuning", resource="hyper-parameter-tuning-job", noun="HyperParameterTuningJob",
    event="SageMaker HyperParameter Tuning Job State Change", digest=10, name_limit=21,
    namespace="/aws/sagemaker/TrainingJobs",
)  # fmt: skip
PROCESSING = JobKind(
    name="processing", resource="processing-job", noun="ProcessingJob",
    event="SageMaker Processing Job State Change", digest=12, name_limit=40,
    namespace="/aws/sagemaker/ProcessingJobs",
)  # fmt: skip
TRANSFORM = JobKind(
    name="transform", resource="transform-job", noun="TransformJob",
    event="SageMaker Transform Job State Change", digest=12, name_limit=40,
    namespace="/aws/sagemaker/TransformJobs",
)  # fmt: skip
