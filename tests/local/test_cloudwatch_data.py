"""What CloudWatch refuses of metric data, and what it reads of it: units, statistics, pages.

Texts of errors are those of recordings on AWS or of public reports, named beside them; limits are
those of the operations' pages.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloudwatch_stage import Stage, query, stage

__all__ = ["stage"]

ONE = {"MetricName": "m", "Value": 1.0}
SET = {"SampleCount": 2, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0}


def put(stage: Stage, *data: dict[str, Any], namespace: str = "app") -> None:
    stage.client.put_metric_data(Namespace=namespace, MetricData=list(data))


def statistics(stage: Stage, *names: str, minutes: int = 60, **more: Any) -> list[dict[str, Any]]:
    now = stage.cloud.clock.now()
    request = {
        "Namespace": "app", "MetricName": "m", "Period": 60,
        "StartTime": now - timedelta(minutes=minutes), "EndTime": now + timedelta(minutes=2),
    }  # fmt: skip
    if names:
        request["Statistics"] = list(names)
    specified = {name: value for name, value in (request | more).items() if value is not None}
    points: list[dict[str, Any]] = stage.client.get_metric_statistics(**specified)["Datapoints"]
    return points


def data(stage: Stage, *queries: dict[str, Any], **more: Any) -> dict[str, Any]:
    now = stage.cloud.clock.now()
    answer: dict[str, Any] = stage.client.get_metric_data(
        MetricDataQueries=list(queries), StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=2), ScanBy="TimestampAscending", **more,
    )  # fmt: skip
    return answer


WHERE = "MetricData.member.1"
COMBINATION, VALUE = "InvalidParameterCombination", "InvalidParameterValue"


@pytest.mark.parametrize(
    ("datum", "code", "message"),
    [
        # Recorded on AWS (localstack's test_put_metric_data_validation).
        (ONE | {"Values": [1.0]}, COMBINATION,
         f"The parameters {WHERE}.Value and {WHERE}.Values are mutually exclusive and you have "
         "specified both."),
        (ONE | {"StatisticValues": SET}, COMBINATION,
         f"The parameters {WHERE}.Value and {WHERE}.StatisticValues are mutually exclusive and you "
         "have specified both."),
        ({"MetricName": "m", "Values": [1.0, 2.0], "Counts": [1.0]}, VALUE,
         f"The parameters {WHERE}.Values and {WHERE}.Counts must be of the same size."),
        # goamz #301.
        ({"MetricName": "m"}, COMBINATION,
         f"At least one of the parameters {WHERE}.Value and {WHERE}.StatisticValues must be "
         "specified."),
        # A log of the SDK for Java.
        ({"MetricName": "m", "Values": [1.0] * 151}, VALUE,
         f"The collection {WHERE}.Values must not have a size greater than 150."),
        (ONE | {"Dimensions": [{"Name": f"d{n}", "Value": "v"} for n in range(31)]}, VALUE,
         f"The collection {WHERE}.Dimensions must not have a size greater than 30."),
        (ONE | {"Value": math.nan}, VALUE,
         f"The value NaN for parameter {WHERE}.Value is invalid."),
        (ONE | {"Value": math.inf}, VALUE,
         f"The value Infinity for parameter {WHERE}.Value is invalid."),
        (ONE | {"Value": -(2.0**361)}, VALUE, f"for parameter {WHERE}.Value is invalid."),
        ({"MetricName": "m", "Values": [1.0, math.nan]}, VALUE,
         f"The value NaN for parameter {WHERE}.Values is invalid."),
        ({"MetricName": "m", "Values": [1.0], "Counts": [-1.0]}, VALUE,
         f"The value -1.0 for parameter {WHERE}.Counts is invalid."),
        ({"MetricName": "m", "StatisticValues": SET | {"Maximum": math.inf}}, VALUE,
         f"The value Infinity for parameter {WHERE}.StatisticValues.Maximum is invalid."),
        (ONE | {"Unit": "Parsecs"}, VALUE,
         f"The parameter {WHERE}.Unit must be a value in the set [ Megabits, Terabits,"),
        (ONE | {"StorageResolution": 30}, VALUE,
         f"The parameter {WHERE}.StorageResolution must be a value in the set [ 1, 60 ]."),
        (ONE | {"Dimensions": [{"Name": ":d", "Value": "v"}]}, VALUE,
         f"The value :d for parameter {WHERE}.Dimensions.member.1.Name is invalid."),
        (ONE | {"Dimensions": [{"Name": "d", "Value": "é"}]}, VALUE,
         f"The value é for parameter {WHERE}.Dimensions.member.1.Value is invalid."),
    ],
)  # fmt: skip
def test_invalid_datum_is_refused_and_nothing_stored(
    stage: Stage, datum: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(ClientError) as refused:
        put(stage, datum, {"MetricName": "valid", "Value": 1.0})

    error = refused.value.response["Error"]
    assert error["Code"] == code
    assert message in error["Message"]
    assert stage.client.list_metrics()["Metrics"] == []


def test_timestamps_outside_of_the_accepted_span_are_named(stage: Stage) -> None:
    """The first text: cloud-custodian #2559, cloudwatchmetrics-ros1 #46 for several."""
    now = stage.cloud.clock.now()
    put(stage, ONE | {"Timestamp": now - timedelta(days=13, hours=23)})
    put(stage, ONE | {"Timestamp": now + timedelta(hours=1, minutes=59)})

    with pytest.raises(ClientError) as refused:
        put(
            stage, ONE | {"Timestamp": now - timedelta(days=14, hours=1)}, ONE,
            ONE | {"Timestamp": now + timedelta(hours=2, minutes=1)},
        )  # fmt: skip

    assert refused.value.response["Error"]["Message"].split("\n") == [
        f"The parameter {WHERE}.Timestamp must specify a time within the past two weeks.",
        "The parameter MetricData.member.3.Timestamp must specify a time no more than two hours in "
        "the future.",
    ]


