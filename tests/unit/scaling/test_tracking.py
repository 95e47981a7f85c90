"""The alarms of target tracking policies, for each kind of metric."""

from __future__ import annotations

from typing import Any

import pytest

from sageloop.local_cloud.scaling.model import TargetKey
from sageloop.local_cloud.scaling.readings import queries_of
from sageloop.local_cloud.scaling.resources import scaled_variants_changed
from sageloop.local_cloud.scaling.tracking import PREDEFINED, Side, alarm, sides

VARIANT = TargetKey(
    "us-east-1", "sagemaker", "endpoint/e/variant/v", "sagemaker:variant:DesiredInstanceCount"
)
COMPONENT = TargetKey(
    "us-east-1", "sagemaker", "inference-component/c",
    "sagemaker:inference-component:DesiredCopyCount",
)  # fmt: skip


def made(key: TargetKey, config: dict[str, Any], side: Side = "AlarmHigh") -> dict[str, Any]:
    return alarm(name="n", side=side, key=key, policy_arn="arn", config=config)


def predefined(kind: str) -> dict[str, Any]:
    return {"TargetValue": 10.0, "PredefinedMetricSpecification": {"PredefinedMetricType": kind}}


@pytest.mark.parametrize("kind", PREDEFINED)
def test_low_alarm_evaluates_fifteen_minutes(kind: str) -> None:
    request = made(VARIANT, predefined(kind), "AlarmLow")
    assert request["Period"] * request["EvaluationPeriods"] == 900
    assert request["Threshold"] == 9.0


def test_copies_are_measured_by_component() -> None:
    request = made(COMPONENT, predefined("SageMakerInferenceComponentInvocationsPerCopy"))
    assert request["Dimensions"] == [{"Name": "InferenceComponentName", "Value": "c"}]
    assert request["MetricName"] == "InvocationsPerCopy"


def test_metric_math_is_copied_to_the_alarm_with_periods() -> None:
    stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Stat": "Sum"}
    queries = [
        {"Id": "a", "MetricStat": stat, "ReturnData": False},
        {"Id": "b", "Expression": "a / 2", "ReturnData": True},
    ]
    request = made(
        VARIANT, {"TargetValue": 1.0, "CustomizedMetricSpecification": {"Metrics": queries}}
    )
    assert request["Metrics"][0]["MetricStat"]["Period"] == 60
    assert "MetricName" not in request
    _, watched, period = queries_of(request)
    assert (watched, period) == ("b", 60)


def test_customized_metric_is_copied_to_the_alarm() -> None:
    own = {"Namespace": "n", "MetricName": "m", "Statistic": "Average", "Unit": "Percent"}
    request = made(VARIANT, {"TargetValue": 1.0, "CustomizedMetricSpecification": own})
    assert {k: request[k] for k in own} == own
    queries, _, _ = queries_of(request)
    assert queries[0]["MetricStat"]["Stat"] == "Average"


def test_disabled_scale_in_has_one_alarm() -> None:
    assert sides({"DisableScaleIn": True}) == ("AlarmHigh",)


def test_update_that_removes_or_changes_a_scaled_variant_is_detected() -> None:
    def config(**types: str) -> dict[str, Any]:
        variants = [{"VariantName": n, "InstanceType": t} for n, t in types.items()]
        return {"ProductionVariants": variants}

    old = config(a="ml.m5.large", b="ml.m5.large", c="ml.m5.large")
    assert scaled_variants_changed({"a", "b"}, old, config(a="ml.m5.large")) == ["b"]
    assert scaled_variants_changed({"a"}, old, config(a="ml.m5.xlarge")) == ["a"]
    assert scaled_variants_changed({"a"}, old, config(a="ml.m5.large", b="ml.c5.large")) == []
