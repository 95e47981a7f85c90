"""Metrics of an endpoint: names, units and dimensions as AWS publishes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hosting_stage import Stage, fresh, open_stage

VARIANT = {"VariantName": "AllTraffic"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_stage() as opened, fresh(opened) as stage:
        stage.model("slow", SLOW="0.05")
        stage.config("two", "slow", count=2)
        stage.endpoint("two")
        stage.invoke("model")
        stage.cloud.clock.advance(120)
        assert stage.cloud.settle(180) == []
        yield stage


def point(stage: Stage, metric: str, namespace: str = "AWS/SageMaker", **more: str) -> Any:
    now = stage.cloud.clock.now()
    dimensions = {"EndpointName": stage.name, **VARIANT, **more}
    points = stage.cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName=metric, Period=86400 * 365, Statistics=["Sum", "Average"],
        StartTime=now.replace(year=2020), EndTime=now.replace(year=now.year + 1),
        Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
    )["Datapoints"]  # fmt: skip
    (result,) = points
    return result


@pytest.mark.feature("serving: metrics in their units and dimensions")
def test_latencies_are_in_microseconds(stage: Stage) -> None:
    model, overhead = point(stage, "ModelLatency"), point(stage, "OverheadLatency")

    assert (model["Unit"], overhead["Unit"]) == ("Microseconds", "Microseconds")
    assert 50_000 <= model["Average"] < 5_000_000
    assert 0 < overhead["Average"] < 5_000_000


@pytest.mark.feature("serving: metrics in their units and dimensions")
def test_invocations_per_instance_is_the_share_of_each_instance(stage: Stage) -> None:
    assert point(stage, "Invocations")["Sum"] == 1
    assert point(stage, "InvocationsPerInstance")["Sum"] == 0.5
    assert point(stage, "Invocation4XXErrors")["Average"] == 0


@pytest.mark.feature("serving: metrics in their units and dimensions")
def test_metrics_are_published_for_the_endpoint_configuration_too(stage: Stage) -> None:
    assert point(stage, "Invocations", EndpointConfigName="two")["Sum"] == 1


@pytest.mark.feature("serving: metrics in their units and dimensions")
@pytest.mark.parametrize("metric", ["CPUUtilization", "MemoryUtilization", "DiskUtilization"])
def test_process_usage_is_published_in_percent(stage: Stage, metric: str) -> None:
    measured = point(stage, metric, "/aws/sagemaker/Endpoints")

    assert measured["Unit"] == "Percent"
    assert measured["Average"] >= 0
