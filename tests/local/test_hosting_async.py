"""Asynchronous endpoints through boto3: a queue, answers in S3, notices, scale to zero."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hosting_stage import CAPTURE, Stage, fresh, open_stage, refusal
from provider_bench import Bench

from sageloop.local_cloud.events.sns_delivery import SnsDelivery
from sageloop.local_cloud.sagemaker.hosting.asynchronous.settings import DEFAULT_CONCURRENCY

ENDPOINT = "serving: asynchronous endpoint"
NOTICES = "serving: asynchronous notices"
METRICS = "serving: backlog metrics"
ZERO = "serving: scale to zero and back"


class AsyncStage:
    """An endpoint stage, its topics and what they were told."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.cloud = stage.cloud
        SnsDelivery(stage.cloud).listen()
        self.sns = stage.cloud.client("sns", principal="tester")
        self.sqs = stage.cloud.client("sqs", principal="tester")
        self.topics = {name: self._topic(name) for name in ("success", "error")}

    def _topic(self, name: str) -> str:
        topic = str(self.sns.create_topic(Name=name)["TopicArn"])
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:123456789012:{name}"
        statement = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": arn,
        }  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
        )  # fmt: skip
        return topic

    def config(
        self, name: str = "async", count: int = 1, concurrency: int | None = 1,
        *, model: str = "winter", output: dict[str, Any] | None = None, **more: Any,
    ) -> str:  # fmt: skip
        notices = {"SuccessTopic": self.topics["success"], "ErrorTopic": self.topics["error"]}
        client = {} if concurrency is None else {
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": concurrency}
        }  # fmt: skip
        told = {
            "S3OutputPath": "s3://data/out/", "S3FailurePath": "s3://data/failed",
            "NotificationConfig": notices,
        } if output is None else output  # fmt: skip
        self.stage.config(
            name, model, count, AsyncInferenceConfig={"OutputConfig": told, **client}, **more
        )
        return name

    def endpoint(self, **config: Any) -> None:
        described = self.stage.endpoint(self.config(**config))
        assert described["EndpointStatus"] == "InService", described

    def ask(self, body: str | None = "hello", **more: Any) -> dict[str, Any]:
        inline = {} if body is None else {"Body": body}
        asked = {"ContentType": "text/csv", **inline, **more}
        answer: dict[str, Any] = self.stage.runtime.invoke_endpoint_async(
            EndpointName=self.stage.name, **asked
        )
        return answer

    def settle(self) -> None:
        assert self.cloud.settle(20) == []

    def read(self, location: str) -> str:
        return str(self.get(location)["Body"].read().decode())

    def get(self, location: str) -> dict[str, Any]:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        found: dict[str, Any] = self.stage.s3.get_object(Bucket=bucket, Key=key)
        return found

    def told(self, topic: str) -> list[dict[str, Any]]:
        url = self.sqs.get_queue_url(QueueName=topic)["QueueUrl"]
        received = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        messages = received.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def scale(self, count: int) -> None:
        self.stage.hosting.set_instance_count(self.stage.name, "AllTraffic", count)
        assert self.stage.rest()["ProductionVariants"][0]["CurrentInstanceCount"] == count

    def latest(self, metric: str) -> float | None:
        """The last sample of a metric of the endpoint as a whole."""
        now = self.cloud.clock.now()
        found = self.stage.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=metric, Period=60, Statistics=["Maximum"],
            StartTime=now.replace(year=now.year - 1), EndTime=now.replace(year=now.year + 1),
            Dimensions=[{"Name": "EndpointName", "Value": self.stage.name}],
        )["Datapoints"]  # fmt: skip
        return float(found[-1]["Maximum"]) if found else None

    def minute(self) -> None:
        self.cloud.clock.advance(60)
        self.settle()


@pytest.fixture(scope="module")
def opened() -> Iterator[AsyncStage]:
    with open_stage() as stage:
        yield AsyncStage(stage)


@pytest.fixture
def stage(opened: AsyncStage) -> Iterator[AsyncStage]:
    with fresh(opened.stage):
        yield opened
    for topic in opened.topics:
        opened.told(topic)