def test_thousand_metrics_are_accepted_and_no_more(stage: Stage) -> None:
    put(stage, *[ONE] * 1000)
    with pytest.raises(ClientError, match="MetricData must not have a size greater than 1000"):
        put(stage, *[ONE] * 1001)

    (point,) = statistics(stage, "SampleCount")
    assert point["SampleCount"] == 1000


def test_limits_themselves_are_accepted(stage: Stage) -> None:
    dimensions = [{"Name": f"d{n}", "Value": "v"} for n in range(30)]
    put(
        stage, {"MetricName": "m", "Values": [float(n) for n in range(150)], "Counts": [2.0] * 150},
        ONE | {"Dimensions": dimensions}, {"MetricName": "big", "Value": 2.0**360},
    )  # fmt: skip

    (point,) = statistics(stage, "SampleCount")
    assert point["SampleCount"] == 300
    (point,) = statistics(stage, "Sum", Dimensions=dimensions)
    assert point["Sum"] == 1.0


def test_values_beside_a_statistic_set_are_accepted(stage: Stage) -> None:
    """Recorded on AWS, for some reason."""
    put(stage, {"MetricName": "m", "Values": [4.0], "StatisticValues": SET})

    (point,) = statistics(stage, "SampleCount")
    assert point["SampleCount"] == 3


def test_data_with_entities_is_stored(stage: Stage) -> None:
    stage.client.put_metric_data(
        Namespace="app", EntityMetricData=[{"Entity": {}, "MetricData": [ONE]}]
    )

    assert len(statistics(stage, "Sum")) == 1


def test_statistics_are_separate_for_each_unit(stage: Stage) -> None:
    put(stage, ONE | {"Unit": "Seconds", "Value": 60.0})
    put(stage, ONE | {"Unit": "Milliseconds", "Value": 60_000.0})

    sums = {point["Unit"]: point["Sum"] for point in statistics(stage, "Sum")}
    assert sums == {"Seconds": 60.0, "Milliseconds": 60_000.0}
    assert [p["Sum"] for p in statistics(stage, "Sum", Unit="Seconds")] == [60.0]
    assert statistics(stage, "Sum", Unit="Count") == []


def test_data_of_one_unit_is_read(stage: Stage) -> None:
    """Without a unit CloudWatch takes the first of its list: observed by localstack on AWS."""
    put(stage, ONE | {"Unit": "Seconds", "Value": 60.0})
    put(stage, ONE | {"Unit": "Milliseconds", "Value": 60_000.0})
    in_seconds, in_bytes = query("s", "m"), query("b", "m")
    in_seconds["MetricStat"]["Unit"], in_bytes["MetricStat"]["Unit"] = "Seconds", "Bytes"

    results = data(stage, query("a", "m"), in_seconds, in_bytes)["MetricDataResults"]

    assert [one["Values"] for one in results] == [[60_000.0], [60.0], []]


def test_alarm_on_another_unit_has_no_data(stage: Stage) -> None:
    stage.alarm("same", MetricName="m", Unit="Seconds")
    stage.alarm("other", MetricName="m", Unit="Count", TreatMissingData="notBreaching")
    put(stage, ONE | {"Unit": "Seconds"})
    stage.evaluate()

    assert stage.state("same") == "ALARM"
    assert stage.state("other") == "OK"
    with pytest.raises(ClientError, match="The parameter Unit must be a value in the set"):
        stage.alarm("invalid", Unit="Parsecs")


