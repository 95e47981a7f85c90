"""Endpoints through boto3: processes behind a router."""

from __future__ import annotations

import json
import threading

import pytest
from hosting_stage import CAPTURE, IMAGE, ROLE, Stage, open_stage, opened, refusal, stage
from roles import USER

from sageloop.local_cloud.sagemaker.hosting.timing import Timing

__all__ = ["opened", "stage"]


@pytest.mark.feature("serving: real-time endpoint")
def test_created_endpoint_serves_its_model_and_is_described(stage: Stage) -> None:
    described = stage.endpoint()

    assert described["EndpointStatus"] == "InService"
    described = stage.sagemaker.describe_endpoint(EndpointName=stage.name)
    variant = described["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["DesiredWeight"]) == (1, 1.0)
    assert variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert "PendingDeploymentSummary" not in described
    assert stage.invoke("model") == "winter"
    assert stage.invoke("env") == "brr"
    assert stage.events.statuses() == ["CREATING", "IN_SERVICE"]


@pytest.mark.feature("serving: the role's credentials and /opt/ml")
def test_instance_has_role_credentials_and_private_opt_ml(stage: Stage) -> None:
    stage.endpoint()

    assert stage.cloud.keys.caller(stage.invoke("role")).name.endswith("/model/SageMaker")
    assert stage.invoke("opt") in ("model", "")


@pytest.mark.feature("serving: log streams of instances")
def test_instance_output_is_written_to_its_log_stream(stage: Stage) -> None:
    stage.endpoint()
    assert stage.cloud.settle(180) == []

    logs = stage.cloud.client("logs", principal=USER)
    group = f"/aws/sagemaker/Endpoints/{stage.name}"
    stream = logs.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
    assert stream.startswith("AllTraffic/i-")
    events = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
    assert events[0]["message"] == "listening"


@pytest.mark.feature("serving: headers of the request and of the response")
def test_invocation_passes_headers_and_publishes_metrics(stage: Stage) -> None:
    stage.endpoint()

    response = stage.runtime.invoke_endpoint(
        EndpointName=stage.name, Body="id", InferenceId="n-1", CustomAttributes="a=b"
    )

    assert response["Body"].read() == b"n-1"
    assert response["InvokedProductionVariant"] == "AllTraffic"
    assert response["CustomAttributes"] == "a=b"
    assert response["ContentType"] == "text/csv; charset=utf-8"
    assert stage.total("Invocations") == 1
    assert stage.total("Invocations", EndpointConfigName="one") == 1
    assert stage.total("ModelLatency") > 0
    assert stage.total("Invocation5XXErrors") == 0


@pytest.mark.feature("serving: ModelError and its fields")
@pytest.mark.parametrize(("status", "side"), [(415, "client"), (500, "server")])
def test_error_response_of_container_is_a_model_error(stage: Stage, status: int, side: str) -> None:
    stage.endpoint()

    with pytest.raises(stage.runtime.exceptions.ModelError) as caught:
        stage.invoke(f"status {status}")

    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == status
    assert response["OriginalMessage"] == "the model failed"
    assert ":log-stream:AllTraffic/i-" in response["LogStreamArn"]
    assert f"Received {side} error ({status}) from primary" in response["Error"]["Message"]
    assert stage.total(f"Invocation{status // 100}XXErrors") == 1
    assert stage.total("InvocationModelErrors") == 1


@pytest.mark.feature("serving: timeout of an invocation")
def test_slow_invocation_times_out(stage: Stage) -> None:
    stage.hosting.timing = Timing(invocation=0.2)
    stage.endpoint()

    assert "timed out" in refusal(stage.invoke, body="sleep 5")[1]


def test_payloads_above_six_megabytes_are_refused(stage: Stage) -> None:
    stage.endpoint()

    assert refusal(stage.invoke, body="x" * 6_291_457)[0] == "ValidationError"
    assert "exceeds the limit of 6291456" in refusal(stage.invoke, body="big")[1]


def test_unknown_endpoint_and_variant_are_refused(stage: Stage) -> None:
    assert refusal(stage.invoke) == (
        "ValidationError", f"Endpoint {stage.name} of account 123456789012 not found.",
    )  # fmt: skip
    stage.endpoint()
    assert "Variant v2 not found" in refusal(stage.invoke, TargetVariant="v2")[1]
    assert refusal(stage.invoke, SessionId="s")[0] == "NotImplemented"


@pytest.mark.feature("capture: files in S3")
def test_data_capture_is_written_to_s3(stage: Stage) -> None:
    stage.config("captured", "winter", DataCaptureConfig=CAPTURE)
    described = stage.endpoint("captured")
    assert described["DataCaptureConfig"]["CaptureStatus"] == "Started"

    stage.invoke("1,2", InferenceId="flight-7")
    stage.invoke("3,4", CustomAttributes="x")
    hour = f"{stage.cloud.clock.now():%Y/%m/%d/%H/}"
    assert stage.cloud.settle(180) == []

    prefix = f"captured/{stage.name}/AllTraffic/{hour}"
    listing = stage.s3.list_objects_v2(Bucket="data", Prefix=prefix)["Contents"]
    body = stage.s3.get_object(Bucket="data", Key=listing[0]["Key"])["Body"].read().decode()
    first, second = [json.loads(line) for line in body.splitlines()]
    assert first["captureData"]["endpointInput"] == {
        "observedContentType": "text/csv", "mode": "INPUT", "data": "1,2", "encoding": "CSV",
    }  # fmt: skip
    assert first["captureData"]["endpointOutput"]["data"] == "echo 1,2"
    assert first["eventMetadata"]["inferenceId"] == "flight-7"
    assert second["eventMetadata"]["customAttributes"] == ["x"]
    puts = [
        c for c in stage.cloud.recorder if c.action == "s3:PutObject" and "captured" in c.resource
    ]
    assert puts[0].principal.endswith("assumed-role/model/service")


def test_failed_ping_fails_the_endpoint(stage: Stage) -> None:
    stage.hosting.timing = Timing(startup_cap=0.5, terminate=2)
    stage.model("mute", PING="broken")
    stage.config("mute", "mute", count=2)

    described = stage.endpoint("mute")

    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"] == (
        "The primary container for production variant AllTraffic did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint."
    )
    assert stage.cloud.processes.running() == {}
    update = {"EndpointName": stage.name, "EndpointConfigName": "one"}
    assert "can only be deleted" in refusal(stage.sagemaker.update_endpoint, **update)[1]
    stage.sagemaker.delete_endpoint(EndpointName=stage.name)
    assert stage.wait_until_stable()["EndpointStatus"] == "Deleted"


