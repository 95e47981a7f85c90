"""Asynchronous endpoints through boto3: requests, results in S3, notifications, failures."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from async_stage import AsyncStage, opened, stage  # noqa: F401 - fixtures are found by name
from hosting_stage import refusal
from roles import USER

from sageloop.local_cloud.sagemaker.hosting.asynchronous.settings import DEFAULT_CONCURRENCY

ENDPOINT = "serving: asynchronous endpoint"
NOTICES = "serving: asynchronous notices"


@pytest.mark.feature(ENDPOINT)
def test_request_is_queued_and_response_is_stored_in_s3(stage: AsyncStage) -> None:
    stage.stage.s3.put_object(Bucket="data", Key="in/1.csv", Body=b"1,2,3")
    stage.endpoint()

    response = stage.invoke(None, InputLocation="s3://data/in/1.csv")

    assert response["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert response["OutputLocation"].startswith("s3://data/out/")
    assert response["OutputLocation"].endswith(".out")
    name = response["OutputLocation"].removeprefix("s3://data/out/").removesuffix(".out")
    assert response["FailureLocation"] == f"s3://data/failed/{name}-error.out"
    stage.settle()
    assert stage.read(response["OutputLocation"]) == "echo 1,2,3"
    assert stage.get(response["OutputLocation"])["ContentType"] == "text/csv; charset=utf-8"
    by = {c.principal for c in stage.cloud.recorder.calls() if "in/1.csv" in str(c.params)}
    assert any("assumed-role/model/" in principal for principal in by)


def test_inline_body_and_output_file_name_are_supported(stage: AsyncStage) -> None:
    stage.endpoint()

    response = stage.invoke(
        "id", InferenceId="flight-7", S3OutputPathExtension="2025/07", Filename="seven.csv"
    )

    assert response["InferenceId"] == "flight-7"
    assert response["OutputLocation"] == "s3://data/out/2025/07/seven.csv"
    assert response["FailureLocation"] == "s3://data/failed/2025/07/seven-error.csv"
    stage.settle()
    assert stage.read(response["OutputLocation"]) == "flight-7"


def test_input_location_may_be_an_https_url(stage: AsyncStage) -> None:
    stage.stage.s3.put_object(Bucket="data", Key="in/a b.csv", Body=b"x")
    stage.endpoint()

    response = stage.invoke(
        None, InputLocation="https://data.s3.us-east-1.amazonaws.com/in/a%20b.csv"
    )
    stage.settle()

    assert stage.read(response["OutputLocation"]) == "echo x"


def test_asynchronous_endpoint_refuses_real_time_requests(stage: AsyncStage) -> None:
    stage.endpoint()
    assert "only takes InvokeEndpointAsync" in refusal(stage.stage.invoke)[1]
    described = stage.stage.sagemaker.describe_endpoint(EndpointName=stage.stage.name)
    assert described["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"] == "s3://data/out/"

    code, message = refusal(
        stage.stage.sagemaker.update_endpoint,
        EndpointName=stage.stage.name, EndpointConfigName="one",
    )  # fmt: skip
    assert code == "ValidationException"
    assert "AsyncInferenceConfig parameter cannot be removed" in message


def test_real_time_endpoint_refuses_asynchronous_requests(stage: AsyncStage) -> None:
    assert "not found" in refusal(stage.invoke)[1]
    stage.stage.endpoint("one")

    code, message = refusal(stage.invoke)

    assert code == "ValidationError"
    assert "only takes InvokeEndpoint" in message


@pytest.mark.feature("bad input: a request over the limit, asynchronous")
def test_invalid_requests_are_refused(stage: AsyncStage) -> None:
    stage.endpoint()

    def refusal_message(**parameters: Any) -> str:
        code, message = refusal(stage.invoke, body=None, **parameters)
        assert code == "ValidationError"
        return message

    assert "Exactly one of Body and InputLocation" in refusal_message()
    assert "Exactly one of" in refusal_message(Body="x", InputLocation="s3://data/x")
    assert "less than or equal to 128000" in refusal_message(Body="x" * 128_001)
    assert "less than or equal to 3600" in refusal_message(Body="x", InvocationTimeoutSeconds=3601)
    assert "less than or equal to 21600" in refusal_message(Body="x", RequestTTLSeconds=21_601)
    assert "'filename' failed to satisfy" in refusal_message(Body="x", Filename="a/b")
    assert "is not a location in S3" in refusal_message(InputLocation="https://example.com/x")


def test_invalid_configurations_are_refused(stage: AsyncStage) -> None:
    variant = {"VariantName": "v", "ModelName": "winter", "InstanceType": "ml.m5.large",
               "InitialInstanceCount": 1}  # fmt: skip
    output = {"S3OutputPath": "s3://data/out"}
    create = stage.stage.sagemaker.create_endpoint_config

    def refusal_message(production: dict[str, Any], output: dict[str, Any], **more: Any) -> str:
        return refusal(
            create, EndpointConfigName="wrong", ProductionVariants=[production],
            AsyncInferenceConfig={"OutputConfig": output}, **more,
        )[1]  # fmt: skip

    serverless = {"VariantName": "v", "ModelName": "winter",
                  "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}  # fmt: skip
    assert "not combined with AsyncInferenceConfig" in refusal_message(serverless, output)
    shadow = {"ShadowProductionVariants": [variant | {"VariantName": "s"}]}
    assert "cannot be combined" in refusal_message(variant, output, **shadow)
    assert "S3OutputPath must be specified" in refusal_message(variant, {})
    included = {"IncludeInferenceResponseIn": ["ERROR_NOTIFICATION_TOPIC"]}
    assert "no ErrorTopic" in refusal_message(variant, output | {"NotificationConfig": included})


@pytest.mark.feature(ENDPOINT)
def test_instance_concurrency_is_limited_by_client_config(stage: AsyncStage) -> None:
    stage.endpoint(concurrency=2)
    variant = stage.stage.hosting.router._lifecycle.live(stage.stage.name).fleet.variants

    for _ in range(5):
        stage.invoke("sleep 0.3")

    assert variant["AllTraffic"].instances[0].outstanding == 2
    stage.settle()
    assert stage.stage.total("InvocationsProcesssed") == 5


def test_default_concurrency_is_used_without_client_config(stage: AsyncStage) -> None:
    stage.endpoint(concurrency=None)
    variant = stage.stage.hosting.router._lifecycle.live(stage.stage.name).fleet.variants

    for _ in range(DEFAULT_CONCURRENCY + 2):
        stage.invoke("sleep 0.3")

    assert variant["AllTraffic"].instances[0].outstanding == DEFAULT_CONCURRENCY
    stage.settle()


@pytest.mark.feature(NOTICES)
def test_success_is_notified_in_aws_format(stage: AsyncStage) -> None:
    stage.stage.s3.put_object(Bucket="data", Key="in/2.csv", Body=b"4,5")
    stage.endpoint()

    response = stage.invoke(None, InputLocation="s3://data/in/2.csv", Accept="text/csv")
    stage.settle()

    [notification] = stage.notifications("success")
    assert notification.pop("eventTime") >= notification.pop("receivedTime")
    assert notification == {
        "awsRegion": "us-east-1",
        "invocationStatus": "Completed",
        "requestParameters": {
            "accept": "text/csv", "contentType": "text/csv", "endpointName": stage.stage.name,
            "inputLocation": "s3://data/in/2.csv",
        },
        "responseParameters": {
            "contentType": "text/csv; charset=utf-8", "outputLocation": response["OutputLocation"],
        },
        "inferenceId": response["InferenceId"],
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }  # fmt: skip
    assert stage.notifications("error") == []


@pytest.mark.feature(NOTICES)
@pytest.mark.parametrize(("status", "side"), [(400, "client"), (500, "server")])
def test_model_failure_is_stored_and_notified_without_retry(
    stage: AsyncStage, status: int, side: str
) -> None:
    stage.endpoint()

    response = stage.invoke(f"status {status}")
    stage.settle()

    [notification] = stage.notifications("error")
    assert notification["invocationStatus"] == "Failed"
    assert notification["failureReason"] == (
        f"ClientError: Received {side} error ({status}) from model. See the SageMaker Endpoint "
        "logs in your account for more information."
    )
    assert notification["responseParameters"]["failureLocation"] == response["FailureLocation"]
    assert "outputLocation" not in notification["responseParameters"]
    assert stage.read(response["FailureLocation"]) == "the model failed"
    assert stage.stage.total(f"Invocation{status // 100}XXErrors") == 1
    assert stage.stage.total("InvocationFailures") == 1
    logs = stage.cloud.client("logs", principal=USER)
    group = f"/aws/sagemaker/Endpoints/{stage.stage.name}"
    streams = [s["logStreamName"] for s in
               logs.describe_log_streams(logGroupName=group)["logStreams"]]  # fmt: skip
    [stream] = [name for name in streams if name.endswith("/data-log")]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
    assert f"[{response['InferenceId']}]" in events[0]["message"]


@pytest.mark.feature(NOTICES)
def test_response_up_to_128_kb_is_included_in_notifications(stage: AsyncStage) -> None:
    topics = {"SuccessTopic": stage.topics["success"], "ErrorTopic": stage.topics["error"],
              "IncludeInferenceResponseIn":
                  ["SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"]}  # fmt: skip
    stage.endpoint(output={"NotificationConfig": topics})

    response = stage.invoke("model")
    stage.invoke("status 500")
    stage.settle()

    assert "OutputLocation" not in response
    [notification] = stage.notifications("success")
    assert notification["responseBody"]["encoding"] == "BASE64"
    assert base64.b64decode(notification["responseBody"]["content"]) == b"winter"
    [failed] = stage.notifications("error")
    assert base64.b64decode(failed["responseBody"]["content"]) == b"the model failed"
    stage.invoke("big")
    stage.settle()
    [large] = stage.notifications("success")
    assert "responseBody" not in large


def test_failed_notification_is_counted(stage: AsyncStage) -> None:
    gone = {"SuccessTopic": "arn:aws:sns:us-east-1:123456789012:gone"}
    stage.endpoint(output={"S3OutputPath": "s3://data/out", "NotificationConfig": gone})

    response = stage.invoke()
    stage.settle()

    assert stage.read(response["OutputLocation"]) == "echo hello"
    assert stage.stage.total("NotificationFailures") == 1


def test_missing_input_or_output_bucket_fails_the_request(stage: AsyncStage) -> None:
    stage.endpoint(
        output={"S3OutputPath": "s3://not-there/out",
                "NotificationConfig": {"ErrorTopic": stage.topics["error"]}}
    )  # fmt: skip

    stage.invoke(None, InputLocation="s3://data/not-there")
    stage.settle()
    [notification] = stage.notifications("error")
    assert notification["failureReason"].startswith("ClientError: Data download failed")
    assert stage.stage.total("RequestDownloadFailures") == 1

    stage.invoke("x")
    stage.settle()
    [notification] = stage.notifications("error")
    assert "NoSuchBucket" in notification["failureReason"]
    assert stage.stage.total("ResponseUploadFailures") == 1


@pytest.mark.feature("bad input: invocation timeout, asynchronous")
def test_invocation_timeout_is_not_retried(stage: AsyncStage) -> None:
    stage.endpoint()

    stage.invoke("sleep 3", InvocationTimeoutSeconds=1)
    stage.settle()

    [notification] = stage.notifications("error")
    assert "timed out after 1 seconds" in notification["failureReason"]


def test_request_of_exited_worker_is_retried_a_limited_number_of_times(stage: AsyncStage) -> None:
    stage.endpoint()

    stage.invoke("die")
    survivor = stage.invoke("hello")
    stage.settle()

    [notification] = stage.notifications("error")
    assert "broke the connection 3 times" in notification["failureReason"]
    assert stage.read(survivor["OutputLocation"]) == "echo hello"
