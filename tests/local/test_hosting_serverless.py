"""Serverless endpoints through boto3: cold and warm starts, throttling, provisioned concurrency."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_stage import CAPTURE, IMAGE, ROLE, Stage, fresh, open_stage, refusal

from sageloop.local_cloud.sagemaker.hosting.instances.instance import instance_folder
from sageloop.waiting import until

SERVERLESS = "serving: serverless endpoint"
PROVISIONED = "serving: provisioned concurrency"
REFUSED = "bad input: serverless with what it cannot have"
MEGABYTE = 1024 * 1024
UNSUPPORTED = "One or more endpoint features are not supported using this configuration"


class Serverless:
    """A hosting stage with serverless configurations."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.hosting = stage.hosting

    def variant(
        self, max_concurrency: int = 2, provisioned: int = 0, **more: Any
    ) -> dict[str, Any]:
        config = {"MemorySizeInMB": 2048, "MaxConcurrency": max_concurrency}
        if provisioned:
            config["ProvisionedConcurrency"] = provisioned
        return {
            "VariantName": "AllTraffic", "ModelName": "winter", "ServerlessConfig": config, **more
        }  # fmt: skip

    def endpoint(self, name: str = "serverless", *, model: str = "winter", **variant: Any) -> Any:
        config = self.variant(**variant) | {"ModelName": model}
        self.stage.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[config]
        )
        return self.stage.endpoint(name)

    def processes(self) -> int:
        label = f"endpoint:{self.stage.name}"
        return list(self.stage.cloud.processes.running().values()).count(label)

    def refused(self, **params: Any) -> str:
        request = {"ProductionVariants": [self.variant()]} | params
        code, message = refusal(
            self.stage.sagemaker.create_endpoint_config, EndpointConfigName="odd", **request
        )
        assert code == "ValidationException"
        return message

    def maximum(self, metric: str) -> float:
        now = self.stage.cloud.clock.now()
        points = self.stage.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=metric, StartTime=now.replace(year=2020),
            EndTime=now.replace(year=now.year + 1), Period=86400 * 365, Statistics=["Maximum"],
            Dimensions=[{"Name": "EndpointName", "Value": self.stage.name},
                        {"Name": "VariantName", "Value": "AllTraffic"}],
        )["Datapoints"]  # fmt: skip
        return max((float(point["Maximum"]) for point in points), default=-1.0)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_stage() as opened:
        yield opened


@pytest.fixture
def serverless(stage: Stage) -> Iterator[Serverless]:
    with fresh(stage):
        yield Serverless(stage)


@pytest.mark.feature(SERVERLESS)
def test_first_request_is_cold_and_the_next_is_warm(
    serverless: Serverless,
) -> None:
    described = serverless.endpoint()
    assert described["EndpointStatus"] == "InService"
    assert serverless.processes() == 0
    first = serverless.stage.invoke("pid")
    assert serverless.processes() == 1
    assert serverless.stage.invoke("pid") == first
    assert serverless.stage.total("Invocations") == 2


@pytest.mark.feature("serving: serverless cold and warm")
def test_cold_start_is_published_as_setup_time_and_overhead(serverless: Serverless) -> None:
    serverless.endpoint()
    serverless.stage.invoke()
    setup = serverless.stage.total("ModelSetupTime")
    assert 1_000 < setup < 60_000_000
    assert serverless.stage.total("OverheadLatency") >= setup
    assert serverless.stage.total("ModelLatency") < setup
    serverless.stage.invoke()
    assert serverless.stage.total("ModelSetupTime") == setup


@pytest.mark.feature("serving: serverless cold and warm")
def test_idle_environment_ends(serverless: Serverless) -> None:
    serverless.endpoint()
    first = serverless.stage.invoke("pid")
    serverless.stage.cloud.clock.advance(300)
    assert serverless.stage.invoke("pid") == first
    serverless.stage.cloud.clock.advance(400)
    assert serverless.stage.cloud.settle(180) == []
    assert serverless.processes() == 1
    serverless.stage.cloud.clock.advance(300)
    assert serverless.stage.cloud.settle(180) == []
    assert serverless.processes() == 0
    assert serverless.stage.invoke("pid") != first


