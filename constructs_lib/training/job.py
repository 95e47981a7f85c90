"""Training job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_sns as sns
from constructs import Construct

from ..data import StateTable
from ..identity import ExecutionRole
from ..network import PrivateNetwork
from .base import TrainingJobBase
from .resource import JobResource
from .specification import DatePartitionedDataset, JobSpecification


class TrainingJob(JobResource, TrainingJobBase):
    """Defines a training job that data, deployments, schedules, alarms or manual requests start.

    A deployment records the specification, and starts a job only with ``start_on_deploy`` and a
    changed specification. Deleting or rolling back the resource stops running jobs. Names of
    jobs are ``<job>-<12 hex digits>``, derived from the trigger.

    Example:
        >>> job = TrainingJob(stack, "Job", job="demo-flights", specification=specification,
        ...                   state=state, network=network)
        >>> job.grant_stop(people)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job: str,
        specification: JobSpecification,
        state: StateTable,
        network: PrivateNetwork,
        start_on_deploy: bool = False,
        alert_topic: sns.ITopic | None = None,
    ) -> None:
        """Define the job.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            job: Name prefix of the jobs, at most 40 characters.
            specification: Specification of the job.
            state: State table that holds the specification.
            network: Network of the custom resource's function.
            start_on_deploy: Whether a new or changed specification starts a job; the deployment
                then fails if the dataset is empty.
            alert_topic: SNS topic that is notified when the function fails.

        Raises:
            ConfigurationError: If a name or a value is not allowed.

        """
        super().__init__(scope, construct_id)
        self.specification = specification
        self._define(
            specification, job=job, state=state, network=network,
            start_on_deploy=start_on_deploy, alert_topic=alert_topic,
        )  # fmt: skip

    @property
    def roles(self) -> Sequence[ExecutionRole]:
        """The role that is passed to SageMaker."""
        return [self.specification.role]

    @property
    def input_prefixes(self) -> Sequence[str]:
        """Prefixes of the data store that must have objects before a job starts."""
        return self.specification.input_prefixes

    @property
    def data(self) -> DatePartitionedDataset | None:
        """The dataset in daily partitions."""
        return self.specification.data

    def request(self) -> dict[str, Any]:
        """The ``CreateTrainingJob`` request without the job's name."""
        return self.specification.request(self)

    def document(self, *, start_on_deploy: bool) -> dict[str, Any]:
        """The job document, from which every trigger starts jobs (see ADR 3)."""
        return self.specification.document(self, job=self.job, start_on_deploy=start_on_deploy)
