"""Metrics and alarms, through boto3 and the virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from roles import USER

from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.service import Service


class Events(Service):
    """Records emitted events."""

    model = "events"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.emitted: list[dict[str, Any]] = []

    def emit(self, source: str, detail_type: str, detail: dict[str, Any], **_: Any) -> None:
        self.emitted.append({"source": source, "detail-type": detail_type, "detail": detail})


class Functions(Service):
    """Records invocations."""

    model = "lambda"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.invoked: list[tuple[str, str]] = []

    def invoke_for(self, principal: str, arn: str, payload: bytes, source_arn: str) -> None:
        self.invoked.append((principal, arn))


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud(CloudConfig())
    cloud.add([CloudWatchService(cloud), Events(cloud), Functions(cloud)])
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture
def cloudwatch(cloud: Cloud) -> Any:
    return cloud.client("cloudwatch", principal=USER)


def put(cloudwatch: Any, value: float, at: datetime | None = None) -> None:
    datum = {"MetricName": "Error", "Value": value, "Unit": "None"}
    if at is not None:
        datum["Timestamp"] = at
    cloudwatch.put_metric_data(Namespace="sageloop", MetricData=[datum])


def alarm(cloudwatch: Any, **changes: Any) -> None:
    cloudwatch.put_metric_alarm(
        **{
            "AlarmName": "high-error", "Namespace": "sageloop", "MetricName": "Error",
            "Statistic": "Average", "Period": 60, "EvaluationPeriods": 1, "Threshold": 12.0,
            "ComparisonOperator": "GreaterThanThreshold", **changes,
        }
    )  # fmt: skip


def state(cloudwatch: Any) -> str:
    return str(
        cloudwatch.describe_alarms(AlarmNames=["high-error"])["MetricAlarms"][0]["StateValue"]
    )


def evaluate(cloud: Cloud) -> None:
    cloud.service("cloudwatch").alarms.evaluate_all()
    assert cloud.settle(180) == []


def test_statistics_and_percentiles_are_computed_from_samples(
    cloud: Cloud, cloudwatch: Any
) -> None:
    now = cloud.clock.now().replace(second=1, microsecond=0)
    for value in range(1, 101):
        put(cloudwatch, float(value), now)

    answer = cloudwatch.get_metric_statistics(
        Namespace="sageloop", MetricName="Error", StartTime=now - timedelta(minutes=1),
        EndTime=now + timedelta(minutes=1), Period=60, Statistics=["Average", "Sum", "Maximum"],
        ExtendedStatistics=["p90"],
    )  # fmt: skip

    (point,) = answer["Datapoints"]
    assert (point["Average"], point["Sum"], point["Maximum"]) == (50.5, 5050.0, 100.0)
    assert point["ExtendedStatistics"] == {"p90": 90.0}
    assert point["Timestamp"] == now.replace(second=0)


def test_get_metric_data_returns_values_by_period(cloud: Cloud, cloudwatch: Any) -> None:
    start = cloud.clock.now().replace(second=0, microsecond=0) - timedelta(hours=1)
    put(cloudwatch, 1.0, start)
    put(cloudwatch, 3.0, start + timedelta(seconds=61))

    answer = cloudwatch.get_metric_data(
        StartTime=start, EndTime=start + timedelta(minutes=5), ScanBy="TimestampAscending",
        MetricDataQueries=[{"Id": "e", "MetricStat": {
            "Metric": {"Namespace": "sageloop", "MetricName": "Error"},
            "Period": 60, "Stat": "Average"}}],
    )  # fmt: skip

    assert answer["MetricDataResults"][0]["Values"] == [1.0, 3.0]


def test_metrics_insights_is_refused_by_name(cloudwatch: Any) -> None:
    with pytest.raises(ClientError, match="Metrics Insights, which is not supported"):
        cloudwatch.get_metric_data(
            StartTime=0, EndTime=1,
            MetricDataQueries=[{"Id": "e1", "Expression": "SELECT AVG(Error) FROM sageloop"}],
        )  # fmt: skip


def test_new_alarm_has_insufficient_data(cloudwatch: Any) -> None:
    alarm(cloudwatch)

    assert state(cloudwatch) == "INSUFFICIENT_DATA"


def test_alarm_changes_state_as_the_clock_advances(cloud: Cloud, cloudwatch: Any) -> None:
    alarm(cloudwatch, EvaluationPeriods=3, Period=3600)
    for _ in range(3):
        put(cloudwatch, 13.0)
        cloud.clock.advance(3600)
    evaluate(cloud)
    assert state(cloudwatch) == "ALARM"

    put(cloudwatch, 8.0)
    evaluate(cloud)
    assert state(cloudwatch) == "OK"


def test_transition_emits_the_state_change_event(cloud: Cloud, cloudwatch: Any) -> None:
    alarm(cloudwatch)
    put(cloudwatch, 20.0)
    evaluate(cloud)

    (event,) = cloud.service("events").emitted
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["detail"]["state"]["value"] == "ALARM"
    assert event["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    metric = event["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]
    assert metric == {"namespace": "sageloop", "name": "Error", "dimensions": {}}


def test_alarm_invokes_a_function_on_the_transition_only(cloud: Cloud, cloudwatch: Any) -> None:
    function = "arn:aws:lambda:us-east-1:123456789012:function:f"
    alarm(cloudwatch, AlarmActions=[function])
    put(cloudwatch, 20.0)
    evaluate(cloud)
    evaluate(cloud)

    principal = "lambda.alarms.cloudwatch.amazonaws.com"
    assert cloud.service("lambda").invoked == [(principal, function)]


def test_disabled_actions_do_not_run(cloud: Cloud, cloudwatch: Any) -> None:
    alarm(cloudwatch, AlarmActions=["arn:aws:lambda:us-east-1:123456789012:function:f"])
    cloudwatch.disable_alarm_actions(AlarmNames=["high-error"])
    put(cloudwatch, 20.0)
    evaluate(cloud)

    assert cloud.service("lambda").invoked == []


def test_updated_alarm_keeps_its_state(cloud: Cloud, cloudwatch: Any) -> None:
    alarm(cloudwatch)
    put(cloudwatch, 20.0)
    evaluate(cloud)
    alarm(cloudwatch, Threshold=15.0)

    assert state(cloudwatch) == "ALARM"


def test_history_contains_transitions(cloud: Cloud, cloudwatch: Any) -> None:
    alarm(cloudwatch)
    put(cloudwatch, 20.0)
    evaluate(cloud)

    items = cloudwatch.describe_alarm_history(
        AlarmName="high-error", HistoryItemType="StateUpdate"
    )["AlarmHistoryItems"]
    summaries = [item["HistorySummary"] for item in items]
    assert summaries == ["Alarm updated from INSUFFICIENT_DATA to ALARM"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Period": 45}, "Period must be"),
        ({"Period": 604_800, "EvaluationPeriods": 3}, "at most 604800 seconds"),
        (
            {"DatapointsToAlarm": 2},
            "DatapointsToAlarm must be 1 to EvaluationPeriods, which is 1, got 2",
        ),
        ({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}, "is not supported here"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "against a threshold"),
    ],
)
def test_invalid_alarm_is_refused(cloudwatch: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        alarm(cloudwatch, **changes)
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_reserved_namespace_is_refused_for_users(cloudwatch: Any) -> None:
    with pytest.raises(ClientError, match="AWS/"):
        cloudwatch.put_metric_data(
            Namespace="AWS/SageMaker", MetricData=[{"MetricName": "Invocations", "Value": 1}]
        )


def test_dashboard_is_stored_and_returned(cloudwatch: Any) -> None:
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody='{"widgets": []}')

    assert cloudwatch.get_dashboard(DashboardName="d")["DashboardBody"] == '{"widgets": []}'


def test_message_in_dead_letter_queue_puts_its_alarm_in_alarm(
    cloud: Cloud, cloudwatch: Any
) -> None:
    sqs = cloud.client("sqs", principal=USER)
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    alarm(
        cloudwatch, Namespace="AWS/SQS", MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "dead"}], Statistic="Maximum",
        Threshold=0.0,
    )  # fmt: skip

    sqs.send_message(QueueUrl=url, MessageBody="lost")
    cloud.clock.advance(60)
    assert cloud.settle(180) == []

    assert state(cloudwatch) == "ALARM"


def test_compressed_request_is_accepted(cloud: Cloud, cloudwatch: Any) -> None:
    now = cloud.clock.now()
    data = [
        {"MetricName": f"metric-{index:04d}", "Value": 1.0, "Timestamp": now}
        for index in range(900)
    ]
    cloudwatch.put_metric_data(Namespace="sageloop", MetricData=data)
    assert len(cloud.service("cloudwatch").metrics.all()) == 900


def test_reason_counts_the_evaluated_datapoints(cloud: Cloud, cloudwatch: Any) -> None:
    alarm(cloudwatch, EvaluationPeriods=2, TreatMissingData="notBreaching")
    for value in (20.0, 30.0):
        cloud.clock.advance(60)
        put(cloudwatch, value)
    # The current minute has no data yet: the two minutes before are evaluated.
    cloud.clock.advance(61)
    assert cloud.settle(180) == []
    (described,) = cloudwatch.describe_alarms(AlarmNames=["high-error"])["MetricAlarms"]
    assert described["StateValue"] == "ALARM"
    message = described["StateReason"]
    assert message.startswith("Threshold Crossed: 2 out of the last 2 datapoints [30.0 (")
    assert message.endswith(
        "were greater than the threshold (12.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )


def test_reason_without_datapoints_names_their_treatment(cloud: Cloud, cloudwatch: Any) -> None:
    alarm(cloudwatch, TreatMissingData="notBreaching")
    cloud.clock.advance(60)
    assert cloud.settle(180) == []
    (described,) = cloudwatch.describe_alarms(AlarmNames=["high-error"])["MetricAlarms"]
    assert described["StateValue"] == "OK"
    assert described["StateReason"] == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was "
        "treated as [NonBreaching]."
    )
