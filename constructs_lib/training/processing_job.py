"""A processing job as infrastructure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks
from ..data import StateTable
from ..identity import ExecutionRole
from ..network import PrivateNetwork
from .kinds import PROCESSING
from .processing import ProcessingSpecification
from .resource import JobResource


class ProcessingJob(JobResource):
    """Defines a processing job that data, a deployment, a schedule or a hand can start.

    Deploying records the specification and starts a job only if told to; an unchanged
    specification starts none. Deleting, and rolling back, stops what is running. Job names are
    derived from what started them: ``<job>-<12 hex digits>``.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/processing-job.html

    Example:
        >>> job = ProcessingJob(stack, "Prepare", job="demo-prepare", specification=preparation,
        ...                     state=state, network=network)
        >>> JobTriggers(stack, "Nightly", job=job, network=network, on_data=["ready"])

    """

    kind = PROCESSING

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job: str,
        specification: ProcessingSpecification,
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
            start_on_deploy: Start a job when the specification is created or changes.
            alert_topic: Topic told when the function fails.

        Raises:
            ConfigurationError: If a name, a value or a combination is not allowed.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check.name("job", job, self.kind.name_limit)
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

    def request(self) -> dict[str, Any]:
        """The complete ``CreateProcessingJob`` request but the job's name."""
        return self.overridden(self.specification.request(self), self.specification.overrides)

    def document(self, *, start_on_deploy: bool) -> dict[str, Any]:
        """The document from which every trigger starts a job (see ADR 3)."""
        return {
            "job": self.job,
            "kind": self.kind.name,
            "request": self.request(),
            "data": None,
            "start_on_deploy": start_on_deploy,
        }
