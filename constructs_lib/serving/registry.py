"""Model registry: a model package group."""

from __future__ import annotations

from aws_cdk import Fn, RemovalPolicy, ScopedAws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from .._private.checks import Checks
from .._private.policies import allow, arn, attach

_SUFFIX = 8
"""Hex digits of the stack's id that end the name of a group."""


class ModelRegistry(Construct):
    """Defines a model package group, which is retained when the stack is deleted.

    Its name has a suffix of eight characters of the stack's id, so that a stack that is created
    again does not conflict with the retained group.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry.html

    Example:
        >>> registry = ModelRegistry(stack, "Registry", name="demo-flights")
        >>> registry.grant_approve(people)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str | None = None,
        description: str = "Models that passed the gate",
        group_name: str | None = None,
    ) -> None:
        """Define the registry.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            name: Prefix of the group's name, at most 54 characters.
            description: Description of the group.
            group_name: An existing group, see ``from_group_name``.

        Raises:
            ConfigurationError: If the name is not allowed.

        """
        super().__init__(scope, construct_id)
        if group_name is not None:
            self.group_name = self._pattern = group_name
            return
        first = "models" if name is None else name
        with Checks(self) as check:
            check.name("name", first, 54)
        self._pattern = f"{first}-{'?' * _SUFFIX}"
        stack = Fn.select(2, Fn.split("/", ScopedAws(self).stack_id))
        self.group = sagemaker.CfnModelPackageGroup(
            self,
            "Resource",
            model_package_group_name=f"{first}-{Fn.select(0, Fn.split('-', stack))}",
            model_package_group_description=description,
        )
        self.group.apply_removal_policy(RemovalPolicy.RETAIN)
        # The name is taken from the ARN: in another stack the stack id would differ.
        self.group_name = Fn.select(1, Fn.split("/", self.group.attr_model_package_group_arn))

    @classmethod
    def from_group_name(
        cls, scope: Construct, construct_id: str, *, group_name: str
    ) -> ModelRegistry:
        """Import an existing model package group.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            group_name: Name of the group, in this account and region.

        """
        return ModelRegistry(scope, construct_id, group_name=group_name)

    def arns(self, scope: Construct) -> list[str]:
        """ARNs of the group and of its packages, with a wildcard for the suffix."""
        group = arn(scope, "sagemaker", "model-package-group", self._pattern)
        return [group, *self.package_arns(scope)]

    def package_arns(self, scope: Construct) -> list[str]:
        """The ARN pattern of the group's packages."""
        return [arn(scope, "sagemaker", "model-package", f"{self._pattern}/*")]

    def grant_register(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to register model packages."""
        actions = ["sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage",
                   "sagemaker:ListModelPackages"]  # fmt: skip
        return attach(grantee, [allow(actions, self.arns(self))])

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to list and describe model packages."""
        return attach(grantee, [self.read_statement(self)])

    def grant_approve(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to approve and reject model packages; approval starts a promotion."""
        approve = allow(["sagemaker:UpdateModelPackage"], self.package_arns(self))
        return attach(grantee, [self.read_statement(self), approve])

    def read_statement(self, scope: Construct) -> iam.PolicyStatement:
        """The statement of ``grant_read``."""
        actions = ["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"]
        return allow(actions, self.arns(scope))
