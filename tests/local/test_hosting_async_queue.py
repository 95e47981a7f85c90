"""The queue of an asynchronous endpoint through boto3: backlog, expiry, scaling to zero."""

from __future__ import annotations

from typing import Any

import pytest
from async_stage import AsyncStage, opened, stage  # noqa: F401 - fixtures are found by name
from hosting_stage import CAPTURE, refusal
from provider_bench import Bench

METRICS = "serving: backlog metrics"
ZERO = "serving: scale to zero and back"


@pytest.mark.feature(ZERO)
def test_requests_wait_at_zero_instances_until_one_starts(stage: AsyncStage) -> None:
    stage.endpoint()
    stage.scale(0)

    answers = [stage.invoke(f"{n}") for n in range(3)]
    stage.settle()  # requests without capacity do not count as work in flight

    assert stage.notifications("success") == []
    stage.scale(1)
    stage.settle()
    assert [stage.read(a["OutputLocation"]) for a in answers] == ["echo 0", "echo 1", "echo 2"]


@pytest.mark.feature(ZERO)
def test_only_asynchronous_variants_scale_to_zero(stage: AsyncStage) -> None:
    stage.stage.endpoint("one")

    code, message = refusal(
        stage.stage.sagemaker.update_endpoint_weights_and_capacities,
        EndpointName=stage.stage.name,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}],
    )

    assert code == "ValidationException"
    assert "at least 1, got 0" in message


@pytest.mark.feature(METRICS)
def test_backlog_metrics_are_published_each_minute(stage: AsyncStage) -> None:
    stage.endpoint()
    stage.minute()
    assert stage.latest("ApproximateBacklogSize") == 0
    assert stage.latest("ApproximateBacklogSizePerInstance") == 0
    assert stage.latest("HasBacklogWithoutCapacity") == 0

    stage.scale(0)
    for _ in range(4):
        stage.invoke("hello")
    stage.minute()

    assert stage.latest("ApproximateBacklogSize") == 4
    assert stage.latest("HasBacklogWithoutCapacity") == 1
    age = stage.latest("ApproximateAgeOfOldestRequest")
    assert age is not None
    assert 0 < age < 120
    stage.scale(2)
    stage.settle()
    stage.minute()
    assert stage.latest("ApproximateBacklogSize") == 0
    assert stage.latest("HasBacklogWithoutCapacity") == 0


@pytest.mark.feature(METRICS)
def test_only_documented_asynchronous_metrics_are_published(stage: AsyncStage) -> None:
    stage.stage.s3.put_object(Bucket="data", Key="in/3.csv", Body=b"4,5")
    stage.endpoint()

    stage.invoke(None, InputLocation="s3://data/in/3.csv")
    stage.settle()
    stage.minute()

    listed = stage.stage.cloudwatch.list_metrics(
        Namespace="AWS/SageMaker",
        Dimensions=[{"Name": "EndpointName", "Value": stage.stage.name}],
    )["Metrics"]
    dimensions = {m["MetricName"]: sorted(d["Name"] for d in m["Dimensions"]) for m in listed
                  if len(m["Dimensions"]) < 3}  # fmt: skip
    whole = {"ApproximateBacklogSize", "ApproximateBacklogSizePerInstance",
             "ApproximateAgeOfOldestRequest", "HasBacklogWithoutCapacity"}  # fmt: skip
    each = {"Invocation4XXErrors", "Invocation5XXErrors", "ModelLatency", "RequestDownloadLatency",
            "ResponseUploadLatency", "TimeInBacklog", "TotalProcessingTime",
            "InvocationsProcesssed"}  # fmt: skip
    assert {n for n, d in dimensions.items() if d == ["EndpointName"]} == whole
    assert {n for n, d in dimensions.items() if d == ["EndpointName", "VariantName"]} == each
    assert stage.stage.total("TotalProcessingTime") < 60_000
    assert stage.stage.total("ModelLatency") > 0


