"""Execution role of notebook instances."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .._private.checks import Checks, known
from .._private.policies import allow, arn
from .execution import ExecutionRole

_JOBS = ["sagemaker:AddTags", "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob",
         "sagemaker:StopTrainingJob"]  # fmt: skip


class NotebookRole(ExecutionRole):
    """Defines the role of a notebook instance and its users.

    It can start training jobs of one name prefix, with network isolation, in a VPC and with one
    role. It cannot open notebooks or create presigned URLs.

    Example:
        >>> training = TrainingRole(stack, "Training", key=store.key)
        >>> role = NotebookRole(stack, "Role", jobs="demo-", training_role=training)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        jobs: str | None = None,
        training_role: ExecutionRole | None = None,
        endpoints: Sequence[str] = (),
        key: kms.IKey | None = None,
        permissions_boundary: iam.IManagedPolicy | None = None,
        existing: iam.IRole | None = None,
    ) -> None:
        """Define the role.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            jobs: Name prefix of training jobs that it can start, ending in a hyphen; none by
                default.
            training_role: Role that it can pass to these jobs.
            endpoints: Names of endpoints that it can invoke.
            key: KMS key of volumes and of data in S3.
            permissions_boundary: Permissions boundary of the role.
            existing: An existing role, see ``from_role``.

        """
        # The aws:SourceArn of notebooks is not documented; a wrong condition denies all.
        super().__init__(
            scope, construct_id, source="*", permissions_boundary=permissions_boundary,
            existing=existing,
        )  # fmt: skip
        if existing is not None:
            return
        self._add_workload(
            log_group="/aws/sagemaker/NotebookInstances",
            namespaces=["/aws/sagemaker/NotebookInstances"],
            repository_arns=(), key=key, has_outputs=False,
        )  # fmt: skip
        if jobs is not None:
            with Checks(self) as check:
                if known(jobs) and not jobs.endswith("-"):
                    message = f"jobs must be a name prefix that ends in a hyphen, got {jobs!r}"
                    check.refuse("NameNotAllowed", message)
            self.add(*_isolated_jobs(arn(self, "sagemaker", "training-job", f"{jobs}*")))
        if training_role is not None:
            training_role.grant_pass(self)
        if endpoints:
            names = [arn(self, "sagemaker", "endpoint", name) for name in endpoints]
            self.add(allow(["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"], names))

    @classmethod
    def from_role(cls, scope: Construct, construct_id: str, role: iam.IRole) -> NotebookRole:
        """Import an existing role; grants of data are added to it."""
        return NotebookRole(scope, construct_id, existing=role)


def _isolated_jobs(jobs: str) -> list[iam.PolicyStatement]:
    create, others = _JOBS[1], [_JOBS[0], *_JOBS[2:]]
    return [
        allow([create], [jobs], {
            "Bool": {"sagemaker:NetworkIsolation": "true"},
            "Null": {"sagemaker:VpcSubnets": "false"},
        }),
        allow(others, [jobs]),
    ]  # fmt: skip
