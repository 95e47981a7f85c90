"""Metrics carry the names and dimensions under which AWS and the functions publish them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_s3 as s3

from constructs_lib import (
    ConfigurationError,
    DataStore,
    EndpointBase,
    RetrainingLoop,
    StateTable,
    TrainingJob,
)

_VARIANT = {"EndpointName": "demo", "VariantName": "AllTraffic"}


@pytest.fixture
def endpoint(stack: Stack) -> EndpointBase:
    return EndpointBase.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")


@pytest.fixture
def made(loop: Callable[..., RetrainingLoop]) -> RetrainingLoop:
    return loop()


def _rendered(metric: cloudwatch.Metric) -> tuple[str, str, dict[str, Any], str]:
    dimensions = {} if metric.dimensions is None else dict(metric.dimensions)
    return metric.namespace, metric.metric_name, dimensions, metric.statistic


@pytest.mark.feature("operations: metric_* of an endpoint")
@pytest.mark.parametrize(
    ("metric", "namespace", "name", "statistic"),
    [
        (EndpointBase.metric_invocations, "AWS/SageMaker", "Invocations", "Sum"),
        (EndpointBase.metric_model_latency, "AWS/SageMaker", "ModelLatency", "p99"),
        (EndpointBase.metric_overhead_latency, "AWS/SageMaker", "OverheadLatency", "p99"),
        (EndpointBase.metric_client_errors, "AWS/SageMaker", "Invocation4XXErrors", "Sum"),
        (EndpointBase.metric_server_errors, "AWS/SageMaker", "Invocation5XXErrors", "Sum"),
        (EndpointBase.metric_cpu, "/aws/sagemaker/Endpoints", "CPUUtilization", "Average"),
        (EndpointBase.metric_memory, "/aws/sagemaker/Endpoints", "MemoryUtilization", "Average"),
    ],
)
def test_endpoint_metrics_are_of_one_variant(
    endpoint: EndpointBase,
    metric: Callable[[EndpointBase], cloudwatch.Metric],
    namespace: str,
    name: str,
    statistic: str,
) -> None:
    assert _rendered(metric(endpoint)) == (namespace, name, _VARIANT, statistic)


@pytest.mark.parametrize(("percentile", "statistic"), [(50, "p50"), (90, "p90"), (99.9, "p99.9")])
def test_latency_of_any_percentile(
    endpoint: EndpointBase, percentile: float, statistic: str
) -> None:
    assert endpoint.metric_model_latency(percentile=percentile).statistic == statistic


@pytest.mark.parametrize("name", ["metric_model_latency", "metric_overhead_latency"])
def test_latency_docstrings_have_microseconds(name: str) -> None:
    assert "MICROSECONDS" in getattr(EndpointBase, name).__doc__


def test_endpoint_metric_takes_variant_period_and_statistic(endpoint: EndpointBase) -> None:
    metric = endpoint.metric_cpu(variant="B", period=Duration.minutes(5), statistic="Maximum")

    assert metric.dimensions == {"EndpointName": "demo", "VariantName": "B"}
    assert (metric.period.to_seconds(), metric.statistic) == (300, "Maximum")


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (EndpointBase.metric_model_quality, "MeanAbsoluteError"),
        (EndpointBase.metric_evaluated_predictions, "EvaluatedPredictions"),
        (EndpointBase.metric_promotions, "Promotions"),
        (EndpointBase.metric_rollbacks, "RollbacksDetected"),
    ],
)
def test_custom_metrics_of_endpoint(
    endpoint: EndpointBase, metric: Callable[[EndpointBase], cloudwatch.Metric], name: str
) -> None:
    assert _rendered(metric(endpoint))[:3] == ("sageloop", name, {"EndpointName": "demo"})


def test_store_metrics_are_daily(stack: Stack) -> None:
    mine = s3.Bucket.from_bucket_name(stack, "Bucket", "mine")
    store = DataStore.from_bucket(stack, "Store", bucket=mine)

    size, objects = store.metric_size(), store.metric_objects()

    assert _rendered(size)[1:3] == (
        "BucketSizeBytes", {"BucketName": "mine", "StorageType": "StandardStorage"},
    )  # fmt: skip
    assert _rendered(objects)[1:3] == (
        "NumberOfObjects", {"BucketName": "mine", "StorageType": "AllStorageTypes"},
    )  # fmt: skip
    assert size.period.to_days() == objects.period.to_days() == 1


def test_table_metric_has_dynamodb_namespace(stack: Stack) -> None:
    assert StateTable(stack, "State").metric("ThrottledRequests").namespace == "AWS/DynamoDB"


def test_job_metric_has_project_namespace(stack: Stack) -> None:
    job = TrainingJob.from_job_name(stack, "Job", job="demo")

    assert _rendered(job.metric_rejections()) == (
        "sageloop", "ChallengersRejected", {"Job": "demo"}, "Sum",
    )  # fmt: skip


def test_metric_of_a_run_is_of_one_instance(stack: Stack) -> None:
    job = TrainingJob.from_job_name(stack, "Job", job="demo")

    metric = job.metric_of_run("GPUUtilization", training_job="demo-0123456789ab", instance=2)

    assert _rendered(metric)[:3] == (
        "/aws/sagemaker/TrainingJobs", "GPUUtilization", {"Host": "demo-0123456789ab/algo-2"},
    )  # fmt: skip


def test_loop_counts_alerts_about_its_job_and_its_endpoint(made: RetrainingLoop) -> None:
    metric = made.metric_alerts(period=Duration.minutes(1))

    assert metric.expression == "FILL(alertsSent0, 0) + FILL(alertsSent1, 0)"
    assert [_rendered(part)[1:3] for part in metric.using_metrics.values()] == [  # type: ignore[arg-type]
        ("AlertsSent", {"Job": "demo"}),
        ("AlertsSent", {"EndpointName": "demo"}),
    ]


def test_loop_counts_suppressed_triggers_by_reason(made: RetrainingLoop) -> None:
    (part,) = made.metric_suppressed(reason="cooldown").using_metrics.values()
    whole = made.metric_suppressed().using_metrics.values()

    assert _rendered(part)[1:3] == (  # type: ignore[arg-type]
        "TriggersSuppressed", {"Job": "demo", "Reason": "cooldown"},
    )  # fmt: skip
    assert len(whole) == 4


def test_loop_refuses_unknown_reason(made: RetrainingLoop) -> None:
    with pytest.raises(ConfigurationError, match="reason must be one of cooldown, duplicate, "):
        made.metric_suppressed(reason="weather")


def test_loop_has_metrics_of_endpoint_and_job(made: RetrainingLoop) -> None:
    assert _rendered(made.metric_promotions())[1:3] == ("Promotions", {"EndpointName": "demo"})
    assert _rendered(made.metric_rollbacks())[1:3] == (
        "RollbacksDetected",
        {"EndpointName": "demo"},
    )
    assert _rendered(made.metric_rejections())[1:3] == ("ChallengersRejected", {"Job": "demo"})
