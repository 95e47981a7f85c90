"""Test harness for inference components on an endpoint without models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hosting_stage import ROLE, Stage, fresh, open_stage


class Components:
    """An endpoint without models, and the inference components on it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.hosting = stage.hosting
        self.sagemaker = stage.sagemaker
        self.first = f"first-{stage.name}"  # metrics are kept between tests

    def variant(self, count: int = 1, **more: Any) -> dict[str, Any]:
        return {
            "VariantName": "AllTraffic", "InstanceType": "ml.m5.xlarge",
            "InitialInstanceCount": count, **more,
        }  # fmt: skip

    def config(self, name: str, *variants: dict[str, Any]) -> None:
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ExecutionRoleArn=ROLE, ProductionVariants=list(variants)
        )

    def endpoint(self, count: int = 1, **more: Any) -> dict[str, Any]:
        self.config("bare", self.variant(count, **more))
        return self.stage.endpoint("bare")

    def specification(
        self, model: str = "winter", *, memory: int = 1024, cores: float = 1, **more: Any
    ) -> dict[str, Any]:
        needs = {"MinMemoryRequiredInMb": memory, "NumberOfCpuCoresRequired": cores}
        return {"ModelName": model, "ComputeResourceRequirements": needs, **more}

    def create(
        self, name: str | None = None, copies: int = 1, *, specification: Any = None, **more: Any
    ) -> dict[str, Any]:
        request = self.specification(**more) if specification is None else specification
        self.sagemaker.create_inference_component(
            InferenceComponentName=name or self.first, EndpointName=self.stage.name,
            VariantName="AllTraffic", Specification=request, RuntimeConfig={"CopyCount": copies},
        )  # fmt: skip
        return self.wait_until_stable(name)

    def update(self, **changes: Any) -> dict[str, Any]:
        self.sagemaker.update_inference_component(InferenceComponentName=self.first, **changes)
        return self.wait_until_stable()

    def resize(self, copies: int) -> dict[str, Any]:
        self.sagemaker.update_inference_component_runtime_config(
            InferenceComponentName=self.first, DesiredRuntimeConfig={"CopyCount": copies}
        )
        return self.wait_until_stable()

    def wait_until_stable(self, name: str | None = None) -> dict[str, Any]:
        assert self.hosting.components.wait(name or self.first) is not None
        component: dict[str, Any] = self.sagemaker.describe_inference_component(
            InferenceComponentName=name or self.first
        )
        return component

    def clear(self) -> None:
        for component in self.sagemaker.list_inference_components()["InferenceComponents"]:
            name = component["InferenceComponentName"]
            self.hosting.components.wait(name)
            self.sagemaker.delete_inference_component(InferenceComponentName=name)
            assert self.hosting.components.wait(name) is None
            assert self.stage.cloud.settle(180) == []

    def invoke(self, body: str = "hello", name: str | None = None) -> str:
        return self.stage.invoke(body, InferenceComponentName=name or self.first)

    def processes(self) -> int:
        label = f"endpoint:{self.stage.name}"
        return list(self.stage.cloud.processes.running().values()).count(label)

    def hosts(self) -> int:
        described = self.sagemaker.describe_endpoint(EndpointName=self.stage.name)
        return int(described["ProductionVariants"][0]["CurrentInstanceCount"])

    def total(self, metric: str, statistic: str = "Sum") -> float:
        now = self.stage.cloud.clock.now()
        points = self.stage.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=metric, StartTime=now.replace(year=2020),
            EndTime=now.replace(year=now.year + 1), Period=86400 * 365, Statistics=[statistic],
            Dimensions=[{"Name": "InferenceComponentName", "Value": self.first}],
        )["Datapoints"]  # fmt: skip
        return float(sum(point[statistic] for point in points))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_stage() as opened:
        yield opened


@pytest.fixture
def components(stage: Stage) -> Iterator[Components]:
    with fresh(stage):
        components = Components(stage)
        yield components
        stage.cloud.faults.clear()
        components.clear()
        stage.hosting.instance_types.reset()
