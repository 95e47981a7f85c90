"""What every endpoint offers, whoever owns it."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from .._private.acknowledge import acknowledge
from .._private.checks import Checks
from .._private.policies import allow, arn, attach
from .metrics import KindMetrics


def acknowledge_platform_registry(construct: IConstruct) -> None:
    """Say why models do not ask for a registry inside the network."""
    acknowledge(
        construct,
        ["SageMaker.16"],
        "the images lie in ECR, which SageMaker reads in the mode Platform; the mode Vpc is for a "
        "Docker registry of one's own inside the network",
    )


class EndpointBase(Construct, KindMetrics):
    """An endpoint by its name.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints.html

    Attributes:
        endpoint_name: Name of the endpoint.

    Example:
        >>> old = EndpointBase.from_endpoint_name(stack, "Old", endpoint_name="scores")
        >>> old.grant_invoke(people)

    """

    endpoint_name: str

    @classmethod
    def from_endpoint_name(
        cls, scope: Construct, construct_id: str, *, endpoint_name: str
    ) -> EndpointBase:
        """Use an endpoint you already have: ask it, and look at its metrics.

        Args:
            scope: Parent.
            construct_id: Id among its siblings.
            endpoint_name: Name of the endpoint, in this account and region.

        Raises:
            ConfigurationError: If the name is not allowed.

        """
        with Checks(f"{scope.node.path}/{construct_id}") as check:
            check.name("endpoint_name", endpoint_name)
        endpoint = EndpointBase(scope, construct_id)
        endpoint.endpoint_name = endpoint_name
        return endpoint

    @property
    def endpoint_arn(self) -> str:
        """ARN of the endpoint."""
        return arn(self, "sagemaker", "endpoint", self.endpoint_name)

    def grant_invoke(
        self, grantee: iam.IGrantable, *, streaming: bool = False, asynchronous: bool = False
    ) -> iam.Grant:
        """Let someone ask this endpoint, and no other.

        Args:
            grantee: Who.
            streaming: Whether answers may come piece by piece as well.
            asynchronous: Whether requests may be queued instead; an ``Asynchronous`` endpoint of
                this library knows by itself, and grants its prefixes too.

        """
        return attach(grantee, [self.invoke_statement(streaming, asynchronous)])

    def invoke_statement(
        self, streaming: bool = False, asynchronous: bool = False
    ) -> iam.PolicyStatement:
        """The statement of ``grant_invoke``.

        Args:
            streaming: Whether answers may come piece by piece as well.
            asynchronous: Whether requests may be queued instead.

        """
        actions = ["sagemaker:InvokeEndpointAsync" if asynchronous else "sagemaker:InvokeEndpoint"]
        if streaming:
            actions.append("sagemaker:InvokeEndpointWithResponseStream")
        return allow(actions, self._invoked)

    @property
    def _invoked(self) -> list[str]:
        return [self.endpoint_arn]
