"""Deployment plans as pure decisions."""

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


def test_no_policy_is_all_at_once_without_a_wait() -> None:
    made = plan(None, {"v": 2})

    assert [(s.capacity, s.instances, s.wait) for s in made.stages] == [("full", {"v": 2}, 0)]


def test_canary_is_one_stage_before_the_whole() -> None:
    made = plan(blue_green("CANARY", percent(30), TerminationWaitInSeconds=10), {"v": 10})

    assert [(s.instances["v"], s.wait) for s in made.stages] == [(3, 60), (10, 10)]


def test_linear_grows_by_equal_steps() -> None:
    made = plan(blue_green("LINEAR", percent(30)), {"v": 10})

    assert [s.instances["v"] for s in made.stages] == [3, 6, 9, 10]


@given(
    count=st.integers(2, 40), value=st.integers(10, 50), kind=st.sampled_from(["CANARY", "LINEAR"])
)
def test_stages_grow_to_the_whole_and_never_start_above_half(
    count: int, value: int, kind: str
) -> None:
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
    ("config", "told"),
    [
        (blue_green("CANARY", percent(60)), "CanarySize must be 1 to 50 percent"),
        (blue_green("LINEAR", percent(5)), "LinearStepSize must be 10 to 50 percent"),
        (blue_green("ALL_AT_ONCE", TerminationWaitInSeconds=4000), "0 to 3600 seconds, got 4000"),
        ({"AutoRollbackConfiguration": {"Alarms": []}}, "1 to 10 alarms"),
    ],
)
def test_values_outside_aws_limits_are_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(AwsError, match=told):
        check(config)


def test_execution_timeout_must_exceed_the_waits() -> None:
    config = blue_green(
        "CANARY", percent(50), TerminationWaitInSeconds=600, MaximumExecutionTimeoutInSeconds=660
    )

    with pytest.raises(AwsError, match=r"\(660\) must be above .* \(660\)"):
        plan(config, {"v": 2})


def test_canary_needs_its_size() -> None:
    with pytest.raises(AwsError, match="needs CanarySize"):
        plan(blue_green("CANARY"), {"v": 2})


def test_rolling_batches_end_with_the_whole_fleet() -> None:
    policy = {"MaximumBatchSize": percent(40), "WaitIntervalInSeconds": 5}

    batches = plan({"RollingUpdatePolicy": policy}, {"v": 5}).batches

    assert batches is not None
    assert [step["v"] for step in batches.steps] == [2, 4, 5]
    assert [step["v"] for step in batches.rollback_steps] == [5]


@pytest.mark.parametrize(
    ("config", "told"),
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
def test_steps_of_too_few_instances_are_refused(config: dict[str, Any], told: str) -> None:
    plan(config, {"v": 10})

    with pytest.raises(AwsError, match=told):
        plan(config, {"v": 21})


def test_rolling_update_of_several_variants_is_refused() -> None:
    policy = {"MaximumBatchSize": percent(50), "WaitIntervalInSeconds": 0}

    with pytest.raises(AwsError, match="one production variant, got a, b"):
        plan({"RollingUpdatePolicy": policy}, {"a": 2, "b": 2})


@pytest.mark.parametrize(
    ("variant", "guarded"),
    [
        ({"ModelName": "m", "InstanceType": "ml.m5.large"}, True),
        ({"ModelName": "m", "InstanceType": "ml.inf1.xlarge"}, False),
        ({"ModelName": "m", "InstanceType": "ml.inf2.xlarge"}, True),
        ({"ModelName": "m", "InstancePools": [{"InstanceType": "ml.inf1.xlarge"}]}, False),
        ({"ModelName": "m", "ServerlessConfig": {}}, False),
        ({"InstanceType": "ml.m5.large"}, False),
    ],
)
def test_guardrails_are_silently_off_where_aws_has_none(
    variant: dict[str, Any], guarded: bool
) -> None:
    assert is_guarded({"ProductionVariants": [variant]}) is guarded


@pytest.mark.parametrize(
    ("present", "wanted"), [(["a"], ["b"]), (["a"], ["a", "b"]), (["a", "b"], ["b"])]
)
def test_guarded_deployment_to_other_variant_names_is_refused(
    present: list[str], wanted: list[str]
) -> None:
    with pytest.raises(AwsError) as caught:
        check_names(blue_green("ALL_AT_ONCE"), present, wanted)

    assert caught.value.code == "ValidationException"
    assert f"the endpoint has {', '.join(present)}, " in str(caught.value)
    assert f"configuration has {', '.join(wanted)}." in str(caught.value)


def test_variant_names_are_free_without_a_deployment_configuration() -> None:
    check_names(None, ["a"], ["b", "c"])
    check_names({}, ["a", "b"], ["b", "a"])