def test_exited_container_fails_the_endpoint_at_once(stage: Stage) -> None:
    stage.model("gone", START="exit")
    stage.config("gone", "gone")

    assert stage.endpoint("gone")["EndpointStatus"] == "Failed"


def test_missing_artifact_is_named_in_failure_reason(stage: Stage) -> None:
    stage.s3.delete_object(Bucket="data", Key="winter.tar.gz")

    reason = stage.endpoint()["FailureReason"]

    assert 'from URL: "s3://data/winter.tar.gz"' in reason


@pytest.mark.feature("serving: restart of an exited worker")
def test_exited_worker_is_restarted(stage: Stage) -> None:
    stage.endpoint()
    before = stage.invoke("pid")

    assert "could not load the entire response body" in refusal(stage.invoke, body="die")[1]
    assert stage.cloud.settle(180) == []

    assert stage.invoke("pid") != before
    assert stage.wait_until_stable()["EndpointStatus"] == "InService"


def test_injected_fault_kills_an_instance_that_is_restarted(stage: Stage) -> None:
    fault = stage.cloud.faults.inject(kind="process", match=f"endpoint:{stage.name}")

    stage.endpoint()
    stage.cloud.settle(180)

    assert fault.struck == 1
    assert stage.invoke() == "echo hello"


def test_deleted_endpoint_ends_its_processes(stage: Stage) -> None:
    stage.endpoint()

    stage.sagemaker.delete_endpoint(EndpointName=stage.name)

    assert stage.wait_until_stable()["EndpointStatus"] == "Deleted"
    assert stage.cloud.processes.running() == {}
    assert (
        'Could not find endpoint "arn:aws'
        in refusal(stage.sagemaker.describe_endpoint, EndpointName=stage.name)[1]
    )
    assert stage.events.statuses()[-1] == "DELETING"


def test_endpoint_in_progress_cannot_be_updated_or_deleted(stage: Stage) -> None:
    stage.sagemaker.create_endpoint(EndpointName=stage.name, EndpointConfigName="one")

    for call, more in (
        (stage.sagemaker.delete_endpoint, {}),
        (stage.sagemaker.update_endpoint, {"EndpointConfigName": "one"}),
    ):
        code, message = refusal(call, EndpointName=stage.name, **more)
        assert code == "ValidationException"
        assert message.startswith('Cannot update in-progress endpoint "arn:aws:sagemaker')
    stage.wait_until_stable()


def test_existing_and_missing_names_are_refused_with_aws_messages(stage: Stage) -> None:
    stage.endpoint()

    create = {"EndpointName": stage.name, "EndpointConfigName": "one"}
    assert (
        "Cannot create already existing endpoint"
        in refusal(stage.sagemaker.create_endpoint, **create)[1]
    )
    update = {"EndpointName": stage.name, "EndpointConfigName": "none"}
    assert (
        "Could not find endpoint configuration"
        in refusal(stage.sagemaker.update_endpoint, **update)[1]
    )
    assert "Could not find model" in refusal(stage.config, name="x", model="none")[1]