def test_percentile_needs_raw_values_that_are_not_negative(stage: Stage) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html"""
    put(
        stage, {"MetricName": "set", "StatisticValues": SET},
        {"MetricName": "equal", "StatisticValues": SET | {"Minimum": 1.5, "Maximum": 1.5}},
        {"MetricName": "negative", "Values": [-1.0, 2.0]},
    )  # fmt: skip

    def p90(name: str) -> list[Any]:
        points = statistics(stage, MetricName=name, ExtendedStatistics=["p90"])
        return [point.get("ExtendedStatistics") for point in points]

    assert p90("set") == [None]
    assert p90("equal") == [{"p90": 1.5}]
    assert p90("negative") == [None]


def test_regular_data_is_stored_by_minute(stage: Stage) -> None:
    at = stage.cloud.clock.now().replace(second=25, microsecond=0) - timedelta(minutes=5)
    put(
        stage, ONE | {"Timestamp": at},
        {"MetricName": "fine", "Value": 1.0, "Timestamp": at, "StorageResolution": 1},
    )  # fmt: skip

    (regular,) = statistics(stage, "Sum", Period=10, minutes=10)
    (fine,) = statistics(stage, "Sum", Period=10, minutes=10, MetricName="fine")

    assert regular["Timestamp"] == at.replace(second=0)
    assert fine["Timestamp"] == at.replace(second=20)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"Statistics": None}, COMBINATION, "parameters Statistics and ExtendedStatistics must be"),
        ({"Statistics": ["Mean"]}, VALUE, "must be a value in the set [ SampleCount, Sum,"),
        ({"Period": 61}, VALUE, "Period must be 1, 5, 10, 20, 30 or a multiple of 60"),
        ({"Unit": "Parsecs"}, "ValidationError", "The parameter Unit must be a value in the set"),
        ({"minutes": 60 * 24 + 1}, COMBINATION,
         "You have requested up to 1,443 datapoints, which exceeds the limit of 1,440. You may "
         "reduce the datapoints requested by increasing Period, or decreasing the time range."),
        ({"minutes": -2}, VALUE, "The parameter StartTime must not equal parameter EndTime."),
        ({"minutes": -3}, VALUE, "StartTime must be less than the parameter EndTime."),
    ],
)  # fmt: skip
def test_invalid_request_for_statistics_is_refused(
    stage: Stage, change: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(ClientError) as refused:
        statistics(stage, **{"Statistics": ["Sum"]} | change)

    assert refused.value.response["Error"]["Code"] == code
    assert message in refused.value.response["Error"]["Message"]


def test_datapoints_are_paged(stage: Stage) -> None:
    start = stage.cloud.clock.now().replace(second=0, microsecond=0) - timedelta(minutes=30)
    for name in ("a", "b"):
        stage.put(name, 1.0, at=start)
        stage.put(name, 2.0, at=start + timedelta(minutes=1))
        stage.put(name, 3.0, at=start + timedelta(minutes=2))
    queries = [query("a", "a"), query("none", "none"), query("b", "b")]
    pages, token = [], {}
    while True:
        page = data(stage, *queries, MaxDatapoints=2, **token)
        pages.append([(r["Id"], r["Values"], r["StatusCode"]) for r in page["MetricDataResults"]])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}

    complete, partial = "Complete", "PartialData"
    assert pages == [
        [("a", [1.0, 2.0], partial), ("none", [], complete)],
        [("a", [3.0], complete), ("b", [1.0], partial)],
        [("b", [2.0, 3.0], complete)],
    ]
    with pytest.raises(ClientError, match="NextToken is invalid"):
        data(stage, *queries, NextToken="x")


@pytest.mark.parametrize(
    ("second", "labels"),
    [
        ({"Stat": "Minimum", "Period": 30}, ["m Sum 60", "m Minimum 30"]),
        ({"Stat": "Minimum", "Period": 60}, ["m Sum", "m Minimum"]),
        ({"Stat": "Sum", "Period": 30}, ["m 60", "m 30"]),
        ({"Stat": "Sum", "Period": 60}, ["m", "m"]),
    ],
)
def test_labels_name_what_differs(stage: Stage, second: dict[str, Any], labels: list[str]) -> None:
    """Recorded on AWS: statistic and period are added where they differ."""
    other = query("b", "m")
    other["MetricStat"] |= second

    results = data(stage, query("a", "m"), other, query("c", "m", Label="own"))["MetricDataResults"]

    assert [one["Label"] for one in results] == [*labels, "own"]


def test_metrics_are_listed_in_pages_of_500(stage: Stage) -> None:
    put(stage, *[{"MetricName": f"m{n}", "Value": 1.0} for n in range(501)])

    first = stage.client.list_metrics(Namespace="app")
    second = stage.client.list_metrics(Namespace="app", NextToken=first["NextToken"])

    assert (len(first["Metrics"]), len(second["Metrics"])) == (500, 1)
    assert "NextToken" not in second


def test_recently_active_metrics_are_listed(stage: Stage) -> None:
    put(stage, ONE | {"Timestamp": stage.cloud.clock.now() - timedelta(hours=4)})
    put(stage, {"MetricName": "new", "Value": 1.0})

    listed = stage.client.list_metrics(RecentlyActive="PT3H")["Metrics"]

    assert [one["MetricName"] for one in listed] == ["new"]
    with pytest.raises(ClientError, match="RecentlyActive is invalid"):
        stage.client.list_metrics(RecentlyActive="PT1H")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TreatMissingData": "Breaching"},
         "Option Breaching is not supported. Supported options for parameter TreatMissingData are"),
        ({"EvaluateLowSampleCountPercentile": "no"},
         "options for parameter EvaluateLowSampleCountPercentile are evaluate and ignore"),
        ({"DatapointsToAlarm": 3}, "DatapointsToAlarm must be 1 to EvaluationPeriods"),
    ],
)  # fmt: skip
def test_invalid_option_of_an_alarm_is_refused(
    stage: Stage, change: dict[str, Any], message: str
) -> None:
    request = {
        "AlarmName": "a", "Namespace": "app", "MetricName": "m", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 2, "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold",
    } | change  # fmt: skip
    with pytest.raises(ClientError, match=message):
        stage.client.put_metric_alarm(**request)


def test_state_of_an_alarm_is_one_of_three(stage: Stage) -> None:
    stage.alarm("a")
    with pytest.raises(ClientError, match="Value 'Alarm' at 'stateValue' failed to satisfy"):
        stage.set("a", "Alarm")
    with pytest.raises(ClientError, match="StateReasonData is not JSON"):
        stage.client.set_alarm_state(
            AlarmName="a", StateValue="OK", StateReason="r", StateReasonData="{"
        )

    assert stage.state("a") == "INSUFFICIENT_DATA"


def test_alarms_of_a_metric_are_filtered(stage: Stage) -> None:
    stage.alarm("average")
    stage.alarm("sum", Statistic="Sum", Period=120, Unit="Count")

    def named(**filters: Any) -> list[str]:
        answer = stage.client.describe_alarms_for_metric(
            Namespace="app", MetricName="Errors", **filters
        )
        return [one["AlarmName"] for one in answer["MetricAlarms"]]

    assert named() == ["average", "sum"]
    assert named(Statistic="Sum") == ["sum"]
    assert named(Period=60) == ["average"]
    assert named(Unit="Count") == ["sum"]
    assert named(ExtendedStatistic="p90") == []


def test_history_is_limited_by_dates(stage: Stage) -> None:
    stage.alarm("a")
    created = stage.cloud.clock.now()
    stage.cloud.clock.advance(3600)
    stage.set("a", "OK")
    middle = created + timedelta(minutes=30)

    def types(**dates: Any) -> set[str]:
        items = stage.client.describe_alarm_history(AlarmName="a", **dates)["AlarmHistoryItems"]
        return {item["HistoryItemType"] for item in items}

    assert types(EndDate=middle) == {"ConfigurationUpdate"}
    assert "ConfigurationUpdate" not in types(StartDate=middle)
    assert "StateUpdate" in types(StartDate=middle)


def test_tags_end_with_their_alarm(stage: Stage) -> None:
    stage.alarm("a", Tags=[{"Key": "k", "Value": "v"}])
    arn = stage.described("a")["AlarmArn"]
    stage.client.delete_alarms(AlarmNames=["a"])

    for call, more in (
        (stage.client.list_tags_for_resource, {}),
        (stage.client.tag_resource, {"Tags": [{"Key": "k", "Value": "v"}]}),
        (stage.client.untag_resource, {"TagKeys": ["k"]}),
    ):
        with pytest.raises(stage.client.exceptions.ResourceNotFoundException):
            call(ResourceARN=arn, **more)
    stage.alarm("a")
    assert stage.client.list_tags_for_resource(ResourceARN=arn)["Tags"] == []
