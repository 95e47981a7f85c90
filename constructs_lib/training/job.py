"""A training job as infrastructure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks
from ..data import StateTable
from ..identity import ExecutionRole
from ..network import PrivateNetwork
from .base import NAME_LIMIT, TrainingJobBase
from .resource import JobResource
from .specification import DatePartitionedDataset, JobSpecification


class TrainingJob(JobResource, TrainingJobBase):
    """Defines a training job that data, a deployment, a schedule, an alarm or a hand can start.

    Deploying records the specification and starts a job only if told to; an unchanged
    specification starts none. Deleting, and rolling back, stops what is running. Job names are
    derived from what started them: ``<job>-<12 hex digits>``.

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
            scope: Parent.
            construct_id: Id among its siblings.
            job: Prefix of the jobs' names, 40 characters at most.
            specification: What the job is.
            state: Table in which the specification is kept.
            network: Network of the function behind the resource.
            start_on_deploy: Start a job when the specification is created or changes; a
                deployment with an empty data set is then refused.
            alert_topic: Topic told when the function fails.

        Raises:
            ConfigurationError: If a name or a value is not allowed.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check.name("job", job, NAME_LIMIT)
            specification.check(check)
        self.job = job
        self.specification = specification
        self.state, self.store = state, specification.store
        specification.grant(self)
        self._declare(
            network=network,
            start_on_deploy=start_on_deploy,
            alert_topic=alert_topic,
        )

    @property
    def roles(self) -> Sequence[ExecutionRole]:
        """The role that is handed to SageMaker."""
        return [self.specification.role]

    @property
    def input_prefixes(self) -> Sequence[str]:
        """Prefixes of the store whose objects are looked for before a job starts."""
        return self.specification.input_prefixes

    @property
    def data(self) -> DatePartitionedDataset | None:
        """The data set in daily partitions."""
        return self.specification.data

    def request(self) -> dict[str, Any]:
        """The complete ``CreateTrainingJob`` request but the job's name."""
        return self.specification.request(self)

    def document(self, *, start_on_deploy: bool) -> dict[str, Any]:
        """The document from which every trigger starts a job (see ADR 3)."""
        return self.specification.document(self, job=self.job, start_on_deploy=start_on_deploy)
