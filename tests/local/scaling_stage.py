"""An endpoint that Application Auto Scaling scales, and helpers to load and observe it."""

from __future__ import annotations

import time as wall
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hosting_stage import Stage, fresh, open_stage
from roles import USER

from sageloop.local_cloud.scaling.service import ApplicationAutoScalingService

INSTANCES = "sagemaker:variant:DesiredInstanceCount"
TRACKING: dict[str, Any] = {
    "TargetValue": 10.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    },
}
ADD_ONE: dict[str, Any] = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    "Cooldown": 60,
}


class Scaled:
    """A stage's endpoint as a scalable target."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.cloud = stage.cloud
        self.client = stage.cloud.client("application-autoscaling", principal=USER)
        self.next_minute()
        self.key = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{stage.name}/variant/AllTraffic",
            "ScalableDimension": INSTANCES,
        }

    def end(self) -> None:
        """Remove everything that would scale again."""
        self.cloud.service("application-autoscaling").resource_deleted(
            f"endpoint/{self.stage.name}"
        )
        self.stage.cloudwatch.delete_alarms(AlarmNames=[f"{self.stage.name}-load"])
        self.settle()

    def register(self, minimum: int | None, maximum: int | None, **more: Any) -> None:
        limits = {"MinCapacity": minimum, "MaxCapacity": maximum}
        members = {k: v for k, v in limits.items() if v is not None}
        self.client.register_scalable_target(**self.key, **members, **more)
        self.settle()

    def resize(self, count: int) -> None:
        """Set the number of instances manually."""
        self.stage.hosting.set_instance_count(self.stage.name, "AllTraffic", count)
        self.settle()

    def track(
        self, name: str = "tracking", *, before: float | None = None, **more: Any
    ) -> list[str]:
        """A tracking policy whose alarms have three minutes without traffic, or with ``before``."""
        made = self.client.put_scaling_policy(
            **self.key, PolicyName=name, PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={**TRACKING, **more},
        )  # fmt: skip
        self.minutes(3, before)
        return [alarm["AlarmName"] for alarm in made["Alarms"]]

    def step(self, name: str = "step", **more: Any) -> str:
        made = self.client.put_scaling_policy(
            **self.key, PolicyName=name, PolicyType="StepScaling",
            StepScalingPolicyConfiguration={**ADD_ONE, **more},
        )  # fmt: skip
        return str(made["PolicyARN"])

    def schedule(self, name: str, schedule: str, **action: Any) -> None:
        more = {k: action.pop(k) for k in ("Timezone", "StartTime", "EndTime") if k in action}
        self.client.put_scheduled_action(
            **self.key, ScheduledActionName=name, Schedule=schedule, ScalableTargetAction=action,
            **more,
        )  # fmt: skip

    def alarm(self, policy: str, **more: Any) -> None:
        """An alarm of the user on a metric of the user."""
        definition: dict[str, Any] = {
            "AlarmName": f"{self.stage.name}-load", "Namespace": "n", "MetricName": "load",
            "Dimensions": [{"Name": "Endpoint", "Value": self.stage.name}],
            "Statistic": "Average", "Period": 60, "EvaluationPeriods": 1, "Threshold": 50,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold", "AlarmActions": [policy],
        }  # fmt: skip
        self.stage.cloudwatch.put_metric_alarm(**(definition | more))

    def load(self, value: float) -> None:
        put = self.cloud.service("cloudwatch").put
        put("n", "load", value, dimensions={"Endpoint": self.stage.name})

    def invocations(self, number: float) -> None:
        """Publish a number of invocations per instance in this minute."""
        dimensions = {"EndpointName": self.stage.name, "VariantName": "AllTraffic"}
        put = self.cloud.service("cloudwatch").put
        put("AWS/SageMaker", "InvocationsPerInstance", number, dimensions=dimensions)

    def minutes(self, number: int, invocations: float | None = None) -> None:
        """Advance minutes, each with a number of invocations per instance."""
        for _ in range(number):
            if invocations is not None:
                self.invocations(invocations)
            self.next_minute()

    def next_minute(self) -> None:
        """Advance to ten seconds into the next minute: never close to a minute's boundary."""
        self.cloud.clock.advance(70 - self.cloud.clock.time() % 60)
        self.settle()

    def until_in_progress(self, requests: int) -> None:
        """Wait until a number of requests is in the instances."""
        deadline = wall.monotonic() + 180
        while sum(self.stage.hosting.outstanding(self.stage.name, "AllTraffic")) < requests:
            assert wall.monotonic() < deadline
            self.cloud.settle(0.01)

    def settle(self) -> None:
        assert self.cloud.settle() == []

    @property
    def count(self) -> int:
        """The number of running instances."""
        (variant,) = self.stage.wait_until_stable()["ProductionVariants"]
        return int(variant["CurrentInstanceCount"])

    def activities(self, **more: Any) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.client.describe_scaling_activities(
            ServiceNamespace="sagemaker", ResourceId=self.key["ResourceId"], **more
        )["ScalingActivities"]
        return listed

    def reasons(self) -> list[str]:
        """Codes of the skipped changes, newest first."""
        listed = self.activities(IncludeNotScaledActivities=True)
        return [r["Code"] for a in listed for r in a.get("NotScaledReasons", ())]

    def alarms(self) -> list[dict[str, Any]]:
        prefix = f"TargetTracking-{self.key['ResourceId']}"
        described: list[dict[str, Any]] = self.stage.cloudwatch.describe_alarms(
            AlarmNamePrefix=prefix
        )["MetricAlarms"]
        return described


@contextmanager
def open_scaling_stage() -> Iterator[Stage]:
    """A cloud with Application Auto Scaling for a module of tests."""
    with open_stage() as stage:
        service = ApplicationAutoScalingService(stage.cloud)
        stage.cloud.add([service])
        service.start()
        yield stage


@pytest.fixture(scope="module")
def cloud_stage() -> Iterator[Stage]:
    with open_scaling_stage() as stage:
        yield stage


@pytest.fixture
def stage(cloud_stage: Stage) -> Iterator[Stage]:
    with fresh(cloud_stage) as stage:
        yield stage


@pytest.fixture
def scaled(stage: Stage) -> Iterator[Scaled]:
    stage.endpoint()
    scaled = Scaled(stage)
    yield scaled
    scaled.end()


def processes(scaled: Scaled) -> int:
    return len(scaled.stage.hosting.outstanding(scaled.stage.name, "AllTraffic"))