@pytest.mark.feature(ENDPOINT)
def test_request_is_queued_and_its_answer_lands_in_s3(stage: AsyncStage) -> None:
    stage.stage.s3.put_object(Bucket="data", Key="in/1.csv", Body=b"1,2,3")
    stage.endpoint()

    answer = stage.ask(None, InputLocation="s3://data/in/1.csv")

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["OutputLocation"].startswith("s3://data/out/")
    assert answer["OutputLocation"].endswith(".out")
    name = answer["OutputLocation"].removeprefix("s3://data/out/").removesuffix(".out")
    assert answer["FailureLocation"] == f"s3://data/failed/{name}-error.out"
    stage.settle()
    assert stage.read(answer["OutputLocation"]) == "echo 1,2,3"
    assert stage.get(answer["OutputLocation"])["ContentType"] == "text/csv; charset=utf-8"
    by = {c.principal for c in stage.cloud.recorder.calls() if "in/1.csv" in str(c.params)}
    assert any("assumed-role/model/" in principal for principal in by)


def test_inline_body_and_own_names_of_the_answer(stage: AsyncStage) -> None:
    stage.endpoint()

    answer = stage.ask(
        "id", InferenceId="flight-7", S3OutputPathExtension="2025/07", Filename="seven.csv"
    )

    assert answer["InferenceId"] == "flight-7"
    assert answer["OutputLocation"] == "s3://data/out/2025/07/seven.csv"
    assert answer["FailureLocation"] == "s3://data/failed/2025/07/seven-error.csv"
    stage.settle()
    assert stage.read(answer["OutputLocation"]) == "flight-7"


def test_input_location_may_be_an_https_address(stage: AsyncStage) -> None:
    stage.stage.s3.put_object(Bucket="data", Key="in/a b.csv", Body=b"x")
    stage.endpoint()

    answer = stage.ask(None, InputLocation="https://data.s3.us-east-1.amazonaws.com/in/a%20b.csv")
    stage.settle()

    assert stage.read(answer["OutputLocation"]) == "echo x"


def test_each_kind_of_endpoint_takes_its_own_requests_only(stage: AsyncStage) -> None:
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
    assert "not found" in refusal(stage.ask)[1]
    stage.stage.endpoint("one")

    code, message = refusal(stage.ask)

    assert code == "ValidationError"
    assert "only takes InvokeEndpoint" in message


@pytest.mark.feature("bad input: a request over the limit, asynchronous")
def test_wrong_requests_are_refused_at_once(stage: AsyncStage) -> None:
    stage.endpoint()

    def told(**asked: Any) -> str:
        code, message = refusal(stage.ask, body=None, **asked)
        assert code == "ValidationError"
        return message

    assert "Exactly one of Body and InputLocation" in told()
    assert "Exactly one of" in told(Body="x", InputLocation="s3://data/x")
    assert "less than or equal to 128000" in told(Body="x" * 128_001)
    assert "less than or equal to 3600" in told(Body="x", InvocationTimeoutSeconds=3601)
    assert "less than or equal to 21600" in told(Body="x", RequestTTLSeconds=21_601)
    assert "'filename' failed to satisfy" in told(Body="x", Filename="a/b")
    assert "is not a location in S3" in told(InputLocation="https://example.com/x")


