"""CloudWatch metrics of endpoints.

See https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

_OF_INSTANCES = {"namespace": "/aws/sagemaker/Endpoints", "statistic": "Average"}
_AVERAGE = {"statistic": "Average"}
_MAXIMUM = {"statistic": "Maximum"}


class EndpointMetrics:
    """Metrics of an endpoint.

    Options are those of CDK's ``Metric``; ``variant`` is ``AllTraffic`` by default, ``period`` is
    1 minute.

    Attributes:
        endpoint_name: Name of the endpoint.

    """

    endpoint_name: str

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
            statistic: CloudWatch statistic, for example ``Average`` or ``p90``.
            period: 1 minute by default.
            options: Options of CDK's ``Metric``; ``namespace`` is ``AWS/SageMaker`` by default.

        """
        return cloudwatch.Metric(
            metric_name=name,
            dimensions_map={"EndpointName": self.endpoint_name, "VariantName": variant},
            statistic=statistic,
            period=Duration.minutes(1) if period is None else period,
            **{"namespace": "AWS/SageMaker", **options},
        )

    def metric_of_endpoint(
        self, name: str, *, statistic: str = "Average", period: Duration | None = None,
        **options: Any,
    ) -> cloudwatch.Metric:  # fmt: skip
        """A metric of the endpoint, for example of its queue.

        Args:
            name: Name of the metric, for example ``ApproximateBacklogSize``.
            statistic: CloudWatch statistic, for example ``Maximum``.
            period: 1 minute by default.
            options: Options of CDK's ``Metric``; ``namespace`` is ``AWS/SageMaker`` by default.

        """
        return cloudwatch.Metric(
            metric_name=name,
            dimensions_map={"EndpointName": self.endpoint_name},
            statistic=statistic,
            period=Duration.minutes(1) if period is None else period,
            **{"namespace": "AWS/SageMaker", **options},
        )

    def metric_invocations(self, **options: Any) -> cloudwatch.Metric:
        """Requests."""
        return self.metric("Invocations", **options)

    def metric_invocations_per_instance(self, **options: Any) -> cloudwatch.Metric:
        """Invocations per minute and instance."""
        return self.metric("InvocationsPerInstance", **options)

    def metric_model_latency(self, *, percentile: float = 99, **options: Any) -> cloudwatch.Metric:
        """Model latency in MICROSECONDS.

        Args:
            percentile: 50, 90, 99 or any other.
            options: Those of ``metric``; a ``statistic`` takes the place of the percentile.

        """
        return self.metric("ModelLatency", **{"statistic": f"p{percentile:g}", **options})

    def metric_overhead_latency(
        self, *, percentile: float = 99, **options: Any
    ) -> cloudwatch.Metric:
        """Overhead latency of SageMaker in MICROSECONDS."""
        return self.metric("OverheadLatency", **{"statistic": f"p{percentile:g}", **options})

    def metric_latency(
        self, *, percentile: float = 99, period: Duration | None = None, **options: Any
    ) -> cloudwatch.MathExpression:
        """Model latency in milliseconds.

        Args:
            percentile: 50, 90, 99 or any other.
            period: 1 minute by default.
            options: Those of ``metric_model_latency``.

        """
        latency = self.metric_model_latency(percentile=percentile, period=period, **options)
        label = f"Latency p{percentile:g} (ms)"
        name = f"p{percentile:g}".replace(".", "_")  # Ids must be unique within a graph.
        return _expression(f"{name} / 1000", {name: latency}, label, period)

    def metric_client_errors(self, **options: Any) -> cloudwatch.Metric:
        """4xx responses; their ``Average`` is the error rate."""
        return self.metric("Invocation4XXErrors", **options)

    def metric_server_errors(self, **options: Any) -> cloudwatch.Metric:
        """5xx responses; their ``Average`` is the error rate."""
        return self.metric("Invocation5XXErrors", **options)

    def metric_client_error_rate(
        self, *, period: Duration | None = None, **options: Any
    ) -> cloudwatch.MathExpression:
        """Rate of 4xx responses in percent."""
        share = self.metric_client_errors(period=period, **{**_AVERAGE, **options})
        return _expression("100 * share4xx", {"share4xx": share}, "4xx responses (%)", period)

    def metric_server_error_rate(
        self, *, period: Duration | None = None, **options: Any
    ) -> cloudwatch.MathExpression:
        """Rate of 5xx responses in percent."""
        share = self.metric_server_errors(period=period, **{**_AVERAGE, **options})
        return _expression("100 * share5xx", {"share5xx": share}, "5xx responses (%)", period)

    def metric_model_errors(self, **options: Any) -> cloudwatch.Metric:
        """Requests to which the model did not respond with 2xx."""
        return self.metric("InvocationModelErrors", **options)

    def metric_concurrency(self, **options: Any) -> cloudwatch.Metric:
        """Concurrent requests per model."""
        return self.metric("ConcurrentRequestsPerModel", **{**_MAXIMUM, **options})

    def metric_cpu(self, **options: Any) -> cloudwatch.Metric:
        """CPU utilization in percent, 100 for each core: 0 to 400 on four cores."""
        return self.metric("CPUUtilization", **{**_OF_INSTANCES, **options})

    def metric_memory(self, **options: Any) -> cloudwatch.Metric:
        """Memory utilization in percent."""
        return self.metric("MemoryUtilization", **{**_OF_INSTANCES, **options})

    def metric_disk(self, **options: Any) -> cloudwatch.Metric:
        """Disk utilization in percent."""
        return self.metric("DiskUtilization", **{**_OF_INSTANCES, **options})

    def metric_gpu(self, **options: Any) -> cloudwatch.Metric:
        """GPU utilization in percent, 100 for each GPU."""
        return self.metric("GPUUtilization", **{**_OF_INSTANCES, **options})

    def metric_gpu_memory(self, **options: Any) -> cloudwatch.Metric:
        """GPU memory utilization in percent, 100 for each GPU."""
        return self.metric("GPUMemoryUtilization", **{**_OF_INSTANCES, **options})


