"""Batch transform job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_sns as sns
from constructs import Construct

from ..data import StateTable
from ..identity import ExecutionRole
from ..network import PrivateNetwork
from ..training.kinds import TRANSFORM
from ..training.resource import JobResource
from .transform import TransformSpecification


class TransformJob(JobResource):
    """Defines a batch transform job that data, deployments, schedules or manual requests start.

    A deployment records the specification, and starts a job only with ``start_on_deploy`` and a
    changed specification. Deleting or rolling back the resource stops running jobs. Names of
    jobs are ``<job>-<12 hex digits>``, derived from the trigger.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html

    Example:
        >>> job = TransformJob(stack, "Scoring", job="demo-scoring", specification=scoring,
        ...                    state=state, network=network)
        >>> JobTriggers(stack, "Nightly", job=job, network=network, on_data=["ready"])

    """

    kind = TRANSFORM

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job: str,
        specification: TransformSpecification,
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
            start_on_deploy: Whether a new or changed specification starts a job.
            alert_topic: SNS topic that is notified when the function fails.

        Raises:
            ConfigurationError: If a name, a value or a combination is not allowed.

        """
        super().__init__(scope, construct_id)
        self.specification = specification
        self._define(
            specification, job=job, state=state, network=network,
            start_on_deploy=start_on_deploy, alert_topic=alert_topic,
        )  # fmt: skip

    @property
    def roles(self) -> Sequence[ExecutionRole]:
        """Empty: the model has its role."""
        return []

    def request(self) -> dict[str, Any]:
        """The ``CreateTransformJob`` request without the job's name."""
        return self.overridden(self.specification.request(), self.specification.overrides)
