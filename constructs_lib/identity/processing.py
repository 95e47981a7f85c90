"""Execution role of processing jobs."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .execution import ExecutionRole


class ProcessingRole(ExecutionRole):
    """Defines the role that SageMaker uses to run processing jobs.

    It has permissions for logs, metrics, network interfaces, the images of ``repository_arns``
    and volume encryption. The job grants access to its inputs and outputs.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html

    Example:
        >>> role = ProcessingRole(stack, "Role", key=store.key)
        >>> store.grant_read(role, prefix="raw/")

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
            repository_arns: ECR repositories of the images.
            permissions_boundary: Permissions boundary of the role.
            existing: An existing role, see ``from_role``.

        """
        super().__init__(
            scope, construct_id, source="processing-job/*",
            permissions_boundary=permissions_boundary, existing=existing,
        )  # fmt: skip
        if existing is None:
            self._add_workload(
                log_group="/aws/sagemaker/ProcessingJobs",
                namespaces=["/aws/sagemaker/ProcessingJobs"],
                repository_arns=repository_arns, key=key,
            )  # fmt: skip

    @classmethod
    def from_role(cls, scope: Construct, construct_id: str, role: iam.IRole) -> ProcessingRole:
        """Import an existing role; grants of data and images are added to it."""
        return ProcessingRole(scope, construct_id, existing=role)