def test_endpoint_whose_configuration_was_deleted_serves_and_cannot_be_updated(
    stage: Stage,
) -> None:
    """terraform-provider-aws #40048: the message names the present configuration."""
    stage.endpoint()
    stage.config("two", "winter")
    stage.sagemaker.delete_endpoint_config(EndpointConfigName="one")

    code, message = refusal(
        stage.sagemaker.update_endpoint, EndpointName=stage.name, EndpointConfigName="two"
    )

    assert code == "ValidationException"
    assert message.startswith("Could not find endpoint configuration")
    assert message.endswith('endpoint-config/one".')
    assert stage.invoke("model") == "winter"
    assert stage.wait_until_stable()["EndpointStatus"] == "InService"


def test_configuration_whose_model_was_deleted_cannot_be_deployed(stage: Stage) -> None:
    stage.endpoint()
    stage.model("summer")
    stage.config("two", "summer")
    stage.sagemaker.delete_model(ModelName="summer")

    for call, name in (
        (stage.sagemaker.update_endpoint, stage.name),
        (stage.sagemaker.create_endpoint, "another"),
    ):
        code, message = refusal(call, EndpointName=name, EndpointConfigName="two")
        assert code == "ValidationException"
        assert message.startswith("Could not find model")
        assert "model/summer" in message
    assert stage.sagemaker.list_endpoints(NameContains="another")["Endpoints"] == []


@pytest.mark.feature("bad input: image without a local server")
def test_unsupported_features_are_refused(stage: Stage) -> None:
    stage.sagemaker.create_model(
        ModelName="foreign", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "elsewhere/image:1"}
    )
    stage.config("foreign", "foreign")
    create = {"EndpointName": "f", "EndpointConfigName": "foreign"}
    code, message = refusal(stage.sagemaker.create_endpoint, **create)
    assert code == "NotImplemented"
    assert "elsewhere/image:1" in message

    variant = {
        "VariantName": "v", "ModelName": "winter", "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large", "AcceleratorType": "ml.eia1.medium",
    }  # fmt: skip
    code, message = refusal(
        stage.sagemaker.create_endpoint_config, EndpointConfigName="s",
        ProductionVariants=[variant],
    )  # fmt: skip
    assert "AcceleratorType" in message


@pytest.mark.feature("serving: capacity changed without a deployment")
def test_capacity_and_weights_are_updated_without_a_deployment(stage: Stage) -> None:
    stage.endpoint()

    stage.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=stage.name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "AllTraffic", "DesiredInstanceCount": 3, "DesiredWeight": 0.5}
        ],
    )
    described = stage.wait_until_stable()

    variant = described["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (3, 0.5)
    assert len({stage.invoke("pid") for _ in range(60)}) == 3
    stage.hosting.set_instance_count(stage.name, "AllTraffic", 1)
    assert stage.wait_until_stable()["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert len(stage.cloud.processes.running()) == 1


@pytest.mark.feature("serving: target variant")
def test_requests_are_routed_by_weight_and_by_target_variant(stage: Stage) -> None:
    stage.model("summer")
    stage.sagemaker.create_endpoint_config(
        EndpointConfigName="both",
        ProductionVariants=[
            {
                "VariantName": name, "ModelName": name, "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large", "InitialVariantWeight": weight,
            }
            for name, weight in (("winter", 3.0), ("summer", 1.0))
        ],
    )  # fmt: skip
    stage.endpoint("both")

    responses = [stage.invoke("model") for _ in range(200)]

    assert 110 < responses.count("winter") < 190
    assert {stage.invoke("model", TargetVariant="summer") for _ in range(5)} == {"summer"}


def test_endpoints_are_listed_by_status(stage: Stage) -> None:
    stage.endpoint()

    listed = stage.sagemaker.list_endpoints(StatusEquals="InService", NameContains="E")

    assert [e["EndpointName"] for e in listed["Endpoints"]] == [stage.name]
    assert stage.sagemaker.list_endpoint_configs()["EndpointConfigs"][0]["EndpointConfigName"]


def test_stopping_the_cloud_releases_waiters() -> None:
    with open_stage() as stage:
        stage.begin("stopped")
        stage.model("mute", PING="broken")
        stage.config("mute", "mute")
        stage.sagemaker.create_endpoint(EndpointName="stopped", EndpointConfigName="mute")
        waiter = threading.Thread(target=stage.hosting.wait_endpoint, args=("stopped",))
        waiter.start()

        stage.cloud.stop()

        waiter.join(10)
        assert not waiter.is_alive()