def test_wrong_configurations_are_refused(stage: AsyncStage) -> None:
    variant = {"VariantName": "v", "ModelName": "winter", "InstanceType": "ml.m5.large",
               "InitialInstanceCount": 1}  # fmt: skip
    output = {"S3OutputPath": "s3://data/out"}
    create = stage.stage.sagemaker.create_endpoint_config

    def told(production: dict[str, Any], output: dict[str, Any], **more: Any) -> str:
        return refusal(
            create, EndpointConfigName="wrong", ProductionVariants=[production],
            AsyncInferenceConfig={"OutputConfig": output}, **more,
        )[1]  # fmt: skip

    serverless = {"VariantName": "v", "ModelName": "winter",
                  "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}  # fmt: skip
    assert "exclude each other" in told(serverless, output)
    shadow = {"ShadowProductionVariants": [variant | {"VariantName": "s"}]}
    assert "exclude each other" in told(variant, output, **shadow)
    assert "S3OutputPath must be specified" in told(variant, {})
    included = {"IncludeInferenceResponseIn": ["ERROR_NOTIFICATION_TOPIC"]}
    assert "no ErrorTopic" in told(variant, output | {"NotificationConfig": included})


@pytest.mark.feature(ENDPOINT)
def test_instance_takes_so_many_requests_at_once_and_no_more(stage: AsyncStage) -> None:
    stage.endpoint(concurrency=2)
    variant = stage.stage.hosting.router._lifecycle.live(stage.stage.name).fleet.variants

    for _ in range(5):
        stage.ask("sleep 0.3")

    assert variant["AllTraffic"].instances[0].outstanding == 2
    stage.settle()
    assert stage.stage.total("InvocationsProcesssed") == 5


def test_default_concurrency_is_used_where_none_is_given(stage: AsyncStage) -> None:
    stage.endpoint(concurrency=None)
    variant = stage.stage.hosting.router._lifecycle.live(stage.stage.name).fleet.variants

    for _ in range(DEFAULT_CONCURRENCY + 2):
        stage.ask("sleep 0.3")

    assert variant["AllTraffic"].instances[0].outstanding == DEFAULT_CONCURRENCY
    stage.settle()


@pytest.mark.feature(NOTICES)
def test_success_is_told_to_the_topic_in_awss_words(stage: AsyncStage) -> None:
    stage.stage.s3.put_object(Bucket="data", Key="in/2.csv", Body=b"4,5")
    stage.endpoint()

    answer = stage.ask(None, InputLocation="s3://data/in/2.csv", Accept="text/csv")
    stage.settle()

    [told] = stage.told("success")
    assert told.pop("eventTime") >= told.pop("receivedTime")
    assert told == {
        "awsRegion": "us-east-1",
        "invocationStatus": "Completed",
        "requestParameters": {
            "accept": "text/csv", "contentType": "text/csv", "endpointName": stage.stage.name,
            "inputLocation": "s3://data/in/2.csv",
        },
        "responseParameters": {
            "contentType": "text/csv; charset=utf-8", "outputLocation": answer["OutputLocation"],
        },
        "inferenceId": answer["InferenceId"],
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }  # fmt: skip
    assert stage.told("error") == []


@pytest.mark.feature(NOTICES)
@pytest.mark.parametrize(("status", "side"), [(400, "client"), (500, "server")])
def test_failure_of_the_model_is_stored_told_and_not_retried(
    stage: AsyncStage, status: int, side: str
) -> None:
    stage.endpoint()

    answer = stage.ask(f"status {status}")
    stage.settle()

    [told] = stage.told("error")
    assert told["invocationStatus"] == "Failed"
    assert told["failureReason"] == (
        f"ClientError: Received {side} error ({status}) from model. See the SageMaker Endpoint "
        "logs in your account for more information."
    )
    assert told["responseParameters"]["failureLocation"] == answer["FailureLocation"]
    assert "outputLocation" not in told["responseParameters"]
    assert stage.read(answer["FailureLocation"]) == "the model says no"
    assert stage.stage.total(f"Invocation{status // 100}XXErrors") == 1
    assert stage.stage.total("InvocationFailures") == 1
    logs = stage.cloud.client("logs", principal="tester")
    group = f"/aws/sagemaker/Endpoints/{stage.stage.name}"
    streams = [s["logStreamName"] for s in
               logs.describe_log_streams(logGroupName=group)["logStreams"]]  # fmt: skip
    [stream] = [name for name in streams if name.endswith("/data-log")]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
    assert f"[{answer['InferenceId']}]" in events[0]["message"]


@pytest.mark.feature(NOTICES)
def test_response_is_included_in_notices_up_to_128_kb(stage: AsyncStage) -> None:
    topics = {"SuccessTopic": stage.topics["success"], "ErrorTopic": stage.topics["error"],
              "IncludeInferenceResponseIn":
                  ["SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"]}  # fmt: skip
    stage.endpoint(output={"NotificationConfig": topics})

    answer = stage.ask("model")
    stage.ask("status 500")
    stage.settle()

    assert "OutputLocation" not in answer
    [told] = stage.told("success")
    assert told["responseBody"]["encoding"] == "BASE64"
    assert base64.b64decode(told["responseBody"]["content"]) == b"winter"
    [failed] = stage.told("error")
    assert base64.b64decode(failed["responseBody"]["content"]) == b"the model says no"
    stage.ask("big")
    stage.settle()
    [large] = stage.told("success")
    assert "responseBody" not in large


def test_notice_that_cannot_be_sent_is_counted(stage: AsyncStage) -> None:
    gone = {"SuccessTopic": "arn:aws:sns:us-east-1:123456789012:gone"}
    stage.endpoint(output={"S3OutputPath": "s3://data/out", "NotificationConfig": gone})

    answer = stage.ask()
    stage.settle()

    assert stage.read(answer["OutputLocation"]) == "echo hello"
    assert stage.stage.total("NotificationFailures") == 1


def test_missing_input_and_output_bucket_fail_the_request(stage: AsyncStage) -> None:
    stage.endpoint(
        output={"S3OutputPath": "s3://not-there/out",
                "NotificationConfig": {"ErrorTopic": stage.topics["error"]}}
    )  # fmt: skip

    stage.ask(None, InputLocation="s3://data/not-there")
    stage.settle()
    [told] = stage.told("error")
    assert told["failureReason"].startswith("ClientError: Data download failed")
    assert stage.stage.total("RequestDownloadFailures") == 1

    stage.ask("x")
    stage.settle()
    [told] = stage.told("error")
    assert "NoSuchBucket" in told["failureReason"]
    assert stage.stage.total("ResponseUploadFailures") == 1


@pytest.mark.feature("bad input: a model that answers late, asynchronous")
def test_late_answer_times_out_and_is_not_retried(stage: AsyncStage) -> None:
    stage.endpoint()

    stage.ask("sleep 3", InvocationTimeoutSeconds=1)
    stage.settle()

    [told] = stage.told("error")
    assert "timed out after 1 seconds" in told["failureReason"]


def test_request_of_a_dead_worker_is_tried_again_and_not_forever(stage: AsyncStage) -> None:
    stage.endpoint()

    stage.ask("die")
    survivor = stage.ask("hello")
    stage.settle()

    [told] = stage.told("error")
    assert "broke the connection 3 times" in told["failureReason"]
    assert stage.read(survivor["OutputLocation"]) == "echo hello"


@pytest.mark.feature(ZERO)
def test_requests_wait_at_zero_instances_and_are_served_when_one_comes(stage: AsyncStage) -> None:
    stage.endpoint()
    stage.scale(0)

    answers = [stage.ask(f"{n}") for n in range(3)]
    stage.settle()  # what waits without capacity is not in flight

    assert stage.told("success") == []
    stage.scale(1)
    stage.settle()
    assert [stage.read(a["OutputLocation"]) for a in answers] == ["echo 0", "echo 1", "echo 2"]


@pytest.mark.feature(ZERO)
def test_only_asynchronous_variants_go_to_zero(stage: AsyncStage) -> None:
    stage.stage.endpoint("one")

    code, message = refusal(
        stage.stage.sagemaker.update_endpoint_weights_and_capacities,
        EndpointName=stage.stage.name,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}],
    )

    assert code == "ValidationException"
    assert "at least 1, got 0" in message


