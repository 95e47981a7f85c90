"""Base of all endpoints, imported ones included."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from .._private.acknowledge import acknowledge
from .._private.checks import Checks
from .._private.policies import allow, arn, attach
from .metrics import KindMetrics


def acknowledge_platform_registry(construct: IConstruct) -> None:
    """Acknowledge the findings on the repository access mode of models."""
    acknowledge(
        construct,
        ["SageMaker.16"],
        "the images lie in ECR, which SageMaker reads in the mode Platform; the mode Vpc is for a "
        "Docker registry of your own inside the network",
    )


class EndpointBase(Construct, KindMetrics):
    """A SageMaker endpoint.

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
        """Import an existing endpoint.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
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
        """Grant permission to invoke this endpoint.

        Args:
            grantee: Principal that receives the permission.
            streaming: Whether to allow response streaming as well.
            asynchronous: Whether to allow ``InvokeEndpointAsync`` instead; by default as the
                endpoint's kind requires.

        """
        return attach(grantee, [self.invoke_statement(streaming, asynchronous)])

    def invoke_statement(
        self, streaming: bool = False, asynchronous: bool = False
    ) -> iam.PolicyStatement:
        """The statement of ``grant_invoke``.

        Args:
            streaming: Whether to allow response streaming as well.
            asynchronous: Whether to allow ``InvokeEndpointAsync`` instead.

        """
        actions = ["sagemaker:InvokeEndpointAsync" if asynchronous else "sagemaker:InvokeEndpoint"]
        if streaming:
            actions.append("sagemaker:InvokeEndpointWithResponseStream")
        return allow(actions, self._invoked)

    @property
    def _invoked(self) -> list[str]:
        return [self.endpoint_arn]
