"""Deployment plans of DeploymentConfig."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.rollout.policy import (
    check,
    check_names,
    is_guarded,
    plan,
)


def blue_green(kind: str, size: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    routing: dict[str, Any] = {"Type": kind, "WaitIntervalInSeconds": 60}
    if size is not None:
        routing["CanarySize" if kind == "CANARY" else "LinearStepSize"] = size
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **more}}


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def test_default_policy_shifts_all_at_once_without_wait() -> None:
    result = plan(None, {"v": 2})

    assert [(s.capacity, s.instances, s.wait) for s in result.stages] == [("full", {"v": 2}, 0)]


def test_canary_has_one_stage_before_full_capacity() -> None:
    result = plan(blue_green("CANARY", percent(30), TerminationWaitInSeconds=10), {"v": 10})

    assert [(s.instances["v"], s.wait) for s in result.stages] == [(3, 60), (10, 10)]


def test_linear_has_equal_steps() -> None:
    result = plan(blue_green("LINEAR", percent(30)), {"v": 10})

    assert [s.instances["v"] for s in result.stages] == [3, 6, 9, 10]


@given(
    count=st.integers(2, 40), value=st.integers(10, 50), kind=st.sampled_from(["CANARY", "LINEAR"])
)
def test_stages_grow_to_full_capacity_from_at_most_half(count: int, value: int, kind: str) -> None:
    stages = [s.instances["v"] for s in plan(blue_green(kind, percent(value)), {"v": count}).stages]

    assert stages == sorted(set(stages))
    assert stages[-1] == count
    assert 1 <= stages[0] <= count / 2


@pytest.mark.parametrize(
    ("size", "count"),
    [(percent(50), 1), ({"Type": "INSTANCE_COUNT", "Value": 2}, 3)],
)
def test_canary_above_half_of_a_variant_is_refused(size: dict[str, Any], count: int) -> None:
    with pytest.raises(AwsError, match="above 50 %"):
        plan(blue_green("CANARY", size), {"v": count})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (blue_green("CANARY", percent(60)), "CanarySize must be 1 to 50 percent"),
        (blue_green("LINEAR", percent(5)), "LinearStepSize must be 10 to 50 percent"),
        (blue_green("ALL_AT_ONCE", TerminationWaitInSeconds=4000), "0 to 3600 seconds, got 4000"),
        ({"AutoRollbackConfiguration": {"Alarms": []}}, "1 to 10 alarms"),
    ],
)
def test_value_outside_aws_limits_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        check(config)


def test_execution_timeout_below_the_waits_is_refused() -> None:
    config = blue_green(
        "CANARY", percent(50), TerminationWaitInSeconds=600, MaximumExecutionTimeoutInSeconds=660
    )

    with pytest.raises(AwsError, match=r"\(660\) must be above .* \(660\)"):
        plan(config, {"v": 2})


def test_canary_without_its_size_is_refused() -> None:
    with pytest.raises(AwsError, match="needs CanarySize"):
        plan(blue_green("CANARY"), {"v": 2})


def test_rolling_batches_end_with_full_fleet() -> None:
    policy = {"MaximumBatchSize": percent(40), "WaitIntervalInSeconds": 5}

    batches = plan({"RollingUpdatePolicy": policy}, {"v": 5}).batches

    assert batches is not None
    assert [step["v"] for step in batches.steps] == [2, 4, 5]
    assert [step["v"] for step in batches.rollback_steps] == [5]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            blue_green("LINEAR", {"Type": "INSTANCE_COUNT", "Value": 1}),
            r"LinearStepSize of 1 instance\(s\) is below 10 %",
        ),
        (
            {
                "RollingUpdatePolicy": {
                    "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
                    "WaitIntervalInSeconds": 0,
                }
            },
            r"MaximumBatchSize of 1 instance\(s\) is below 5 %",
        ),
    ],
)
def test_step_below_minimum_share_is_refused(config: dict[str, Any], message: str) -> None:
    plan(config, {"v": 10})

    with pytest.raises(AwsError, match=message):
        plan(config, {"v": 21})


def test_rolling_update_of_several_variants_is_refused() -> None:
    policy = {"MaximumBatchSize": percent(50), "WaitIntervalInSeconds": 0}

    with pytest.raises(AwsError, match="one production variant, got a, b"):
        plan({"RollingUpdatePolicy": policy}, {"a": 2, "b": 2})


@pytest.mark.parametrize(
    ("variant", "supported"),
    [
        ({"ModelName": "m", "InstanceType": "ml.m5.large"}, True),
        ({"ModelName": "m", "InstanceType": "ml.inf1.xlarge"}, False),
        ({"ModelName": "m", "InstanceType": "ml.inf2.xlarge"}, True),
        ({"ModelName": "m", "InstancePools": [{"InstanceType": "ml.inf1.xlarge"}]}, False),
        ({"ModelName": "m", "ServerlessConfig": {}}, False),
        ({"InstanceType": "ml.m5.large"}, False),
    ],
)
def test_guardrails_are_ignored_where_aws_does_not_support_them(
    variant: dict[str, Any], supported: bool
) -> None:
    assert is_guarded({"ProductionVariants": [variant]}) is supported


@pytest.mark.parametrize(
    ("current", "desired"), [(["a"], ["b"]), (["a"], ["a", "b"]), (["a", "b"], ["b"])]
)
def test_deployment_with_guardrails_cannot_change_variant_names(
    current: list[str], desired: list[str]
) -> None:
    with pytest.raises(AwsError) as caught:
        check_names(blue_green("ALL_AT_ONCE"), current, desired)

    assert caught.value.code == "ValidationException"
    assert f"the endpoint has {', '.join(current)}, " in str(caught.value)
    assert f"configuration has {', '.join(desired)}." in str(caught.value)


def test_variant_names_may_change_without_deployment_configuration() -> None:
    check_names(None, ["a"], ["b", "c"])
    check_names({}, ["a", "b"], ["b", "a"])
