"""The role of models behind endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.statements import alarm_statement, alert_statements
from .execution import ExecutionRole


class HostingRole(ExecutionRole):
    """Defines the role that SageMaker uses to serve models.

    It may log, publish metrics of endpoints, open network interfaces, pull the given images,
    encrypt volumes and look at rollback alarms. Artifacts it reads and the place of captured
    data are granted by the store.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html

    Example:
        >>> image = AlgorithmImage.xgboost(stack, "3.0-5")
        >>> role = HostingRole(stack, "Role", key=store.key,
        ...                    repository_arns=[image.repository_arn])
        >>> store.grant_read(role, prefix="models/")

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey | None = None,
        repository_arns: Sequence[str] = (),
        permissions_boundary: iam.IManagedPolicy | None = None,
        existing: iam.IRole | None = None,
    ) -> None:
        """Define the role.

        Args:
            scope: Parent.
            construct_id: Id among its siblings.
            key: Key of volumes and of data in S3.
            repository_arns: ECR repositories of the inference images.
            permissions_boundary: Permissions boundary of the role.
            existing: An existing role, see ``from_role``.

        """
        # SageMaker sends this very text for inference; a narrower one breaks endpoints.
        super().__init__(
            scope, construct_id, source="*", permissions_boundary=permissions_boundary,
            existing=existing,
        )  # fmt: skip
        self._repositories = list(repository_arns) if existing is None else []
        if existing is None:
            self._add_workload(
                log_group="/aws/sagemaker/Endpoints/*",
                namespaces=["AWS/SageMaker", "/aws/sagemaker/Endpoints"],
                repository_arns=repository_arns, key=key,
            )  # fmt: skip

    @classmethod
    def from_role(cls, scope: Construct, construct_id: str, role: iam.IRole) -> HostingRole:
        """Import an existing role; grants of data are added to it."""
        return HostingRole(scope, construct_id, existing=role)

    def allow_rollback_alarms(self, alarm_arns: Sequence[str]) -> None:
        """Let SageMaker read the alarms that end a bad rollout, composite ones among them."""
        if alarm_arns:
            self.add(alarm_statement())

    def allow_images(self, repository_arns: Sequence[str]) -> None:
        """Let SageMaker pull images of more repositories."""
        new = [each for each in repository_arns if each not in self._repositories]
        self._repositories += new
        self._add_pull(new)

    def allow_notifications(self, topics: Sequence[sns.ITopic]) -> None:
        """Let SageMaker tell topics of asynchronous answers."""
        for topic in topics:
            self.add(*alert_statements(topic))