@pytest.mark.feature(METRICS)
def test_backlog_is_measured_each_minute(stage: AsyncStage) -> None:
    stage.endpoint()
    stage.minute()
    assert stage.latest("ApproximateBacklogSize") == 0
    assert stage.latest("ApproximateBacklogSizePerInstance") == 0
    assert stage.latest("HasBacklogWithoutCapacity") == 0

    stage.scale(0)
    for _ in range(4):
        stage.ask("hello")
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
def test_only_awss_metrics_of_asynchronous_endpoints_are_published(stage: AsyncStage) -> None:
    stage.stage.s3.put_object(Bucket="data", Key="in/3.csv", Body=b"4,5")
    stage.endpoint()

    stage.ask(None, InputLocation="s3://data/in/3.csv")
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


def test_request_expires_in_the_queue_on_the_virtual_clock(stage: AsyncStage) -> None:
    stage.endpoint()
    stage.scale(0)
    answer = stage.ask("hello", RequestTTLSeconds=60)
    kept = stage.ask("hello", RequestTTLSeconds=600)

    stage.minute()
    stage.settle()

    [told] = stage.told("error")
    assert told["invocationStatus"] == "Expired"
    assert told["inferenceId"] == answer["InferenceId"]
    assert stage.stage.total("ExpiredRequests") == 1
    assert "RequestTTLSeconds" in stage.read(answer["FailureLocation"])
    stage.scale(1)
    stage.settle()
    assert stage.read(kept["OutputLocation"]) == "echo hello"


