"""Metrics of endpoints, as SageMaker and this project publish them.

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
    """Metrics by the endpoint's name.

    Options are CDK's own; ``variant`` names the variant (``AllTraffic`` by default), ``period``
    is a minute by default.

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

    def metric_of_endpoint(
        self, name: str, *, statistic: str = "Average", period: Duration | None = None,
        **options: Any,
    ) -> cloudwatch.Metric:  # fmt: skip
        """A metric of the endpoint as a whole, for example of its queue.

        Args:
            name: Name of the metric, for example ``ApproximateBacklogSize``.
            statistic: CloudWatch's own name, for example ``Maximum``.
            period: 1 minute by default.
            options: CDK's own, ``namespace`` among them (``AWS/SageMaker`` by default).

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
        """Requests of a minute, divided by the instances."""
        return self.metric("InvocationsPerInstance", **options)

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

    def metric_latency(
        self, *, percentile: float = 99, period: Duration | None = None, **options: Any
    ) -> cloudwatch.MathExpression:
        """Time that the model takes to answer, in milliseconds, for people.

        Args:
            percentile: 50, 90, 99 or any other.
            period: 1 minute by default.
            options: Those of ``metric_model_latency``.

        """
        latency = self.metric_model_latency(percentile=percentile, period=period, **options)
        label = f"Latency p{percentile:g} (ms)"
        name = f"p{percentile:g}".replace(".", "_")  # ids must differ within a graph
        return _expression(f"{name} / 1000", {name: latency}, label, period)

    def metric_client_errors(self, **options: Any) -> cloudwatch.Metric:
        """Answers 4xx; their ``Average`` is their share of the requests."""
        return self.metric("Invocation4XXErrors", **options)

    def metric_server_errors(self, **options: Any) -> cloudwatch.Metric:
        """Answers 5xx; their ``Average`` is their share of the requests."""
        return self.metric("Invocation5XXErrors", **options)

    def metric_client_error_rate(
        self, *, period: Duration | None = None, **options: Any
    ) -> cloudwatch.MathExpression:
        """Share of answers 4xx, in percent."""
        share = self.metric_client_errors(period=period, **{**_AVERAGE, **options})
        return _expression("100 * share4xx", {"share4xx": share}, "Answers 4xx (%)", period)

    def metric_server_error_rate(
        self, *, period: Duration | None = None, **options: Any
    ) -> cloudwatch.MathExpression:
        """Share of answers 5xx, in percent."""
        share = self.metric_server_errors(period=period, **{**_AVERAGE, **options})
        return _expression("100 * share5xx", {"share5xx": share}, "Answers 5xx (%)", period)

    def metric_model_errors(self, **options: Any) -> cloudwatch.Metric:
        """Requests that the model did not answer with 2xx."""
        return self.metric("InvocationModelErrors", **options)

    def metric_concurrency(self, **options: Any) -> cloudwatch.Metric:
        """Requests that a model works on at a time."""
        return self.metric("ConcurrentRequestsPerModel", **{**_MAXIMUM, **options})

    def metric_cpu(self, **options: Any) -> cloudwatch.Metric:
        """Use of processors in percent, 100 for each core: 0 to 400 on four of them."""
        return self.metric("CPUUtilization", **{**_OF_INSTANCES, **options})

    def metric_memory(self, **options: Any) -> cloudwatch.Metric:
        """Use of memory in percent."""
        return self.metric("MemoryUtilization", **{**_OF_INSTANCES, **options})

    def metric_disk(self, **options: Any) -> cloudwatch.Metric:
        """Use of disks in percent."""
        return self.metric("DiskUtilization", **{**_OF_INSTANCES, **options})

    def metric_gpu(self, **options: Any) -> cloudwatch.Metric:
        """Use of GPUs in percent, 100 for each."""
        return self.metric("GPUUtilization", **{**_OF_INSTANCES, **options})

    def metric_gpu_memory(self, **options: Any) -> cloudwatch.Metric:
        """Use of the GPUs' memory in percent, 100 for each."""
        return self.metric("GPUMemoryUtilization", **{**_OF_INSTANCES, **options})


