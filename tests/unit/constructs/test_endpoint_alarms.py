"""Alarms on how an endpoint serves, and the dashboard."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from constructs_lib import (
    Asynchronous,
    ConfigurationError,
    Dashboard,
    Endpoint,
    EndpointAlarms,
    EndpointBase,
    EndpointKind,
    Gate,
    NoTrafficAlarm,
    RealTime,
    RetrainingLoop,
    Serverless,
    Variant,
)

from .conftest import ground_of
from .serving import endpoint, model, open_model


def endpoint_in(stack: Stack) -> EndpointBase:
    return Endpoint.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")


def alarms_in(stack: Stack, **changes: Any) -> EndpointAlarms:
    values: dict[str, Any] = {"alert_topic": sns.Topic(stack, "Topic"), **changes}
    if "endpoint" not in values:
        values["endpoint"] = endpoint_in(stack)
    return EndpointAlarms(stack, "Alarms", **values)


def result(stack: Stack, name: str) -> dict[str, Any]:
    """The alarm whose logical id holds a name."""
    resources = Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm")
    (properties,) = [v["Properties"] for k, v in resources.items() if f"Alarms{name}" in k]
    return dict(properties)


def expression_of(alarm: dict[str, Any]) -> str:
    return str(next(m["Expression"] for m in alarm["Metrics"] if m.get("ReturnData", True)))


@pytest.mark.feature("alarms: latency p50/p90/p99 in milliseconds")
def test_latency_alarms_divide_microseconds_into_milliseconds(stack: Stack) -> None:
    alarms_in(stack, latency={50: Duration.millis(40), 90: Duration.millis(90),
                              99: Duration.millis(400)})  # fmt: skip

    resources = Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm")
    slow = {k: v["Properties"] for k, v in resources.items() if "Latency" in k}
    assert sorted(alarm["Threshold"] for alarm in slow.values()) == [40, 90, 400]
    for alarm in slow.values():
        assert expression_of(alarm).endswith(" / 1000")
        (metric,) = [m["MetricStat"] for m in alarm["Metrics"] if "MetricStat" in m]
        assert metric["Metric"]["MetricName"] == "ModelLatency"
        assert metric["Stat"] in {"p50", "p90", "p99"}


@pytest.mark.feature("alarms: 4xx/5xx rates")
def test_error_alarms_are_in_percent(stack: Stack) -> None:
    alarms_in(stack, server_error_percent=2, client_error_percent=10)

    resources = Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm")
    shares = [v["Properties"] for k, v in resources.items() if "Errors" in k]
    assert [(expression_of(a), a["Threshold"]) for a in shares] == [
        ("100 * share5xx", 2), ("100 * share4xx", 10),
    ]  # fmt: skip


@pytest.mark.feature("alarms: no traffic while some is expected")
def test_traffic_alarm_counts_during_expected_hours_only(stack: Stack) -> None:
    alarms_in(
        stack,
        expected_traffic=NoTrafficAlarm(minutes=30, from_hour=8, to_hour=20, weekdays_only=True),
    )

    alarm = result(stack, "NoTraffic")
    clock = "FILL(invocations, 0)"
    assert expression_of(alarm) == (
        f"IF(HOUR({clock}) >= 8 && HOUR({clock}) < 20 && DAY({clock}) < 6, FILL(invocations, 0), 1)"
    )
    assert (alarm["EvaluationPeriods"], alarm["Threshold"]) == (6, 1)
    assert alarm["ComparisonOperator"] == "LessThanThreshold"


def test_asynchronous_endpoint_has_no_latency_alarm(stack: Stack) -> None:
    own = endpoint(ground_of(stack), kind=Asynchronous(output_prefix="scored/"))

    assert "LatencyP99" not in alarms_in(stack, endpoint=own).alarms


def test_traffic_alarm_counts_while_instances_run(stack: Stack) -> None:
    ground = ground_of(stack)
    alarms_in(stack, endpoint=ground.champion(), expected_traffic=NoTrafficAlarm())

    alarm = result(stack, "NoTraffic")
    names = {m["MetricStat"]["Metric"]["MetricName"] for m in alarm["Metrics"] if "MetricStat" in m}
    assert expression_of(alarm) == "FILL(invocations, 0) + 0 * running"
    assert names == {"CPUUtilization", "Invocations"}


@pytest.mark.parametrize("kind", [Serverless(), RealTime()])
def test_traffic_alarm_uses_instances_of_instance_based_kinds(
    stack: Stack, kind: EndpointKind
) -> None:
    ground = ground_of(stack)
    own = endpoint(ground, model=open_model(ground), kind=kind)
    alarms_in(stack, endpoint=own, expected_traffic=NoTrafficAlarm())

    assert ("running" in expression_of(result(stack, "NoTraffic"))) == isinstance(kind, RealTime)


@pytest.mark.feature("alarms: saturation")
def test_utilization_alarms_use_instance_metrics(stack: Stack) -> None:
    alarms_in(stack, cpu_percent=180, memory_percent=90)

    alarm = result(stack, "MemoryUtilization")
    assert (alarm["Namespace"], alarm["MetricName"]) == (
        "/aws/sagemaker/Endpoints", "MemoryUtilization",
    )  # fmt: skip


@pytest.mark.feature("alarms: backlog")
def test_backlog_alarms_use_queue_metrics(stack: Stack) -> None:
    alarms = alarms_in(stack, backlog=100, oldest_request=Duration.minutes(10))

    assert {"Backlog", "OldestRequest"} <= set(alarms.alarms)
    alarm = result(stack, "Backlog")
    assert alarm["MetricName"] == "ApproximateBacklogSize"
    assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": "demo"}]


@pytest.mark.feature("alarms: scaling at its ceiling")
def test_capacity_alarm_compares_instances_with_maximum(stack: Stack) -> None:
    alarms_in(stack, max_capacity=4)

    alarm = result(stack, "MaxCapacity")
    assert (expression_of(alarm), alarm["Threshold"]) == ("total / per_instance", 3.5)
    names = {m["MetricStat"]["Metric"]["MetricName"] for m in alarm["Metrics"] if "MetricStat" in m}
    assert names == {"Invocations", "InvocationsPerInstance"}


@pytest.mark.feature("alarms: scaling at its ceiling")
def test_capacity_alarm_of_asynchronous_endpoint_uses_backlog() -> None:
    ground = ground_of(Stack(App(), "Test"))
    queued = endpoint(ground, "Queued", kind=Asynchronous(output_prefix="out/"))
    alarms_in(ground.stack, endpoint=queued, max_capacity=4)

    alarm = result(ground.stack, "MaxCapacity")
    names = {m["MetricStat"]["Metric"]["MetricName"] for m in alarm["Metrics"] if "MetricStat" in m}
    assert names == {"ApproximateBacklogSize", "ApproximateBacklogSizePerInstance"}


@pytest.mark.feature("alarms: anomaly bands")
def test_anomaly_alarm_has_detection_band(stack: Stack) -> None:
    alarms_in(stack, anomaly_metrics=["invocations", "latency"], band_width=2)

    alarm = result(stack, "InvocationsAnomaly")
    band = next(m for m in alarm["Metrics"] if "Expression" in m)
    assert band["Expression"].startswith("ANOMALY_DETECTION_BAND(")
    assert band["Id"] == alarm["ThresholdMetricId"]
    assert "Threshold" not in alarm


def test_faults_of_limits_are_reported_together(stack: Stack) -> None:
    with pytest.raises(ConfigurationError) as caught:
        alarms_in(stack, memory_percent=101, anomaly_metrics=["colour"],
                  expected_traffic=NoTrafficAlarm(from_hour=20, to_hour=8))  # fmt: skip

    message = str(caught.value)
    assert "memory_percent must be between 0 and 100, got 101" in message
    assert "anomaly_metrics must be one of invocations, latency, got 'colour'" in message
    assert "expected_traffic.to_hour must be between 21 and 24, got 8" in message


@pytest.mark.parametrize(
    ("kind", "limits", "message"),
    [
        (None, {"backlog": 9}, "backlog is not available on a real-time endpoint, which has no"),
        (Serverless(), {"max_capacity": 3}, "max_capacity is not available on a serverless"),
        (Asynchronous(output_prefix="out/"), {"expected_traffic": NoTrafficAlarm()},
         "expected_traffic is not available on an asynchronous endpoint, which does not count"),
        (Asynchronous(output_prefix="out/"), {"anomaly_metrics": ["invocations"]},
         "anomaly_metrics invocations is not available on an asynchronous endpoint"),
    ],
)  # fmt: skip
def test_limit_on_unpublished_metric_is_refused(
    kind: EndpointKind | None, limits: dict[str, Any], message: str
) -> None:
    ground = ground_of(Stack(App(), "Test"))
    served = open_model(ground) if isinstance(kind, Serverless) else model(ground)
    watched = endpoint(ground, "Watched", kind=kind, model=served)

    with pytest.raises(ConfigurationError, match=message):
        alarms_in(ground.stack, endpoint=watched, **limits)


def two_variants() -> EndpointBase:
    ground = ground_of(Stack(App(), "Test"))
    variants = [Variant(name="Winter"), Variant(name="Summer", instance_count=1)]
    return endpoint(ground, "Watched", variants=variants, model=model(ground))


def test_default_variant_is_the_first() -> None:
    watched = two_variants()
    stack = Stack.of(watched)
    alarms_in(stack, endpoint=watched, cpu_percent=90)
    Dashboard(stack, "Dashboard", endpoints=[watched])

    dimensions = result(stack, "CPUUtilization")["Dimensions"]
    assert {"Name": "VariantName", "Value": "Winter"} in dimensions
    boards = Template.from_stack(stack).find_resources("AWS::CloudWatch::Dashboard")
    assert "Winter" in str(boards)
    assert "AllTraffic" not in str(boards)


def test_unknown_variant_is_refused() -> None:
    watched = two_variants()
    message = "variant of endpoint demo must be one of Summer, Winter, got 'AllTraffic'"

    with pytest.raises(ConfigurationError, match=message):
        alarms_in(Stack.of(watched), endpoint=watched, variant="AllTraffic")
    with pytest.raises(ConfigurationError, match=message):
        Dashboard(Stack.of(watched), "Dashboard", endpoints=[watched], variant="AllTraffic")


def test_every_alarm_notifies_topic(stack: Stack) -> None:
    alarms_in(stack, anomaly_metrics=["latency"], backlog=1, expected_traffic=NoTrafficAlarm())

    for alarm in Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm").values():
        assert len(alarm["Properties"]["AlarmActions"]) == 1


@pytest.fixture(scope="module")
def board() -> list[dict[str, Any]]:
    """The widgets of a dashboard of a whole loop."""
    ground = ground_of(Stack(App(), "Test"))
    endpoint = ground.champion()
    loop = RetrainingLoop(
        ground.stack, "Loop", job=ground.job(), endpoint=endpoint, network=ground.network,
        model_quality_alarm=ground.alarm(), gate=Gate(threshold=20),
    )  # fmt: skip
    alarms = EndpointAlarms(
        ground.stack, "Alarms", endpoint=endpoint, alert_topic=ground.alerts.topic
    )
    Dashboard(ground.stack, "Dashboard", endpoints=[endpoint], loops=[loop],
              alarms=alarms.alarms.values())  # fmt: skip
    (resource,) = ground.template().find_resources("AWS::CloudWatch::Dashboard").values()
    body = resource["Properties"]["DashboardBody"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "token" for part in body)
    return list(json.loads(text)["widgets"])


@pytest.mark.feature("operations: dashboard")
def test_dashboard_shows_endpoint_loop_jobs_and_alarms(board: list[dict[str, Any]]) -> None:
    titles = [w["properties"]["title"] for w in board if "title" in w["properties"]]
    headings = [w["properties"]["markdown"] for w in board if w["type"] == "text"]

    assert headings == ["## Endpoint demo", "## Loop of demo", "## Job demo"]
    assert titles[0] == "Alarms"
    assert {"Requests", "Latency (ms)", "Errors (%)", "Utilization (%)", "Model quality",
            "Champions", "Jobs", "Duration (s)"} <= set(titles)  # fmt: skip
    assert len(next(w for w in board if w["type"] == "alarm")["properties"]["alarms"]) == 2


def test_dashboard_fits_its_grid_of_24_columns(board: list[dict[str, Any]]) -> None:
    for widget in board:
        assert 0 <= widget["x"] <= widget["x"] + widget["width"] <= 24
        if widget["type"] == "metric":
            assert widget["properties"]["region"]
            assert widget["properties"]["metrics"]


def test_empty_dashboard_is_refused(stack: Stack) -> None:
    with pytest.raises(ConfigurationError, match="must have at least one entry, got none"):
        Dashboard(stack, "Dashboard")
