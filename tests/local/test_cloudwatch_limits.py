"""Limits of CloudWatch's queries, and the queries that keep them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from roles import USER

from sageloop.local_cloud.cloudwatch.query_limits import earliest, page_of_values
from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.metric_values import metric_values

_ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_ROOT / "lambda" / "layer" / "python"))

from sageloop_runtime.aws.metrics import statistics_period  # noqa: E402

DAY, HOUR = 86_400, 3_600


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    cloud = Cloud(CloudConfig())
    cloud.add([CloudWatchService(cloud)])
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture
def cloudwatch(cloud: Cloud) -> Any:
    return cloud.client("cloudwatch", principal=USER)


@pytest.fixture
def now(cloud: Cloud) -> datetime:
    return cloud.clock.now().replace(second=0, microsecond=0)


def put(cloudwatch: Any, name: str, at: datetime, value: float = 1.0) -> None:
    datum = {"MetricName": name, "Timestamp": at, "Value": value}
    cloudwatch.put_metric_data(Namespace="limits", MetricData=[datum])


def statistics(cloudwatch: Any, end: datetime, seconds: float, period: int) -> list[Any]:
    return list(
        cloudwatch.get_metric_statistics(
            Namespace="limits", MetricName="m", Statistics=["Sum"], Period=period,
            StartTime=end - timedelta(seconds=seconds), EndTime=end,
        )["Datapoints"]
    )  # fmt: skip


def data(cloudwatch: Any, now: datetime, names: list[str], **more: Any) -> Any:
    queries = [
        {"Id": name, "MetricStat": {"Metric": {"Namespace": "limits", "MetricName": name},
                                    "Period": 60, "Stat": "Sum"}}
        for name in names
    ]  # fmt: skip
    return cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=now - timedelta(hours=1), EndTime=now,
        ScanBy="TimestampAscending", **more,
    )  # fmt: skip


def test_request_of_1440_datapoints_is_answered_and_of_more_refused(
    cloudwatch: Any, now: datetime
) -> None:
    statistics(cloudwatch, now, DAY, 60)
    with pytest.raises(ClientError) as refused:
        statistics(cloudwatch, now, DAY + 60, 60)

    error = refused.value.response["Error"]
    assert (error["Code"], error["Message"]) == (
        "InvalidParameterCombination",
        "You have requested up to 1,441 datapoints, which exceeds the limit of 1,440. "
        "You may reduce the datapoints requested by increasing Period, or decreasing the time "
        "range.",
    )


@pytest.mark.parametrize(("seconds", "period"), [(0, 60), (-60, 60), (600, 90), (600, 7)])
def test_empty_range_and_other_periods_are_refused(
    cloudwatch: Any, now: datetime, seconds: int, period: int
) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        statistics(cloudwatch, now, seconds, period)


@pytest.mark.parametrize("seconds", [900, DAY, DAY + 1, 14 * DAY, 15 * DAY, 40 * DAY, 455 * DAY])
def test_statistics_of_an_idle_timeout_are_one_request(
    cloudwatch: Any, now: datetime, seconds: int
) -> None:
    period = statistics_period(seconds)

    statistics(cloudwatch, now, seconds + 1, period)
    assert earliest(1e9, period) <= 1e9 - seconds


@pytest.mark.parametrize(
    ("seconds", "period"), [(900, 60), (86_340, 60), (DAY, 120), (14 * DAY, 900)]
)
def test_period_of_an_idle_timeout_is_short(seconds: int, period: int) -> None:
    assert statistics_period(seconds) == period


@pytest.mark.parametrize(
    ("period", "age"), [(1, 3 * HOUR), (30, 3 * HOUR), (60, 15 * DAY), (300, 63 * DAY)]
)
def test_data_of_a_short_period_is_not_available_for_long(period: int, age: int) -> None:
    assert earliest(1e9, period) == 1e9 - age


def test_data_of_an_hour_is_available() -> None:
    assert earliest(1e9, 3600) == 0.0


def test_second_data_is_available_for_three_hours(cloudwatch: Any, now: datetime) -> None:
    put(cloudwatch, "m", now - timedelta(hours=4))
    put(cloudwatch, "m", now - timedelta(hours=2))

    assert len(statistics(cloudwatch, now, 5 * HOUR, 30)) == 1
    assert len(statistics(cloudwatch, now, 5 * HOUR, 60)) == 2


def test_values_are_divided_into_pages(cloudwatch: Any, now: datetime) -> None:
    for minute in range(1, 4):
        for name in ("a", "b"):
            put(cloudwatch, name, now - timedelta(minutes=minute), float(minute))

    first = data(cloudwatch, now, ["a", "b"], MaxDatapoints=4)
    second = data(cloudwatch, now, ["a", "b"], MaxDatapoints=4, NextToken=first["NextToken"])

    assert [(r["Id"], r["Values"], r["StatusCode"]) for r in first["MetricDataResults"]] == [
        ("a", [3.0, 2.0, 1.0], "Complete"), ("b", [3.0], "PartialData"),
    ]  # fmt: skip
    assert [(r["Id"], r["Values"], r["StatusCode"]) for r in second["MetricDataResults"]] == [
        ("b", [2.0, 1.0], "Complete")
    ]
    assert "NextToken" not in second


@pytest.mark.parametrize(
    "more", [{"MaxDatapoints": 0}, {"MaxDatapoints": 100_801}, {"NextToken": "x"}]
)
def test_page_that_is_not_allowed_is_refused(cloudwatch: Any, now: datetime, more: Any) -> None:
    with pytest.raises(ClientError):
        data(cloudwatch, now, ["a"], **more)


def test_page_has_100800_values() -> None:
    result = {"Id": "a", "Values": list(range(100_801)), "Timestamps": list(range(100_801))}

    page = page_of_values([result], {})

    assert len(page["MetricDataResults"][0]["Values"]) == 100_800
    assert page_of_values([result], {"NextToken": page["NextToken"]})["MetricDataResults"] == [
        {"Id": "a", "Values": [100_800], "Timestamps": [100_800], "StatusCode": "Complete"}
    ]


def test_metric_without_values_is_in_the_results(cloudwatch: Any, now: datetime) -> None:
    (result,) = data(cloudwatch, now, ["none"])["MetricDataResults"]

    assert (result["Id"], result["Values"]) == ("none", [])


def test_metrics_are_listed_in_pages_of_500(cloudwatch: Any, now: datetime) -> None:
    for start in range(0, 501, 100):
        cloudwatch.put_metric_data(Namespace="many", MetricData=[
            {"MetricName": f"m{i}", "Timestamp": now, "Value": 1.0}
            for i in range(start, min(start + 100, 501))
        ])  # fmt: skip

    pages = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace="many"))

    assert [len(page["Metrics"]) for page in pages] == [500, 1]


def test_values_of_a_metric_are_of_every_page(cloudwatch: Any, now: datetime) -> None:
    start = now - timedelta(days=2)
    for hour in range(4):
        put(cloudwatch, "long", start + timedelta(hours=hour), float(hour))

    values = metric_values(
        cloudwatch, namespace="limits", metric="long", dimensions={}, statistic="Sum",
        start=start.timestamp(), end=now.timestamp(), most=3,
    )  # fmt: skip

    assert values == [(start.timestamp() + 3600.0 * hour, float(hour)) for hour in range(4)]
