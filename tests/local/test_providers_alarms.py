"""CloudFormation's composite alarms, anomaly detectors and event source mappings."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.services import own_services
from tests.local.provider_bench import Bench
from tests.local.roles import FUNCTION, LAMBDA, QUEUE_READER, role_properties


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    cloud = Cloud(CloudConfig())
    cloud.add(own_services(cloud))
    cloud.start()
    yield Bench(cloud)
    cloud.stop()


def test_composite_alarm_is_created_updated_and_deleted(bench: Bench) -> None:
    child = bench.create(
        "AWS::CloudWatch::Alarm",
        {
            "MetricName": "Errors", "Namespace": "app", "Statistic": "Sum", "Period": "60",
            "EvaluationPeriods": "1", "Threshold": "0",
            "ComparisonOperator": "GreaterThanThreshold",
        },
    )  # fmt: skip
    made = bench.create(
        "AWS::CloudWatch::CompositeAlarm",
        {"AlarmRule": f'ALARM("{child["Arn"]}")', "AlarmDescription": "both",
         "Tags": [{"Key": "a", "Value": "b"}]},
    )  # fmt: skip
    client = bench.client("cloudwatch")

    def description() -> list[dict[str, str]]:
        answer = client.describe_alarms(AlarmNames=[made.id], AlarmTypes=["CompositeAlarm"])
        return list(answer["CompositeAlarms"])

    assert description()[0]["AlarmArn"] == made["Arn"]
    assert client.list_tags_for_resource(ResourceARN=made["Arn"])["Tags"] == [
        {"Key": "a", "Value": "b"}
    ]
    bench.update(made, AlarmRule="TRUE", AlarmDescription=None)
    assert (description()[0]["StateValue"], description()[0].get("AlarmDescription")) == (
        "ALARM",
        None,
    )
    bench.delete_twice(made)
    bench.delete_twice(child)
    assert description() == []


def test_alarm_on_an_expression_is_created(bench: Bench) -> None:
    metric = {"Metric": {"Namespace": "app", "MetricName": "m"}, "Period": "60", "Stat": "Sum"}
    made = bench.create(
        "AWS::CloudWatch::Alarm",
        {
            "EvaluationPeriods": "1", "Threshold": "5",
            "ComparisonOperator": "GreaterThanThreshold",
            "Metrics": [
                {"Id": "m1", "MetricStat": metric, "ReturnData": "false"},
                {"Id": "e1", "Expression": "100 * m1", "ReturnData": "true"},
            ],
        },
    )  # fmt: skip
    bench.delete_twice(made)


def test_anomaly_detector_is_created_updated_and_deleted(bench: Bench) -> None:
    single = {"Namespace": "app", "MetricName": "Load", "Stat": "Average"}
    made = bench.create(
        "AWS::CloudWatch::AnomalyDetector",
        {
            "SingleMetricAnomalyDetector": single,
            "Configuration": {
                "MetricTimeZone": "Europe/Berlin",
                "ExcludedTimeRanges": [
                    {"StartTime": "2026-01-01T00:00:00", "EndTime": "2026-01-02T00:00:00"}
                ],
            },
        },
    )
    client = bench.client("cloudwatch")

    def description() -> list[dict[str, object]]:
        return list(client.describe_anomaly_detectors(Namespace="app")["AnomalyDetectors"])

    assert [d["AnomalyDetectorId"] for d in description()] == [made.id] == [made["Id"]]
    bench.update(made, Configuration={"MetricTimeZone": "UTC"})
    assert description()[0]["Configuration"] == {"MetricTimezone": "UTC"}
    bench.delete_twice(made)
    assert description() == []


def test_mapping_is_created_updated_and_deleted(bench: Bench) -> None:
    role = bench.create("AWS::IAM::Role", role_properties(LAMBDA, *FUNCTION, *QUEUE_READER))["Arn"]
    function = bench.create(
        "AWS::Lambda::Function",
        {"Code": {"ZipFile": "def handler(event, context):\n    return 1\n"},
         "Runtime": "python3.13", "Handler": "index.handler", "Role": role},
    )  # fmt: skip
    queue = bench.create("AWS::SQS::Queue", {})
    pattern = json.dumps({"body": {"n": [1]}})
    made = bench.create(
        "AWS::Lambda::EventSourceMapping",
        {"EventSourceArn": queue["Arn"], "FunctionName": function.id, "BatchSize": "5",
         "FilterCriteria": {"Filters": [{"Pattern": pattern}]},
         "Tags": [{"Key": "a", "Value": "b"}]},
    )  # fmt: skip
    client = bench.client("lambda")
    assert client.list_tags(Resource=made["EventSourceMappingArn"])["Tags"] == {"a": "b"}
    bench.update(made, Enabled="false", FilterCriteria=None, BatchSize=None)
    description = client.get_event_source_mapping(UUID=made.id)
    assert (description["State"], description["BatchSize"]) == ("Disabled", 10)
    assert "FilterCriteria" not in description
    bench.delete_twice(made)
    with pytest.raises(AwsError, match="ParallelizationFactor"):
        bench.create(
            "AWS::Lambda::EventSourceMapping",
            {"EventSourceArn": queue["Arn"], "FunctionName": function.id,
             "ParallelizationFactor": "2"},
        )  # fmt: skip
    for thing in (function, queue):
        bench.delete(thing)
