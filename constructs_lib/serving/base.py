"""What every endpoint offers, whoever owns it."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from .._private.acknowledge import acknowledge
from .._private.policies import allow, arn, attach


def acknowledge_platform_registry(construct: IConstruct) -> None:
    """Say why models do not ask for a registry inside the network."""
    acknowledge(
        construct,
        ["SageMaker.16"],
        "the images lie in ECR, which SageMaker reads in the mode Platform; the mode Vpc is for a "
        "Docker registry of one's own inside the network",
    )


class EndpointBase(Construct):
    """An endpoint by its name.

    Attributes:
        endpoint_name: Name of the endpoint.

    """

    endpoint_name: str

    @property
    def endpoint_arn(self) -> str:
        """ARN of the endpoint."""
        return arn(self, "sagemaker", "endpoint", self.endpoint_name)

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let someone ask this endpoint, and no other."""
        return attach(grantee, [allow(["sagemaker:InvokeEndpoint"], [self.endpoint_arn])])

    def metric(
        self,
        name: str,
        *,
        variant: str = "AllTraffic",
        statistic: str = "Sum",
        period: Duration | None = None,
        **options: Any,
    ) -> cloudwatch.Metric:
        """A metric of one variant, in ``AWS/SageMaker``, per minute by default."""
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map={"EndpointName": self.endpoint_name, "VariantName": variant},
            statistic=statistic,
            period=Duration.minutes(1) if period is None else period,
            **options,
        )

    def metric_invocations(self, **options: Any) -> cloudwatch.Metric:
        """Requests."""
        return self.metric("Invocations", **options)

    def metric_model_latency(self, **options: Any) -> cloudwatch.Metric:
        """Time that models take to answer, in microseconds, 99th percentile by default."""
        return self.metric("ModelLatency", **{"statistic": "p99", **options})

    def metric_server_errors(self, **options: Any) -> cloudwatch.Metric:
        """Answers 5xx."""
        return self.metric("Invocation5XXErrors", **options)

    def metric_live_error(self, **options: Any) -> cloudwatch.Metric:
        """Mean absolute error of answers against the truth, as ``evaluate`` publishes it."""
        return cloudwatch.Metric(
            namespace="sageloop",
            metric_name="MeanAbsoluteError",
            dimensions_map={"EndpointName": self.endpoint_name},
            **{"statistic": "Average", **options},
        )
