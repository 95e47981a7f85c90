"""Base class of execution roles."""

from __future__ import annotations

from collections.abc import Sequence

import jsii
from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct, IDependable

from .._private.acknowledge import acknowledge_wildcards
from .._private.encryption import grant_statement, use_statement
from .._private.policies import allow, arn, attach, colon_arn, managed_policy

_DESCRIBE_NETWORK = ["ec2:DescribeDhcpOptions", "ec2:DescribeNetworkInterfaces",
                     "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets",
                     "ec2:DescribeVpcs"]  # fmt: skip
_OWN_NETWORK = ["ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission"]  # fmt: skip
_LOGS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams",
         "logs:PutLogEvents"]  # fmt: skip
_PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


@jsii.implements(iam.IGrantable)
class ExecutionRole(Construct):
    """Defines a role that SageMaker assumes for one kind of workload in this account.

    Permissions are in customer-managed policies: ``grant_*`` methods add no inline policy.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html

    Example:
        >>> role = TrainingRole(stack, "Role", key=store.key)
        >>> store.grant_read(role, prefix="datasets/")

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        source: str,
        permissions_boundary: iam.IManagedPolicy | None = None,
        existing: iam.IRole | None = None,
    ) -> None:
        """Define the role.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            source: Resource part of ``aws:SourceArn`` for which the role may be assumed, for
                example ``training-job/*``.
            permissions_boundary: Permissions boundary of the role.
            existing: An existing role, which is not changed.

        """
        super().__init__(scope, construct_id)
        self.role: iam.IRole
        self.policy: iam.ManagedPolicy | None = None
        self._grants: list[IDependable] = []
        self._repositories: list[str] = []
        self._grant_keys: list[str] = []
        if existing is not None:
            self.role = existing
            return
        self.role = iam.Role(
            self,
            "Resource",
            assumed_by=_sagemaker_of_this_account(source),
            permissions_boundary=permissions_boundary,
        )
        self.policy = managed_policy(self, "Policy", [], role=self.role)

    @classmethod
    def from_role(cls, scope: Construct, construct_id: str, role: iam.IRole) -> ExecutionRole:
        """Import an existing role; grants are added to it.

        Permissions for logs, metrics, network and images are not added.
        """
        return ExecutionRole(scope, construct_id, source="*", existing=role)

    @property
    def role_arn(self) -> str:
        """ARN of the role."""
        return self.role.role_arn

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The managed policy, or the existing role, which receives grants."""
        return self.role.grant_principal if self.policy is None else self.policy.grant_principal

    @property
    def policies(self) -> list[IDependable]:
        """Dependencies of resources with this role: its policy, or grants to an existing role."""
        return list(self._grants) if self.policy is None else [self.policy]

    def creates_grants(self, key: kms.IKey) -> bool:
        """Whether the role may create grants of a key for SageMaker's volumes."""
        return key.key_arn in self._grant_keys

    def add(self, *statements: iam.PolicyStatement) -> None:
        """Add statements to the role's policy, their wildcards acknowledged."""
        attach(self, statements)

    def allow_images(self, repository_arns: Sequence[str]) -> None:
        """Allow SageMaker to pull the images of repositories that the role may not pull yet."""
        new = [each for each in repository_arns if each not in self._repositories]
        self._repositories += new
        if new:
            self.add(allow(_PULL, new), allow(["ecr:GetAuthorizationToken"], ["*"]))

    def record_grant(self, statements: Sequence[iam.PolicyStatement], grant: iam.Grant) -> None:
        """Acknowledge the wildcards of statements in the role's policy."""
        if self.policy is None:
            self._grants.append(grant)
        else:
            acknowledge_wildcards(self.policy, statements)

    def grant_pass(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to pass this role to SageMaker only."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["iam:PassRole"],
            resource_arns=[self.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )

    def _add_logs(self, group: str) -> None:
        self.add(allow(_LOGS, [
            colon_arn(self, "logs", "log-group", group),
            colon_arn(self, "logs", "log-group", f"{group}:log-stream:*"),
        ]))  # fmt: skip

    def _add_metrics(self, *namespaces: str) -> None:
        self.add(allow(["cloudwatch:PutMetricData"], ["*"],
                       {"StringEquals": {"cloudwatch:namespace": list(namespaces)}}))  # fmt: skip

    def _add_network(self) -> None:
        self.add(
            allow(_DESCRIBE_NETWORK, ["*"]),
            allow(_OWN_NETWORK, [
                arn(self, "ec2", kind, "*")
                for kind in ("network-interface", "security-group", "subnet")
            ]),
        )  # fmt: skip

    def _add_workload(
        self,
        *,
        log_group: str,
        namespaces: Sequence[str],
        repository_arns: Sequence[str],
        key: kms.IKey | None,
        has_outputs: bool = True,
    ) -> None:
        """Add what every SageMaker workload needs: logs, metrics, network, images and key.

        Args:
            log_group: Name of the log group, or a pattern of names.
            namespaces: CloudWatch namespaces of the workload's metrics.
            repository_arns: ECR repositories of the workload's images.
            key: KMS key of volumes and of data in S3.
            has_outputs: Whether SageMaker writes outputs for the workload.

        """
        self._add_logs(log_group)
        self._add_metrics(*namespaces)
        self._add_network()
        self.allow_images(repository_arns)
        self._add_volume_key(key)
        if key is not None and has_outputs:
            # SageMaker's reference demands kms:Encrypt of a role whose job names an output key.
            self.add(use_statement(key, ["s3"], also=["kms:Encrypt"]))

    def _add_volume_key(self, key: kms.IKey | None) -> None:
        if key is not None:
            self.add(grant_statement(key))
            self._grant_keys.append(key.key_arn)


def _sagemaker_of_this_account(source: str) -> iam.PrincipalBase:
    source_arn = f"arn:{Aws.PARTITION}:sagemaker:{Aws.REGION}:{Aws.ACCOUNT_ID}:{source}"
    return iam.ServicePrincipal(
        "sagemaker.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            "ArnLike": {"aws:SourceArn": source_arn},
        },
    )