def test_queue_survives_an_update_of_the_endpoint(stage: AsyncStage) -> None:
    stage.stage.model("summer")
    stage.endpoint()
    stage.scale(0)
    answers = [stage.ask("model") for _ in range(3)]
    stage.config("next", model="summer")

    stage.stage.sagemaker.update_endpoint(EndpointName=stage.stage.name, EndpointConfigName="next")
    assert stage.stage.rest()["EndpointConfigName"] == "next"
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
def test_update_keeps_an_endpoint_at_zero_where_capacity_is_retained(
    stage: AsyncStage, policy: dict[str, Any]
) -> None:
    stage.endpoint()
    stage.scale(0)
    answer = stage.ask("hello")
    stage.config("next")

    stage.stage.sagemaker.update_endpoint(
        EndpointName=stage.stage.name, EndpointConfigName="next", RetainAllVariantProperties=True,
        DeploymentConfig=policy,
    )  # fmt: skip

    described = stage.stage.rest()
    assert described["EndpointConfigName"] == "next", described
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    stage.scale(1)
    stage.settle()
    assert stage.read(answer["OutputLocation"]) == "echo hello"


@pytest.mark.feature("load: scaling in an asynchronous endpoint loses nothing")
def test_scale_in_drains_and_loses_nothing(stage: AsyncStage) -> None:
    stage.endpoint(count=2)
    answers = [stage.ask(f"sleep 0.{n}") for n in range(1, 7)]

    stage.scale(1)
    stage.settle()

    bodies = [stage.read(a["OutputLocation"]) for a in answers]
    assert bodies == [f"echo sleep 0.{n}" for n in range(1, 7)]


def test_deleted_endpoint_takes_its_queue_with_it(stage: AsyncStage) -> None:
    stage.endpoint()
    stage.scale(0)
    stage.ask("hello")
    stage.stage.sagemaker.delete_endpoint(EndpointName=stage.stage.name)
    stage.stage.rest()

    stage.stage.endpoint("async")
    stage.minute()

    assert stage.latest("ApproximateBacklogSize") == 0
    assert stage.told("success") == []


@pytest.mark.feature("capture: asynchronous endpoint")
def test_asynchronous_exchanges_are_captured(stage: AsyncStage) -> None:
    stage.endpoint(DataCaptureConfig=CAPTURE)

    stage.ask("7,8")
    stage.settle()

    prefix = f"captured/{stage.stage.name}/AllTraffic/"
    found = stage.stage.s3.list_objects_v2(Bucket="data", Prefix=prefix)["Contents"]
    assert "7,8" in stage.read(f"s3://data/{found[0]['Key']}")


def test_template_makes_an_asynchronous_configuration(stage: AsyncStage) -> None:
    variant = {"VariantName": "v", "ModelName": "winter", "InstanceType": "ml.m5.large",
               "InitialInstanceCount": "1", "InitialVariantWeight": "1.0"}  # fmt: skip
    output = {"S3OutputPath": "s3://data/out", "S3FailurePath": "s3://data/failed",
              "NotificationConfig": {"SuccessTopic": stage.topics["success"]}}  # fmt: skip
    given = {
        "OutputConfig": output, "ClientConfig": {"MaxConcurrentInvocationsPerInstance": "3"}
    }  # fmt: skip

    made = Bench(stage.cloud).create(
        "AWS::SageMaker::EndpointConfig",
        {"ProductionVariants": [variant], "AsyncInferenceConfig": given},
    )

    described = stage.stage.sagemaker.describe_endpoint_config(
        EndpointConfigName=made["EndpointConfigName"]
    )["AsyncInferenceConfig"]
    assert described["OutputConfig"] == output
    assert described["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 3}