class QueueMetrics(EndpointMetrics):
    """Metrics of an asynchronous endpoint's queue.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
    """

    def metric_backlog(self, **options: Any) -> cloudwatch.Metric:
        """Requests that wait or are worked on."""
        return self.metric_of_endpoint("ApproximateBacklogSize", **options)

    def metric_backlog_per_instance(self, **options: Any) -> cloudwatch.Metric:
        """The same, divided by the instances."""
        return self.metric_of_endpoint("ApproximateBacklogSizePerInstance", **options)

    def metric_backlog_without_capacity(self, **options: Any) -> cloudwatch.Metric:
        """1 while something waits and there is no instance, else 0."""
        return self.metric_of_endpoint("HasBacklogWithoutCapacity", **options)

    def metric_oldest_request(self, **options: Any) -> cloudwatch.Metric:
        """Age of the request that waits longest, in seconds."""
        return self.metric_of_endpoint("ApproximateAgeOfOldestRequest", **{**_MAXIMUM, **options})

    def metric_time_in_backlog(self, **options: Any) -> cloudwatch.Metric:
        """Time that requests waited, in milliseconds."""
        return self.metric("TimeInBacklog", **{**_AVERAGE, **options})

    def metric_processing_time(self, **options: Any) -> cloudwatch.Metric:
        """Time from a request's arrival to its answer, in milliseconds."""
        return self.metric("TotalProcessingTime", **{**_AVERAGE, **options})

    def metric_invocation_failures(self, **options: Any) -> cloudwatch.Metric:
        """Asynchronous requests that failed."""
        return self.metric("InvocationFailures", **options)

    def metric_expired(self, **options: Any) -> cloudwatch.Metric:
        """Asynchronous requests that waited longer than they may live."""
        return self.metric("ExpiredRequests", **options)


class KindMetrics(QueueMetrics):
    """Metrics that only some kinds of endpoints publish, and the project's own."""

    def metric_setup_time(self, **options: Any) -> cloudwatch.Metric:
        """Time that a serverless worker takes to start, in MICROSECONDS."""
        return self.metric("ModelSetupTime", **{**_AVERAGE, **options})

    def metric_provisioned_utilization(self, **options: Any) -> cloudwatch.Metric:
        """Share of a serverless endpoint's ready workers in use, 0 to 1."""
        name = "ServerlessProvisionedConcurrencyUtilization"
        return self.metric(name, **{**_MAXIMUM, **options})

    def metric_spillover(self, **options: Any) -> cloudwatch.Metric:
        """Serverless requests that found no ready worker."""
        return self.metric("ServerlessProvisionedConcurrencySpilloverInvocations", **options)

    def metric_model_cache_hits(self, **options: Any) -> cloudwatch.Metric:
        """Share of a multi-model endpoint's requests whose model was loaded, 0 to 1."""
        return self.metric("ModelCacheHit", **{**_AVERAGE, **options})

    def metric_model_loading_wait(self, **options: Any) -> cloudwatch.Metric:
        """Time that a request waits for its model to be loaded, in MICROSECONDS."""
        return self.metric("ModelLoadingWaitTime", **{**_AVERAGE, **options})

    def metric_loaded_models(self, **options: Any) -> cloudwatch.Metric:
        """Models that are loaded."""
        return self.metric("LoadedModelCount", **{**_OF_INSTANCES, **options})

    def metric_model_quality(self, **options: Any) -> cloudwatch.Metric:
        """Mean absolute error of answers against the truth, as ``evaluate`` publishes it."""
        return self._project_metric("MeanAbsoluteError", **{**_AVERAGE, **options})

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


def _expression(
    expression: str, metrics: dict[str, cloudwatch.Metric], label: str, period: Duration | None
) -> cloudwatch.MathExpression:
    return cloudwatch.MathExpression(
        expression=expression,
        using_metrics=dict(metrics),
        label=label,
        period=Duration.minutes(1) if period is None else period,
    )
