"""An asynchronous endpoint scales to zero without a backlog, and out again for a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hosting_stage import Stage, fresh
from scaling_stage import Scaled, open_scaling_stage


@pytest.fixture(scope="module")
def cloud_stage() -> Iterator[Stage]:
    with open_scaling_stage() as stage:
        yield stage


@pytest.fixture
def scaled(cloud_stage: Stage) -> Iterator[Scaled]:
    with fresh(cloud_stage) as stage:
        stage.config(
            "async", "winter",
            AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://data/out/"}},
        )  # fmt: skip
        stage.endpoint("async")
        scaled = Scaled(stage)
        yield scaled
        scaled.end()


def backlog(scaled: Scaled) -> dict[str, Any]:
    """Five requests per instance, as in AWS's documentation of asynchronous endpoints."""
    return {
        "TargetValue": 5.0, "ScaleInCooldown": 60, "ScaleOutCooldown": 60,
        "CustomizedMetricSpecification": {
            "MetricName": "ApproximateBacklogSizePerInstance", "Namespace": "AWS/SageMaker",
            "Dimensions": [{"Name": "EndpointName", "Value": scaled.stage.name}],
            "Statistic": "Average",
        },
    }  # fmt: skip


@pytest.mark.feature("scaling: to zero and back")
def test_async_endpoint_scales_to_zero_and_back_on_a_request(scaled: Scaled) -> None:
    scaled.register(0, 2)
    scaled.client.put_scaling_policy(
        **scaled.key, PolicyName="backlog", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=backlog(scaled),
    )  # fmt: skip
    scaled.alarm(
        scaled.step("wake", Cooldown=300),
        Namespace="AWS/SageMaker", MetricName="HasBacklogWithoutCapacity",
        Dimensions=[{"Name": "EndpointName", "Value": scaled.stage.name}],
        EvaluationPeriods=2, DatapointsToAlarm=2, Threshold=1, TreatMissingData="missing",
    )  # fmt: skip

    scaled.minutes(17)
    assert scaled.count == 0

    answer = scaled.stage.runtime.invoke_endpoint_async(
        EndpointName=scaled.stage.name, Body=b"hello", ContentType="text/csv"
    )
    scaled.minutes(4)

    assert scaled.count == 1
    bucket, _, key = answer["OutputLocation"].removeprefix("s3://").partition("/")
    assert scaled.stage.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"echo hello"
    causes = [activity["Cause"].rpartition(" ")[2] for activity in scaled.activities()]
    assert causes == ["wake", "backlog"]


def test_instance_of_a_new_endpoint_remains_for_fifteen_idle_minutes(scaled: Scaled) -> None:
    scaled.register(0, 2)
    scaled.client.put_scaling_policy(
        **scaled.key, PolicyName="backlog", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=backlog(scaled),
    )  # fmt: skip

    scaled.minutes(13)
    assert scaled.count == 1

    scaled.minutes(4)
    assert scaled.count == 0


def test_one_jump_over_idle_minutes_scales_to_zero(scaled: Scaled) -> None:
    scaled.register(0, 2)
    scaled.client.put_scaling_policy(
        **scaled.key, PolicyName="backlog", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=backlog(scaled),
    )  # fmt: skip
    scaled.next_minute()

    scaled.cloud.clock.advance(20 * 60)
    scaled.settle()

    assert scaled.count == 0


def test_target_tracking_cannot_scale_out_from_zero(scaled: Scaled) -> None:
    scaled.register(0, 2)
    scaled.client.put_scaling_policy(
        **scaled.key, PolicyName="backlog", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=backlog(scaled),
    )  # fmt: skip
    scaled.minutes(17)

    scaled.stage.runtime.invoke_endpoint_async(
        EndpointName=scaled.stage.name, Body=b"hello", ContentType="text/csv"
    )
    scaled.minutes(5)

    assert scaled.count == 0
