"""Anomaly detectors: bands computed from two weeks, and alarms on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloudwatch_stage import Stage, expression, query, stage

__all__ = ["stage"]

SINGLE = {"Namespace": "app", "MetricName": "Load", "Stat": "Average", "Dimensions": []}
BAND = [
    query("m1", "Load", "Average", ReturnData=True),
    expression("band", "ANOMALY_DETECTION_BAND(m1, 3)", ReturnData=True),
]
ALARM = {
    "Metrics": BAND, "Threshold": None, "ThresholdMetricId": "band",
    "ComparisonOperator": "LessThanLowerOrGreaterThanUpperThreshold",
}  # fmt: skip


def hour(stage: Stage) -> datetime:
    return stage.cloud.clock.now().replace(minute=0, second=0, microsecond=0)


def live(stage: Stage, *, days: int = 13, night: float = 10.0, day: float = 100.0) -> None:
    """Put a metric that is high for twelve hours and low for twelve, up to this hour."""
    end = hour(stage)
    data = []
    for index in range(days * 24 * 4):
        at = end - timedelta(minutes=15 * (index + 1))
        base = day if 8 <= at.hour < 20 else night
        data.append({"MetricName": "Load", "Value": base + index % 4, "Timestamp": at})
    for first in range(0, len(data), 500):
        stage.client.put_metric_data(Namespace="app", MetricData=data[first : first + 500])


def band(stage: Stage, at: datetime, queries: list[dict[str, Any]] | None = None) -> list[Any]:
    answer = stage.client.get_metric_data(
        MetricDataQueries=BAND if queries is None else queries, ScanBy="TimestampAscending",
        StartTime=at, EndTime=at + timedelta(minutes=1),
    )  # fmt: skip
    return [r["Values"] for r in answer["MetricDataResults"] if r["Id"] == "band"]


def at_hour(stage: Stage, target: int) -> datetime:
    return hour(stage).replace(hour=target) - timedelta(days=1)


@pytest.mark.feature("alarms: anomaly bands")
def test_band_follows_the_hour(stage: Stage) -> None:
    live(stage)
    stage.client.put_anomaly_detector(SingleMetricAnomalyDetector=SINGLE)

    (low,), (high,) = band(stage, at_hour(stage, 12))
    assert (95 < low < 100, 103 < high < 108) == (True, True)
    (low,), (high,) = band(stage, at_hour(stage, 3))
    assert (5 < low < 10, 13 < high < 18) == (True, True)


def test_wider_band_is_wider(stage: Stage) -> None:
    live(stage, days=3)
    stage.client.put_anomaly_detector(SingleMetricAnomalyDetector=SINGLE)
    narrow = band(stage, at_hour(stage, 12))
    wide = band(
        stage, at_hour(stage, 12), [BAND[0], expression("band", "ANOMALY_DETECTION_BAND(m1, 6)")]
    )
    assert wide[0] < narrow[0]
    assert wide[1] > narrow[1]


def test_metric_without_a_detector_has_no_band(stage: Stage) -> None:
    live(stage, days=2)
    assert band(stage, at_hour(stage, 12)) == [[], []]


def test_bounds_are_used_in_expressions(stage: Stage) -> None:
    live(stage, days=3)
    stage.client.put_anomaly_detector(SingleMetricAnomalyDetector=SINGLE)
    queries = [
        query("m1", "Load", "Average", ReturnData=False),
        expression("band", "LAST(ANOMALY_DETECTION_BAND(m1)) - FIRST(ANOMALY_DETECTION_BAND(m1))"),
    ]
    ((width,),) = band(stage, at_hour(stage, 12), queries)
    assert width > 0


def test_excluded_ranges_are_not_used(stage: Stage) -> None:
    live(stage)
    now = hour(stage)
    for minutes in range(0, 3 * 1440, 15):
        stage.put("Load", 5000.0, at=now - timedelta(minutes=minutes + 15))
    stage.client.put_anomaly_detector(SingleMetricAnomalyDetector=SINGLE)
    spoilt = band(stage, at_hour(stage, 12))[1][0]
    ranges = [{"StartTime": now - timedelta(days=3), "EndTime": now}]
    stage.client.put_anomaly_detector(
        SingleMetricAnomalyDetector=SINGLE, Configuration={"ExcludedTimeRanges": ranges}
    )
    assert band(stage, at_hour(stage, 12))[1][0] < 110 < spoilt


def put_now(stage: Stage, value: float) -> None:
    stage.put("Load", value)
    stage.evaluate()


def expected_now(stage: Stage) -> float:
    return 100.0 if 8 <= stage.cloud.clock.now().hour < 20 else 10.0


def test_alarm_breaches_outside_the_band_only(stage: Stage) -> None:
    live(stage)
    stage.alarm("odd", **ALARM)
    put_now(stage, expected_now(stage) + 1)
    assert stage.state("odd") == "OK"
    stage.cloud.clock.advance(180)
    put_now(stage, expected_now(stage) * 10)
    assert stage.state("odd") == "ALARM"
    assert "the band [" in stage.described("odd")["StateReason"]
    detail = stage.emitted[-1]["configuration"]["metrics"]
    assert [m["id"] for m in detail] == ["m1", "band"]


@pytest.mark.parametrize(
    ("operator", "factor", "state"),
    [
        ("GreaterThanUpperThreshold", 10.0, "ALARM"),
        ("GreaterThanUpperThreshold", 0.1, "OK"),
        ("LessThanLowerThreshold", 0.1, "ALARM"),
        ("LessThanLowerThreshold", 10.0, "OK"),
    ],
)
def test_alarm_may_compare_with_one_bound(
    stage: Stage, operator: str, factor: float, state: str
) -> None:
    live(stage, days=8)
    stage.alarm("odd", **{**ALARM, "ComparisonOperator": operator})
    put_now(stage, expected_now(stage) * factor)
    assert stage.state("odd") == state


def test_alarm_without_history_has_insufficient_data(stage: Stage) -> None:
    stage.alarm("odd", **ALARM)
    put_now(stage, 5.0)
    assert stage.state("odd") == "INSUFFICIENT_DATA"


def test_expression_has_a_band(stage: Stage) -> None:
    live(stage)
    metrics = [
        query("m1", "Load", "Average", ReturnData=False),
        expression("double", "m1 * 2", ReturnData=True),
        expression("band", "ANOMALY_DETECTION_BAND(double, 3)", ReturnData=True),
    ]
    stage.alarm("odd", **{**ALARM, "Metrics": metrics})
    put_now(stage, expected_now(stage) + 1)
    assert stage.state("odd") == "OK"
    detectors = stage.client.describe_anomaly_detectors(AnomalyDetectorTypes=["METRIC_MATH"])
    (detector,) = detectors["AnomalyDetectors"]
    assert detector["StateValue"] == "TRAINED"


def test_detector_is_described_updated_and_deleted(stage: Stage) -> None:
    put = stage.client.put_anomaly_detector
    made = put(SingleMetricAnomalyDetector=SINGLE)["AnomalyDetectorId"]
    assert put(**SINGLE, Configuration={"MetricTimezone": "Europe/Berlin"})[
        "AnomalyDetectorId"
    ] == made  # fmt: skip
    describe = stage.client.describe_anomaly_detectors
    (detector,) = describe(Namespace="app")["AnomalyDetectors"]
    assert detector["SingleMetricAnomalyDetector"] == SINGLE
    assert detector["Configuration"] == {"MetricTimezone": "Europe/Berlin"}
    assert detector["StateValue"] == "PENDING_TRAINING"
    assert describe(Namespace="other")["AnomalyDetectors"] == []
    stage.client.delete_anomaly_detector(SingleMetricAnomalyDetector=SINGLE)
    assert describe()["AnomalyDetectors"] == []
    with pytest.raises(ClientError, match="no such anomaly detector"):
        stage.client.delete_anomaly_detector(AnomalyDetectorId=made)


def test_alarm_on_a_band_creates_its_detector(stage: Stage) -> None:
    stage.alarm("odd", **ALARM)
    (detector,) = stage.client.describe_anomaly_detectors()["AnomalyDetectors"]
    assert (detector["MetricName"], detector["Stat"]) == ("Load", "Average")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ThresholdMetricId": "m1"}, "must return exactly one time series"),
        ({"ThresholdMetricId": "nothing"}, "exactly one of Metrics"),
        ({"Threshold": 1.0}, "either a Threshold or a ThresholdMetricId"),
        ({"ComparisonOperator": "GreaterThanThreshold"}, "against an anomaly band"),
        ({"Metrics": [BAND[0], expression("band", "ANOMALY_DETECTION_BAND(m1, 0)")]},
         "a width above 0"),
    ],
)  # fmt: skip
def test_invalid_band_alarms_are_refused(
    stage: Stage, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        stage.alarm("odd", **{**ALARM, **changes})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"MetricTimezone": "Mars/Olympus"}, "is not a time zone"),
        ({"AdaptationSpeed": "FAST"}, "AdaptationSpeed"),
    ],
)
def test_invalid_detectors_are_refused(stage: Stage, config: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        stage.client.put_anomaly_detector(SingleMetricAnomalyDetector=SINGLE, Configuration=config)
