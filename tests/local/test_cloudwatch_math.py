"""Metric math in GetMetricData and in alarms; alarms on percentiles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloudwatch_stage import Stage, expression, query, stage

__all__ = ["stage"]

# PutMetricData takes times of the past two weeks.
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
RATE = [
    query("errors", "Errors", ReturnData=False),
    query("calls", "Calls", ReturnData=False),
    expression("rate", "100 * errors / calls", Label="error rate", ReturnData=True),
]


def read(stage: Stage, *queries: dict[str, Any], minutes: int = 3, **more: Any) -> list[Any]:
    answer = stage.client.get_metric_data(
        StartTime=START, EndTime=START + timedelta(minutes=minutes), ScanBy="TimestampAscending",
        MetricDataQueries=list(queries), **more,
    )  # fmt: skip
    return list(answer["MetricDataResults"])


@pytest.fixture
def traffic(stage: Stage) -> Stage:
    for minute, (errors, calls) in enumerate([(1, 10), (0, 20), (5, 10)]):
        at = START + timedelta(minutes=minute, seconds=7)
        stage.put("Errors", float(errors), at=at)
        stage.put("Calls", float(calls), at=at)
    return stage


@pytest.mark.feature("alarms: metric math")
def test_expression_is_computed_over_metrics(traffic: Stage) -> None:
    (rate,) = read(traffic, *RATE)

    assert (rate["Id"], rate["Label"], rate["StatusCode"]) == ("rate", "error rate", "Complete")
    assert rate["Values"] == [10.0, 0.0, 50.0]
    assert rate["Timestamps"] == [START + timedelta(minutes=m) for m in range(3)]


def test_newest_datapoints_are_first_by_default(traffic: Stage) -> None:
    (rate,) = traffic.client.get_metric_data(
        StartTime=START, EndTime=START + timedelta(minutes=3), MetricDataQueries=RATE
    )["MetricDataResults"]
    assert rate["Values"] == [50.0, 0.0, 10.0]


def test_return_data_and_labels_are_applied(traffic: Stage) -> None:
    results = read(
        traffic, query("m1", "Errors"), query("m2", "Calls", Label="calls"),
        expression("e1", "m1 + m2"), expression("e2", "e1 * 2", ReturnData=False),
    )  # fmt: skip
    assert [(r["Id"], r["Label"]) for r in results] == [
        ("m1", "Errors"), ("m2", "calls"), ("e1", "e1"),
    ]  # fmt: skip


def test_array_has_one_result_for_each_series(traffic: Stage) -> None:
    queries = [query("m1", "Errors", ReturnData=False), query("m2", "Calls", ReturnData=False)]
    results = read(traffic, *queries, expression("all", "METRICS() / 2"))
    assert [(r["Id"], r["Label"], r["Values"]) for r in results] == [
        ("all", "Errors", [0.5, 0.0, 2.5]), ("all", "Calls", [5.0, 10.0, 5.0]),
    ]  # fmt: skip


def test_fill_covers_the_whole_range(traffic: Stage) -> None:
    (filled,) = read(
        traffic, query("m1", "Errors", ReturnData=False), expression("f", "FILL(m1, -1)"),
        minutes=5,
    )  # fmt: skip
    assert filled["Values"] == [1.0, 0.0, 5.0, -1.0, -1.0]


def test_range_starts_at_its_first_period(traffic: Stage) -> None:
    (result,) = traffic.client.get_metric_data(
        StartTime=START + timedelta(seconds=30), EndTime=START + timedelta(seconds=90),
        MetricDataQueries=[query("m1", "Errors")], ScanBy="TimestampAscending",
    )["MetricDataResults"]  # fmt: skip
    assert result["Timestamps"] == [START, START + timedelta(minutes=1)]


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([expression("e", "SUM(m1)"), query("m1", "Errors")], "must be a time series"),
        ([expression("e", "m1 +")], "cannot be read"),
        ([expression("e", "m9 + 1")], "no metric or expression with the id m9"),
        ([expression("e", "MEDIAN(m1)"), query("m1", "Errors")], "there is no function MEDIAN"),
        ([expression("e", "SEARCH('{app} x', 'Sum')")], "SEARCH is not supported here"),
        ([query("M1", "Errors")], "must begin with a lower-case letter"),
        ([query("m1", "Errors"), query("m1", "Calls")], "the Id m1 is used twice"),
        ([{"Id": "m1"}], "either Expression or MetricStat"),
        ([expression("e", "e + 1")], "form a circle"),
        ([query("m1", "Errors", "Median")], "the statistic Median is not supported"),
    ],
)
def test_invalid_queries_are_refused(
    stage: Stage, queries: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        read(stage, *queries)


def put_minutes_ago(stage: Stage, minutes: int, errors: float, calls: float) -> None:
    at = stage.cloud.clock.now() - timedelta(minutes=minutes)
    stage.put("Errors", errors, at=at)
    stage.put("Calls", calls, at=at)


def test_alarm_on_an_expression_has_its_metrics_in_the_event(stage: Stage) -> None:
    stage.alarm("rate", Metrics=RATE, Threshold=20.0)
    put_minutes_ago(stage, 1, 1, 10)
    stage.evaluate()
    assert stage.state("rate") == "OK"

    put_minutes_ago(stage, 1, 9, 10)
    stage.evaluate()
    assert stage.state("rate") == "ALARM"
    message = {m["id"]: m for m in stage.emitted[-1]["configuration"]["metrics"]}
    assert message["rate"]["expression"] == "100 * errors / calls"
    assert message["calls"]["metricStat"]["metric"]["name"] == "Calls"
    assert "[50.0" in stage.described("rate")["StateReason"]


def test_sum_in_an_expression_is_evaluated_after_its_minute(stage: Stage) -> None:
    metrics = [query("m", "Errors", ReturnData=False), expression("e", "FILL(m, 0)")]
    stage.alarm("few", Metrics=metrics, Threshold=1.0, ComparisonOperator="LessThanThreshold")
    put_minutes_ago(stage, 1, 5, 5)
    put_minutes_ago(stage, 2, 5, 5)
    put_minutes_ago(stage, 3, 5, 5)
    stage.evaluate()
    assert stage.state("few") == "OK"


def test_expressions_support_m_of_n_and_missing_data(stage: Stage) -> None:
    stage.alarm(
        "rate", Metrics=RATE, Threshold=20.0, EvaluationPeriods=3, DatapointsToAlarm=2,
        TreatMissingData="notBreaching",
    )  # fmt: skip
    put_minutes_ago(stage, 1, 9, 10)
    stage.evaluate()
    assert stage.state("rate") == "OK"
    put_minutes_ago(stage, 3, 9, 10)
    stage.evaluate()
    assert stage.state("rate") == "ALARM"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Metrics": [query("m1", "Errors"), query("m2", "Calls")]}, "exactly one of Metrics"),
        ({"Metrics": [query("m1", "Errors")], "Period": 60}, "cannot be combined with Period"),
        ({"Metrics": [query("m1", "E", ReturnData=False), expression("e", "[m1, m1]")]},
         "exactly one time series"),
        ({"Metrics": [query("m1", "E", ReturnData=False), expression("e", "AVG(m1)")]},
         "exactly one time series"),
        ({"Metrics": [expression("e", "SEARCH('{app} x', 'Sum')")]}, "SEARCH is not supported"),
        ({"Metrics": RATE, "Threshold": None}, "either a Threshold or a ThresholdMetricId"),
        ({"EvaluationWindow": {"Type": "x"}}, "EvaluationWindow"),
    ],
)  # fmt: skip
def test_alarms_that_cannot_be_evaluated_are_refused(
    stage: Stage, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(Exception, match=message):
        stage.alarm("a", **changes)


def test_alarm_on_a_percentile_waits_for_enough_values(stage: Stage) -> None:
    stage.alarm(
        "slow", Statistic=None, ExtendedStatistic="p90", Threshold=10.0,
        EvaluateLowSampleCountPercentile="ignore",
    )  # fmt: skip
    at = stage.cloud.clock.now() - timedelta(minutes=1)
    stage.put("Errors", *[50.0] * 20, at=at)
    stage.evaluate()
    assert stage.state("slow") == "INSUFFICIENT_DATA"
    stage.put("Errors", *[60.0] * 80, at=at)
    stage.evaluate()
    assert stage.state("slow") == "ALARM"


def test_alarms_for_a_metric_exclude_alarms_on_expressions(stage: Stage) -> None:
    stage.alarm("plain", Statistic="Sum")
    stage.alarm("rate", Metrics=RATE, Threshold=20.0)
    alarms = stage.client.describe_alarms_for_metric(Namespace="app", MetricName="Errors")
    assert [a["AlarmName"] for a in alarms["MetricAlarms"]] == ["plain"]