@pytest.mark.feature("serving: serverless concurrency")
def test_requests_over_the_maximum_concurrency_are_throttled(serverless: Serverless) -> None:
    serverless.endpoint(max_concurrency=1)
    serverless.stage.invoke()
    responses: list[str] = []
    running = threading.Thread(target=lambda: responses.append(serverless.stage.invoke("sleep 2")))
    running.start()
    outstanding = serverless.hosting.outstanding
    name = serverless.stage.name
    until("a request", lambda: outstanding(name, "AllTraffic") == [1] or None, seconds=180)
    with pytest.raises(ClientError) as caught:
        serverless.stage.invoke("hello")
    assert caught.value.response["Error"] == {
        "Code": "ThrottlingException", "Message": "Rate exceeded",
    }  # fmt: skip
    running.join()
    assert responses == ["echo sleep 2"]


@pytest.mark.feature("serving: serverless concurrency")
def test_concurrent_requests_use_separate_environments(serverless: Serverless) -> None:
    serverless.endpoint(max_concurrency=3)
    responses: list[str] = []
    threads = [
        threading.Thread(target=lambda: responses.append(serverless.stage.invoke("sleep 1")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert responses == ["echo sleep 1"] * 3
    assert serverless.processes() == 3
    assert serverless.maximum("ServerlessConcurrentExecutionsUtilization") == 1.0


@pytest.mark.feature(PROVISIONED)
def test_provisioned_environments_stay_warm(serverless: Serverless) -> None:
    described = serverless.endpoint(max_concurrency=2, provisioned=1)
    shown = described["ProductionVariants"][0]["CurrentServerlessConfig"]
    assert shown == {"MemorySizeInMB": 2048, "MaxConcurrency": 2, "ProvisionedConcurrency": 1}
    assert serverless.processes() == 1
    serverless.stage.invoke()
    assert serverless.stage.total("ModelSetupTime") == 0
    assert serverless.stage.total("ServerlessProvisionedConcurrencyInvocations") == 1
    assert serverless.maximum("ServerlessProvisionedConcurrencyUtilization") == 1.0
    serverless.stage.cloud.clock.advance(3600)
    assert serverless.stage.cloud.settle(180) == []
    assert serverless.processes() == 1


@pytest.mark.feature(PROVISIONED)
def test_requests_beyond_provisioned_concurrency_spill_over(serverless: Serverless) -> None:
    serverless.endpoint(max_concurrency=2, provisioned=1)
    threads = [
        threading.Thread(target=lambda: serverless.stage.invoke("sleep 1")) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert serverless.stage.total("ServerlessProvisionedConcurrencyInvocations") == 1
    assert serverless.stage.total("ServerlessProvisionedConcurrencySpilloverInvocations") == 1


@pytest.mark.feature(PROVISIONED)
def test_provisioned_concurrency_is_changed_in_place(serverless: Serverless) -> None:
    serverless.endpoint(max_concurrency=3, provisioned=1)
    change = {"ProvisionedConcurrency": 2, "MaxConcurrency": 5}
    serverless.stage.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=serverless.stage.name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "AllTraffic", "ServerlessUpdateConfig": change}
        ],
    )
    shown = serverless.stage.wait_until_stable()["ProductionVariants"][0]
    desired = {"MemorySizeInMB": 2048, "MaxConcurrency": 5, "ProvisionedConcurrency": 2}
    assert shown["CurrentServerlessConfig"] == shown["DesiredServerlessConfig"] == desired
    assert serverless.processes() == 2
    serverless.hosting.set_provisioned_concurrency(serverless.stage.name, "AllTraffic", 1)
    serverless.stage.wait_until_stable()
    assert serverless.processes() == 1


def test_provisioned_concurrency_over_the_maximum_is_refused(serverless: Serverless) -> None:
    variant = serverless.variant(max_concurrency=1, provisioned=2)
    message = serverless.refused(ProductionVariants=[variant])
    assert "ProvisionedConcurrency (2) must be less than or equal to MaxConcurrency (1)" in message


def test_idle_provisioned_environments_publish_zero_utilization(serverless: Serverless) -> None:
    serverless.endpoint(provisioned=1)
    serverless.stage.cloud.clock.advance(61)
    assert serverless.stage.cloud.settle(180) == []
    assert serverless.maximum("ServerlessProvisionedConcurrencyUtilization") == 0.0


@pytest.mark.feature("bad input: a model that crashes at start, serverless")
def test_model_that_does_not_start_fails_the_endpoint_with_aws_message(
    serverless: Serverless,
) -> None:
    serverless.stage.model("broken", START="exit")
    described = serverless.endpoint(model="broken")
    assert described["EndpointStatus"] == "Failed"
    assert "within the allotted 180 second timeout" in described["FailureReason"]


@pytest.mark.feature("bad input: a request over the limit, serverless")
def test_request_over_four_megabytes_is_refused(serverless: Serverless) -> None:
    serverless.endpoint()
    code, message = refusal(serverless.stage.invoke, body="x" * (4 * MEGABYTE + 1))
    assert code == "ValidationError"
    assert re.fullmatch(r"Request [0-9a-f-]{36} has oversize body\.", message)


@pytest.mark.feature("bad input: a response of 7 MB, serverless")
def test_response_over_four_megabytes_is_a_model_error(serverless: Serverless) -> None:
    serverless.endpoint()
    with pytest.raises(ClientError, match="exceeds the limit of 4194304"):
        serverless.stage.invoke("big")


def test_exited_process_is_replaced_by_the_next_request(serverless: Serverless) -> None:
    serverless.endpoint()
    with pytest.raises(ClientError, match="ModelError"):
        serverless.stage.invoke("die")
    assert serverless.stage.cloud.settle(180) == []
    assert serverless.processes() == 0
    assert serverless.stage.invoke("hello") == "echo hello"


@pytest.mark.feature("bad input: a model that crashes at a cold start")
def test_crashed_cold_start_is_a_model_error_and_releases_concurrency(
    serverless: Serverless, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    serverless.stage.model("frail", EXITS_IF=str(broken))
    serverless.endpoint(model="frail", max_concurrency=1)
    broken.touch()

    for _ in range(2):  # without the release the second request would be throttled
        with pytest.raises(ClientError) as caught:
            serverless.stage.invoke()
        assert caught.value.response["Error"]["Code"] == "ModelError"
        assert "Unable to successfully stand up your model" in str(caught.value)
        assert caught.value.response["OriginalStatusCode"] == 500

    assert serverless.processes() == 0
    broken.unlink()
    assert serverless.stage.invoke() == "echo hello"


def test_failed_cold_start_releases_concurrency(serverless: Serverless) -> None:
    serverless.endpoint(max_concurrency=1)
    folder = instance_folder(serverless.stage.cloud, serverless.stage.name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("in the way")

    with pytest.raises(ClientError) as caught:
        serverless.stage.invoke()

    assert caught.value.response["Error"]["Code"] == "InternalFailure"
    folder.unlink()
    assert serverless.stage.invoke() == "echo hello"


def test_failed_provisioning_keeps_existing_environments(
    serverless: Serverless,
) -> None:
    serverless.endpoint(max_concurrency=3, provisioned=1)
    folder = instance_folder(serverless.stage.cloud, serverless.stage.name)
    aside = folder.rename(folder.with_name("aside"))
    folder.write_text("in the way")

    serverless.hosting.set_provisioned_concurrency(serverless.stage.name, "AllTraffic", 3)

    described = serverless.stage.wait_until_stable()
    folder.unlink()
    aside.rename(folder)
    assert described["EndpointStatus"] == "InService"
    assert described["FailureReason"].startswith("InternalServerError: ")
    shown = described["ProductionVariants"][0]
    assert shown["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 1
    assert shown["DesiredServerlessConfig"]["ProvisionedConcurrency"] == 1
    assert serverless.processes() == 1
    assert serverless.stage.invoke() == "echo hello"


def test_update_keeps_serving_and_change_to_instances_is_refused(serverless: Serverless) -> None:
    serverless.endpoint()
    serverless.stage.model("summer", GREETING="phew")
    variant = serverless.variant() | {"ModelName": "summer"}
    serverless.stage.sagemaker.create_endpoint_config(
        EndpointConfigName="two", ProductionVariants=[variant]
    )
    update = serverless.stage.sagemaker.update_endpoint
    update(EndpointName=serverless.stage.name, EndpointConfigName="two")
    assert serverless.stage.wait_until_stable()["EndpointConfigName"] == "two"
    assert serverless.stage.invoke("model") == "summer"
    code, message = refusal(update, EndpointName=serverless.stage.name, EndpointConfigName="one")
    assert code == "ValidationException"
    assert "cannot be updated to an instance-based one" in message


@pytest.mark.feature("bad input: serverless with capture")
def test_data_capture_is_refused(serverless: Serverless) -> None:
    message = serverless.refused(DataCaptureConfig=CAPTURE)
    assert UNSUPPORTED in message
    assert "DataCaptureConfig" in message


@pytest.mark.feature(REFUSED)
@pytest.mark.parametrize(
    "member",
    [
        {"InstanceType": "ml.m5.large"},
        {"InitialInstanceCount": 1},
        {"VolumeSizeInGB": 10},
        {"RoutingConfig": {"RoutingStrategy": "RANDOM"}},
        {"ContainerStartupHealthCheckTimeoutInSeconds": 60},
    ],
    ids=lambda member: next(iter(member)),
)
def test_members_of_instances_are_refused(
    serverless: Serverless, member: dict[str, Any]
) -> None:  # fmt: skip
    message = serverless.refused(ProductionVariants=[serverless.variant(**member)])
    assert UNSUPPORTED in message
    assert next(iter(member)) in message


@pytest.mark.feature(REFUSED)
def test_several_variants_are_refused(serverless: Serverless) -> None:
    variants = [serverless.variant(), serverless.variant() | {"VariantName": "Other"}]
    assert "several production variants" in serverless.refused(ProductionVariants=variants)


@pytest.mark.feature(REFUSED)
def test_asynchronous_inference_is_refused(serverless: Serverless) -> None:
    settings = {"OutputConfig": {"S3OutputPath": "s3://data/out"}}
    assert "AsyncInferenceConfig" in serverless.refused(AsyncInferenceConfig=settings)


@pytest.mark.feature(REFUSED)
@pytest.mark.parametrize(
    ("message", "members"),
    [
        ("a model's VpcConfig", {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]}}),
        ("a model's EnableNetworkIsolation", {"EnableNetworkIsolation": True}),
        ("inference pipelines", {"Containers": [{"Image": IMAGE}, {"Image": IMAGE}]}),
        ("multi-model containers", {"PrimaryContainer": {
            "Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://data/"}}),
        ("ModelDataSource", {"PrimaryContainer": {
            "Image": IMAGE, "ModelDataSource": {"S3DataSource": {
                "S3Uri": "s3://data/", "S3DataType": "S3Prefix", "CompressionType": "None"}}}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_models_unsupported_by_serverless_are_refused(
    serverless: Serverless, message: str, members: dict[str, Any]
) -> None:
    container = {} if "Containers" in members else {"PrimaryContainer": {"Image": IMAGE}}
    serverless.stage.sagemaker.create_model(
        ModelName="odd", ExecutionRoleArn=ROLE, **(container | members)
    )
    variant = serverless.variant() | {"ModelName": "odd"}
    assert message in serverless.refused(ProductionVariants=[variant])
