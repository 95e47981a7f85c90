"""What every endpoint offers, whoever owns it."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from .._private.acknowledge import acknowledge
from .._private.checks import Checks
from .._private.policies import allow, arn, attach


def acknowledge_platform_registry(construct: IConstruct) -> None:
    """Say why models do not ask for a registry inside the network."""
    acknowledge(
        construct,
        ["SageMaker.16"],
        "the images lie in ECR, which SageMaker reads in the mode Platform; the mode Vpc is for a "
        "Docker registry of one's own inside the network",
    )


_OF_INSTANCES = {"namespace": "/aws/sagemaker/Endpoints", "statistic": "Average"}


class EndpointBase(Construct):
    """An endpoint by its name.

    Attributes:
        endpoint_name: Name of the endpoint.

    """

    endpoint_name: str

    @classmethod
    def from_endpoint_name(
        cls, scope: Construct, construct_id: str, *, endpoint_name: str
    ) -> EndpointBase:
        """Use an endpoint you already have: ask it, and look at its metrics."""
        with Checks(f"{scope.node.path}/{construct_id}") as check:
            check.name("endpoint_name", endpoint_name)
        endpoint = EndpointBase(scope, construct_id)
        endpoint.endpoint_name = endpoint_name
        return endpoint

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
        """A metric of one variant, per minute by default.

        Args:
            name: Name of the metric, for example ``InvocationsPerInstance``.
            variant: Name of the variant.
            statistic: CloudWatch's own name, for example ``Average`` or ``p90``.
            period: 1 minute by default.
            options: CDK's own, ``namespace`` among them (``AWS/SageMaker`` by default).

        """
        return cloudwatch.Metric(
            metric_name=name,
            dimensions_map={"EndpointName": self.endpoint_name, "VariantName": variant},
            statistic=statistic,
            period=Duration.minutes(1) if period is None else period,
            **{"namespace": "AWS/SageMaker", **options},
        )

    def metric_invocations(self, **options: Any) -> cloudwatch.Metric:
        """Requests."""
        return self.metric("Invocations", **options)

    def metric_model_latency(self, *, percentile: float = 99, **options: Any) -> cloudwatch.Metric:
        """Time that the model takes to answer, in MICROSECONDS.

        Args:
            percentile: 50, 90, 99 or any other.
            options: Those of ``metric``; a ``statistic`` takes the place of the percentile.

        """
        return self.metric("ModelLatency", **{"statistic": f"p{percentile:g}", **options})

    def metric_overhead_latency(
        self, *, percentile: float = 99, **options: Any
    ) -> cloudwatch.Metric:
        """Time that SageMaker adds to the model's, in MICROSECONDS."""
        return self.metric("OverheadLatency", **{"statistic": f"p{percentile:g}", **options})

    def metric_client_errors(self, **options: Any) -> cloudwatch.Metric:
        """Answers 4xx; their ``Average`` is their share of the requests."""
        return self.metric("Invocation4XXErrors", **options)

    def metric_server_errors(self, **options: Any) -> cloudwatch.Metric:
        """Answers 5xx; their ``Average`` is their share of the requests."""
        return self.metric("Invocation5XXErrors", **options)

    def metric_cpu(self, **options: Any) -> cloudwatch.Metric:
        """Use of processors in percent, 100 for each core: 0 to 400 on four of them."""
        return self.metric("CPUUtilization", **{**_OF_INSTANCES, **options})

    def metric_memory(self, **options: Any) -> cloudwatch.Metric:
        """Use of memory in percent."""
        return self.metric("MemoryUtilization", **{**_OF_INSTANCES, **options})

    def metric_live_error(self, **options: Any) -> cloudwatch.Metric:
        """Mean absolute error of answers against the truth, as ``evaluate`` publishes it."""
        return self._project_metric("MeanAbsoluteError", **{"statistic": "Average", **options})

    def metric_evaluated_predictions(self, **options: Any) -> cloudwatch.Metric:
        """Predictions that the live error is the mean of."""
        return self._project_metric("EvaluatedPredictions", **options)

    def metric_promotions(self, **options: Any) -> cloudwatch.Metric:
        """Champions that came to serve."""
        return self._project_metric("Promotions", **options)

    def metric_rollbacks(self, **options: Any) -> cloudwatch.Metric:
        """Rollouts that ended with the configuration before."""
        return self._project_metric("RollbacksDetected", **options)

    def _project_metric(self, name: str, **options: Any) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="sageloop",
            metric_name=name,
            dimensions_map={"EndpointName": self.endpoint_name},
            **{"statistic": "Sum", **options},
        )