def test_queued_request_expires_in_virtual_time(stage: AsyncStage) -> None:
    stage.endpoint()
    stage.scale(0)
    answer = stage.invoke("hello", RequestTTLSeconds=60)
    kept = stage.invoke("hello", RequestTTLSeconds=600)

    stage.minute()
    stage.settle()

    [notification] = stage.notifications("error")
    assert notification["invocationStatus"] == "Expired"
    assert notification["inferenceId"] == answer["InferenceId"]
    assert stage.stage.total("ExpiredRequests") == 1
    assert "RequestTTLSeconds" in stage.read(answer["FailureLocation"])
    stage.scale(1)
    stage.settle()
    assert stage.read(kept["OutputLocation"]) == "echo hello"


def test_queue_is_kept_in_an_endpoint_update(stage: AsyncStage) -> None:
    stage.stage.model("summer")
    stage.endpoint()
    stage.scale(0)
    answers = [stage.invoke("model") for _ in range(3)]
    stage.config("next", model="summer")

    stage.stage.sagemaker.update_endpoint(EndpointName=stage.stage.name, EndpointConfigName="next")
    assert stage.stage.wait_until_stable()["EndpointConfigName"] == "next"
    stage.settle()

    assert {stage.read(a["OutputLocation"]) for a in answers} == {"summer"}


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
                                 "WaitIntervalInSeconds": 0}},
    ],
)  # fmt: skip
def test_update_with_retained_capacity_keeps_zero_instances(
    stage: AsyncStage, policy: dict[str, Any]
) -> None:
    stage.endpoint()
    stage.scale(0)
    answer = stage.invoke("hello")
    stage.config("next")

    stage.stage.sagemaker.update_endpoint(
        EndpointName=stage.stage.name, EndpointConfigName="next", RetainAllVariantProperties=True,
        DeploymentConfig=policy,
    )  # fmt: skip

    described = stage.stage.wait_until_stable()
    assert described["EndpointConfigName"] == "next", described
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    stage.scale(1)
    stage.settle()
    assert stage.read(answer["OutputLocation"]) == "echo hello"


@pytest.mark.feature("load: scale-in of an asynchronous endpoint loses no request")
def test_scale_in_loses_no_request(stage: AsyncStage) -> None:
    stage.endpoint(count=2)
    answers = [stage.invoke(f"sleep 0.{n}") for n in range(1, 7)]

    stage.scale(1)
    stage.settle()

    bodies = [stage.read(a["OutputLocation"]) for a in answers]
    assert bodies == [f"echo sleep 0.{n}" for n in range(1, 7)]


def test_deleted_endpoint_discards_its_queue(stage: AsyncStage) -> None:
    stage.endpoint()
    stage.scale(0)
    stage.invoke("hello")
    stage.stage.sagemaker.delete_endpoint(EndpointName=stage.stage.name)
    stage.stage.wait_until_stable()

    stage.stage.endpoint("async")
    stage.minute()

    assert stage.latest("ApproximateBacklogSize") == 0
    assert stage.notifications("success") == []


@pytest.mark.feature("capture: asynchronous endpoint")
def test_asynchronous_exchanges_are_captured(stage: AsyncStage) -> None:
    stage.endpoint(DataCaptureConfig=CAPTURE)

    stage.invoke("7,8")
    stage.settle()

    prefix = f"captured/{stage.stage.name}/AllTraffic/"
    listing = stage.stage.s3.list_objects_v2(Bucket="data", Prefix=prefix)["Contents"]
    assert "7,8" in stage.read(f"s3://data/{listing[0]['Key']}")


def test_template_creates_an_asynchronous_configuration(stage: AsyncStage) -> None:
    variant = {"VariantName": "v", "ModelName": "winter", "InstanceType": "ml.m5.large",
               "InitialInstanceCount": "1", "InitialVariantWeight": "1.0"}  # fmt: skip
    output = {"S3OutputPath": "s3://data/out", "S3FailurePath": "s3://data/failed",
              "NotificationConfig": {"SuccessTopic": stage.topics["success"]}}  # fmt: skip
    template = {
        "OutputConfig": output, "ClientConfig": {"MaxConcurrentInvocationsPerInstance": "3"}
    }  # fmt: skip

    made = Bench(stage.cloud).create(
        "AWS::SageMaker::EndpointConfig",
        {"ProductionVariants": [variant], "AsyncInferenceConfig": template},
    )

    described = stage.stage.sagemaker.describe_endpoint_config(
        EndpointConfigName=made["EndpointConfigName"]
    )["AsyncInferenceConfig"]
    assert described["OutputConfig"] == output
    assert described["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 3}
