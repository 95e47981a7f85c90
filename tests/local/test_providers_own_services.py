"""Resource types of services that the local cloud implements itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.services import own_services
from tests.local.provider_bench import Bench, Made
from tests.local.roles import FUNCTION, HOSTING, LAMBDA, SAGEMAKER, SCHEDULER, role_properties


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    cloud = Cloud(CloudConfig())
    cloud.add(own_services(cloud))
    cloud.start()
    yield Bench(cloud)
    cloud.stop()


@pytest.fixture(scope="module")
def role(bench: Bench) -> str:
    arn: str = bench.create(
        "AWS::IAM::Role", role_properties((LAMBDA, SAGEMAKER, SCHEDULER), *FUNCTION, *HOSTING)
    )["Arn"]
    return arn


@pytest.fixture(scope="module")
def function(bench: Bench, role: str) -> Made:
    return bench.create(
        "AWS::Lambda::Function",
        {
            "Code": {"ZipFile": "def handler(event, context):\n    return 1\n"},
            "Runtime": "python3.11", "Handler": "index.handler", "Role": role, "Timeout": "10",
            "Environment": {"Variables": {"AB": "1"}}, "ReservedConcurrentExecutions": "2",
            "Tags": [{"Key": "a", "Value": "b"}],
        },
    )  # fmt: skip


def test_function_code_and_configuration_are_updated(bench: Bench, function: Made) -> None:
    client = bench.client("lambda")
    bench.update(
        function, MemorySize=512, Environment=None, ReservedConcurrentExecutions=None,
        Code={"ZipFile": "import cfnresponse\ndef handler(event, context):\n    return 2\n"},
    )  # fmt: skip
    actual = client.get_function(FunctionName=function.id)
    assert actual["Configuration"]["MemorySize"] == 512
    assert not actual["Configuration"].get("Environment", {}).get("Variables")
    assert actual["Tags"] == {"a": "b"}
    assert json.loads(client.invoke(FunctionName=function.id)["Payload"].read()) == 2


def test_version_alias_permission_and_invoke_config_are_created(
    bench: Bench, function: Made
) -> None:
    version = bench.create("AWS::Lambda::Version", {"FunctionName": function.id})
    alias = bench.create(
        "AWS::Lambda::Alias",
        {"FunctionName": function.id, "Name": "live", "FunctionVersion": version["Version"]},
    )
    permission = bench.create(
        "AWS::Lambda::Permission",
        {"FunctionName": function["Arn"], "Action": "lambda:InvokeFunction",
         "Principal": "events.amazonaws.com"},
    )  # fmt: skip
    retries = bench.create(
        "AWS::Lambda::EventInvokeConfig",
        {"FunctionName": function.id, "Qualifier": "$LATEST", "MaximumRetryAttempts": "0"},
    )
    policy = json.loads(bench.client("lambda").get_policy(FunctionName=function.id)["Policy"])
    assert [s["Sid"] for s in policy["Statement"]] == [permission.id]
    for made in (retries, permission, alias, version):
        bench.delete_twice(made)


def test_rule_update_replaces_its_targets(bench: Bench, function: Made) -> None:
    queue = bench.create("AWS::SQS::Queue", {})
    made = bench.create(
        "AWS::Events::Rule",
        {"EventPattern": {"source": ["aws.s3"]},
         "Targets": [{"Id": "a", "Arn": function["Arn"], "Input": '{"x": 1}',
                      "RetryPolicy": {"MaximumRetryAttempts": "2"}}]},
    )  # fmt: skip
    made = bench.update(made, Targets=[{"Id": "b", "Arn": queue["Arn"]}])
    targets = bench.client("events").list_targets_by_rule(Rule=made.id)["Targets"]
    assert [(t["Id"], t["Arn"]) for t in targets] == [("b", queue["Arn"])]
    bench.delete_twice(made)


def test_rule_on_a_custom_bus_is_named_with_it(bench: Bench) -> None:
    bus = bench.create("AWS::Events::EventBus", {"Name": "mine"})
    rule = bench.create(
        "AWS::Events::Rule", {"EventBusName": "mine", "EventPattern": {"source": ["x"]}}
    )
    assert rule.id == f"mine|{rule['RuleName']}"
    bench.delete_twice(rule)
    bench.delete_twice(bus)


def test_schedule_update_replaces_its_definition(bench: Bench, function: Made, role: str) -> None:
    made = bench.create(
        "AWS::Scheduler::Schedule",
        {"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"},
         "Target": {"Arn": function["Arn"], "RoleArn": role, "Input": "{}"}},
    )  # fmt: skip
    made = bench.update(made, ScheduleExpression="rate(2 days)")
    actual = bench.client("scheduler").get_schedule(Name=made.id)
    assert (actual["ScheduleExpression"], actual["Arn"]) == ("rate(2 days)", made["Arn"])
    bench.delete_twice(made)


def test_alarm_accepts_numbers_as_text(bench: Bench) -> None:
    made = bench.create(
        "AWS::CloudWatch::Alarm",
        {"MetricName": "m", "Namespace": "n", "Statistic": "Average", "Period": "60",
         "EvaluationPeriods": "3", "Threshold": "12.5", "TreatMissingData": "notBreaching",
         "ComparisonOperator": "GreaterThanThreshold"},
    )  # fmt: skip
    made = bench.update(made, Threshold=14)
    actual = bench.client("cloudwatch").describe_alarms(AlarmNames=[made.id])["MetricAlarms"][0]
    assert (actual["Threshold"], actual["AlarmArn"]) == (14.0, made["Arn"])
    bench.delete_twice(made)


def test_registry_notebook_and_configuration_are_created(bench: Bench, role: str) -> None:
    group = bench.create("AWS::SageMaker::ModelPackageGroup", {"ModelPackageGroupName": "g"})
    scripts = bench.create(
        "AWS::SageMaker::NotebookInstanceLifecycleConfig", {"OnStart": [{"Content": "ZWNobw=="}]}
    )
    name = scripts["NotebookInstanceLifecycleConfigName"]
    notebook = bench.create(
        "AWS::SageMaker::NotebookInstance",
        {"RoleArn": role, "InstanceType": "ml.t3.medium", "LifecycleConfigName": name},
    )
    actual = bench.client("sagemaker").describe_notebook_instance(
        NotebookInstanceName=notebook["NotebookInstanceName"]
    )
    assert actual["NotebookInstanceLifecycleConfigName"] == name
    assert group.id == group["ModelPackageGroupArn"]
    for made in (notebook, scripts, group):
        bench.delete_twice(made)


def test_failed_endpoint_has_its_reason_and_is_deleted(bench: Bench, role: str) -> None:
    s3 = bench.client("s3")
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="m.tar.gz", Body=b"no archive")
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    container = {"Image": image, "ModelDataUrl": "s3://models/m.tar.gz"}
    model = bench.create(
        "AWS::SageMaker::Model", {"ExecutionRoleArn": role, "PrimaryContainer": container}
    )
    variant = {
        "VariantName": "v", "ModelName": model["ModelName"], "InitialInstanceCount": "1",
        "InitialVariantWeight": "1.0", "InstanceType": "ml.m5.large",
    }  # fmt: skip
    configuration = bench.create(
        "AWS::SageMaker::EndpointConfig", {"ProductionVariants": [variant]}
    )
    with pytest.raises(AwsError, match=r"endpoint e is Failed: .*m\.tar\.gz"):
        bench.create(
            "AWS::SageMaker::Endpoint",
            {"EndpointName": "e", "EndpointConfigName": configuration["EndpointConfigName"]},
        )
    bench.cloud.settle()
    assert bench.client("sagemaker").list_endpoints()["Endpoints"] == []
    bench.delete_twice(configuration)
    bench.delete_twice(model)


def test_scalable_target_without_its_endpoint_is_refused(bench: Bench) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        bench.create(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/none/variant/v",
             "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
             "MinCapacity": "1", "MaxCapacity": "3"},
        )  # fmt: skip
