"""Execution role of models."""

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

    It has permissions for logs, metrics, network interfaces, the images of ``repository_arns``,
    volume encryption and rollback alarms. The data store grants access to artifacts and captured
    data.

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
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            key: KMS key of volumes and of data in S3.
            repository_arns: ECR repositories of the inference images.
            permissions_boundary: Permissions boundary of the role.
            existing: An existing role, see ``from_role``.

        """
        # For inference aws:SourceArn has no narrower value: a narrower condition fails endpoints.
        super().__init__(
            scope, construct_id, source="*", permissions_boundary=permissions_boundary,
            existing=existing,
        )  # fmt: skip
        if existing is None:
            self._add_workload(
                log_group="/aws/sagemaker/Endpoints/*",
                namespaces=["AWS/SageMaker", "/aws/sagemaker/Endpoints"],
                repository_arns=repository_arns, key=key,
            )  # fmt: skip

    @classmethod
    def from_role(cls, scope: Construct, construct_id: str, role: iam.IRole) -> HostingRole:
        """Import an existing role; grants of data and images are added to it."""
        return HostingRole(scope, construct_id, existing=role)

    def allow_rollback_alarms(self, alarm_arns: Sequence[str]) -> None:
        """Allow SageMaker to describe rollback alarms, composite ones included."""
        if alarm_arns:
            self.add(alarm_statement())

    def allow_notifications(self, topics: Sequence[sns.ITopic]) -> None:
        """Allow SageMaker to publish results of asynchronous inference to topics."""
        for topic in topics:
            self.add(*alert_statements(topic))
