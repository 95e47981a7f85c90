"""SageMaker model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from .._private.acknowledge import acknowledge
from .._private.api_model import violations
from .._private.checks import Checks
from .._private.l1 import arguments
from ..identity import HostingRole
from ..network import PrivateNetwork
from .base import acknowledge_platform_registry
from .container import ModelContainer

_MOST_CONTAINERS = 15
_OPEN = (
    "serverless endpoints and code that is downloaded at start exclude network isolation and a VPC"
)


class ModelBase(Construct):
    """A SageMaker model.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html

    Attributes:
        model_name: Name of the model.
        role: Role of the model; ``None`` for an imported model.

    Example:
        >>> ModelBase.from_model_name(stack, "Old", model_name="scores-1")

    """

    model_name: str
    role: HostingRole | None = None
    network_isolation: bool | None = None
    network: PrivateNetwork | None = None
    containers: Sequence[ModelContainer] = ()
    invocation: str = "Serial"

    @classmethod
    def from_model_name(
        cls,
        scope: Construct,
        construct_id: str,
        *,
        model_name: str,
        role: HostingRole | None = None,
    ) -> ModelBase:
        """Import an existing model.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            model_name: Name of the model.
            role: Role of the model, for grants of alarms, data capture and topics.

        """
        with Checks(f"{scope.node.path}/{construct_id}") as check:
            check.name("model_name", model_name)
        model = ModelBase(scope, construct_id)
        model.model_name, model.role = model_name, role
        return model

    @property
    def is_multi_model(self) -> bool:
        """Whether the model has a multi-model container."""
        return any(container.multi_model for container in self.containers)

    @property
    def is_pipeline(self) -> bool:
        """Whether the model has several containers."""
        return len(self.containers) > 1


class Model(ModelBase):
    """Defines a SageMaker model of one container, or of several in serial or direct mode.

    CloudFormation generates its name, so that an update can replace it. The role has permission to
    read the artifacts before the model is created. By default the model has network isolation.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-deployment.html

    Example:
        >>> image = AlgorithmImage.xgboost(stack, "3.0-5")
        >>> artifact = ModelArtifact.from_store(store, "models/flights/3/model.tar.gz")
        >>> model = Model(stack, "Model", role=role, network=network,
        ...               containers=[ModelContainer(image=image, artifact=artifact)])

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        containers: Sequence[ModelContainer],
        role: HostingRole,
        network: PrivateNetwork | None = None,
        network_isolation: bool = True,
        invocation: str = "Serial",
        group: ec2.ISecurityGroup | None = None,
    ) -> None:
        """Define the model.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            containers: One container, or 2 to 15.
            role: Role of the model.
            network: Network of the instances; none for a serverless endpoint.
            network_isolation: Whether the containers have no network access, including AWS
                services.
            invocation: ``Serial``: each container processes the response of the previous one;
                ``Direct``: the request names the container.
            group: Security group of the instances; a new one by default.

        Raises:
            ConfigurationError: If a value or a combination is not allowed.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            _check_containers(check, containers, invocation)
            for container in containers:
                container.check(check, isolated=network_isolation)
        self.containers, self.invocation = tuple(containers), invocation
        self.role, self.network, self.network_isolation = role, network, network_isolation
        self.group = group
        if network is not None and group is None:
            self.group = network.security_group(self, "Group", description="Instances of a model")
        self.request = request = self._render(role)
        with Checks(self) as check:
            for violation in violations("CreateModel", request, without=("ModelName",)):
                check.refuse("RequestNotAllowed", violation)
        self.resource = sagemaker.CfnModel(
            self, "Resource", **arguments(sagemaker.CfnModel, request)
        )
        self.model_name = self.resource.attr_model_name
        # SageMaker reads the artifact at creation, so the role's permissions must exist.
        self.resource.node.add_dependency(*role.policies)
        if network is not None:
            self.resource.node.add_dependency(*network.dependencies)
        self._acknowledge()

    def _render(self, role: HostingRole) -> dict[str, Any]:
        """The ``CreateModel`` request without the model's name."""
        bound = [each.bind(self) for each in self.containers]
        for container, (_, statements) in zip(self.containers, bound, strict=True):
            if statements:
                role.add(*statements)
            role.allow_images([container.repository_arn] if container.repository_arn else [])
        definitions = [definition for definition, _ in bound]
        request: dict[str, Any] = {"ExecutionRoleArn": role.role_arn}
        if len(definitions) == 1:
            request["PrimaryContainer"] = definitions[0]
        else:
            request["Containers"] = definitions
            request["InferenceExecutionConfig"] = {"Mode": self.invocation}
        if self.network_isolation:
            request["EnableNetworkIsolation"] = True
        if self.network is not None and self.group is not None:
            request["VpcConfig"] = {
                "SecurityGroupIds": [self.group.security_group_id],
                "Subnets": self.network.subnet_ids,
            }
        return request

    def _acknowledge(self) -> None:
        acknowledge_platform_registry(self.resource)
        if not self.network_isolation:
            acknowledge(self.resource, ["SageMaker.5"], _OPEN)


def _check_containers(check: Checks, containers: Sequence[ModelContainer], mode: str) -> None:
    check.not_empty("containers", containers)
    check.one_of("invocation", mode, {"Direct", "Serial"})
    if len(containers) > _MOST_CONTAINERS:
        message = f"containers must be {_MOST_CONTAINERS} at most, got {len(containers)}"
        check.refuse("ValueOutOfRange", message)
    names = [each.hostname for each in containers if each.hostname is not None]
    if len(set(names)) < len(names):
        check.refuse("NameTwice", f"containers must have unique hostnames, got {names}")
    if len(containers) < 2:
        if mode == "Direct":
            check.refuse("ValueNotAllowed", "invocation Direct needs several containers, got 1")
        return
    if mode == "Direct" and len(names) < len(containers):
        check.refuse("NameMissing", "invocation Direct needs a hostname for each container, got "
                     f"{len(names)} of {len(containers)}")  # fmt: skip
    many = [each for each in containers if each.multi_model]
    if len(many) > (1 if mode == "Serial" else 0):
        message = "a multi-model container can only be in a Serial pipeline, and only one"
        check.refuse("PipelineNotAllowed", message)