class QueueMetrics(EndpointMetrics):
    """Metrics of an asynchronous endpoint's queue.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
    """

    def metric_backlog(self, **options: Any) -> cloudwatch.Metric:
        """Requests that are queued or in progress."""
        return self.metric_of_endpoint("ApproximateBacklogSize", **options)

    def metric_backlog_per_instance(self, **options: Any) -> cloudwatch.Metric:
        """The backlog per instance."""
        return self.metric_of_endpoint("ApproximateBacklogSizePerInstance", **options)

    def metric_backlog_without_capacity(self, **options: Any) -> cloudwatch.Metric:
        """1 while requests wait and there is no instance, otherwise 0."""
        return self.metric_of_endpoint("HasBacklogWithoutCapacity", **options)

    def metric_oldest_request(self, **options: Any) -> cloudwatch.Metric:
        """Age of the oldest queued request in seconds."""
        return self.metric_of_endpoint("ApproximateAgeOfOldestRequest", **{**_MAXIMUM, **options})

    def metric_time_in_backlog(self, **options: Any) -> cloudwatch.Metric:
        """Time in the queue in milliseconds."""
        return self.metric("TimeInBacklog", **{**_AVERAGE, **options})

    def metric_processing_time(self, **options: Any) -> cloudwatch.Metric:
        """Time from request to response in milliseconds."""
        return self.metric("TotalProcessingTime", **{**_AVERAGE, **options})

    def metric_invocation_failures(self, **options: Any) -> cloudwatch.Metric:
        """Failed asynchronous requests."""
        return self.metric("InvocationFailures", **options)

    def metric_expired(self, **options: Any) -> cloudwatch.Metric:
        """Expired asynchronous requests."""
        return self.metric("ExpiredRequests", **options)


class KindMetrics(QueueMetrics):
    """Metrics of some kinds of endpoints, and custom metrics of the project."""

    def metric_setup_time(self, **options: Any) -> cloudwatch.Metric:
        """Cold start time of a serverless endpoint in MICROSECONDS."""
        return self.metric("ModelSetupTime", **{**_AVERAGE, **options})

    def metric_provisioned_utilization(self, **options: Any) -> cloudwatch.Metric:
        """Utilization of provisioned concurrency, 0 to 1."""
        name = "ServerlessProvisionedConcurrencyUtilization"
        return self.metric(name, **{**_MAXIMUM, **options})

    def metric_spillover(self, **options: Any) -> cloudwatch.Metric:
        """Invocations beyond the provisioned concurrency."""
        return self.metric("ServerlessProvisionedConcurrencySpilloverInvocations", **options)

    def metric_model_cache_hits(self, **options: Any) -> cloudwatch.Metric:
        """Cache hit rate of a multi-model endpoint, 0 to 1."""
        return self.metric("ModelCacheHit", **{**_AVERAGE, **options})

    def metric_model_loading_wait(self, **options: Any) -> cloudwatch.Metric:
        """Time that a request waits for loading its model in MICROSECONDS."""
        return self.metric("ModelLoadingWaitTime", **{**_AVERAGE, **options})

    def metric_loaded_models(self, **options: Any) -> cloudwatch.Metric:
        """Loaded models."""
        return self.metric("LoadedModelCount", **{**_OF_INSTANCES, **options})

    def metric_model_quality(self, **options: Any) -> cloudwatch.Metric:
        """Mean absolute error of predictions against ground truth, published by ``evaluate``."""
        return self._project_metric("MeanAbsoluteError", **{**_AVERAGE, **options})

    def metric_evaluated_predictions(self, **options: Any) -> cloudwatch.Metric:
        """Predictions in the model quality metric."""
        return self._project_metric("EvaluatedPredictions", **options)

    def metric_promotions(self, **options: Any) -> cloudwatch.Metric:
        """Champions that were promoted."""
        return self._project_metric("Promotions", **options)

    def metric_rollbacks(self, **options: Any) -> cloudwatch.Metric:
        """Rollouts that were rolled back."""
        return self._project_metric("RollbacksDetected", **options)

    def _project_metric(self, name: str, **options: Any) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="sageloop",
            metric_name=name,
            dimensions_map={"EndpointName": self.endpoint_name},
            **{"statistic": "Sum", **options},
        )


def _expression(
    expression: str, metrics: dict[str, cloudwatch.Metric], label: str, period: Duration | None
) -> cloudwatch.MathExpression:
    return cloudwatch.MathExpression(
        expression=expression,
        using_metrics=dict(metrics),
        label=label,
        period=Duration.minutes(1) if period is None else period,
    )
