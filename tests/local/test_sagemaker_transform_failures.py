"""Batch transform: failures, stop and refused requests."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.local.job_stage import ROLE, Stage, no_faults, refusal, stage, statuses
from tests.local.transform_stage import Batch, batch

__all__ = ["batch", "no_faults", "stage"]

SEE_LOGS = "See job logs for more information"


@pytest.mark.feature("training family: batch transform: failing object")
def test_failed_object_fails_the_job_after_writing_the_others(batch: Batch) -> None:
    spec = batch.request(
        batch.model(STATUS="415"), {"a": "1\n", "b": "bad\n", "c": "3\n"}, InstanceCount=1
    )
    job = batch.run(spec)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == f"ClientError: {SEE_LOGS}"
    assert sorted(batch.output(spec)) == ["a.out", "c.out"]
    place = f"[sagemaker logs]: job-tests/{spec['TransformJobName']}/in/b: "
    lines = [line.split(place)[1] for line in batch.log(spec) if place in line]
    assert lines == ["ClientError: 415", "", "Message:", "no such column", "at all"]
    assert len(batch.requests()) == 3  # client errors are not retried


def test_server_error_is_retried(batch: Batch) -> None:
    spec = batch.request(batch.model(MODE="flaky"), {"a": "1\n"})
    assert batch.run(spec)["TransformJobStatus"] == "Completed"
    assert len(batch.requests()) == 2


def test_persistent_server_error_is_an_algorithm_error(batch: Batch) -> None:
    spec = batch.request(
        batch.model(MODE="status"), {"a": "1\n"}, ModelClientConfig={"InvocationsMaxRetries": 1}
    )
    job = batch.run(spec)
    assert job["FailureReason"] == f"AlgorithmError: {SEE_LOGS}"
    assert len(batch.requests()) == 2
    assert any("Bad HTTP status received from algorithm: 500" in line for line in batch.log(spec))


def test_invocation_timeout_is_an_algorithm_error(batch: Batch) -> None:
    client = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    spec = batch.request(batch.model(MODE="slow"), {"a": "1\n"}, ModelClientConfig=client)
    assert batch.run(spec)["FailureReason"] == f"AlgorithmError: {SEE_LOGS}"
    assert any("Unable to get response from algorithm" in line for line in batch.log(spec))


def test_exited_container_is_an_algorithm_error(batch: Batch) -> None:
    spec = batch.request(batch.model(MODE="dies"), {"a": "1\n"})
    assert batch.run(spec)["FailureReason"] == f"AlgorithmError: {SEE_LOGS}"


def test_machine_failure_is_an_internal_error(batch: Batch) -> None:
    spec = batch.request(batch.model(), {"a": "1\n"})
    batch.stage.cloud.faults.inject(kind="process", match=f"transform:{spec['TransformJobName']}")
    assert batch.run(spec)["FailureReason"].startswith("InternalServerError")


def test_failed_ping_fails_the_job(batch: Batch) -> None:
    hosting = batch.stage.cloud.service("sagemaker").hosting
    hosting.timing = type(hosting.timing)(startup_cap=1, terminate=2)
    spec = batch.request(batch.model(MODE="deaf"), {"a": "1\n"})
    assert batch.run(spec)["FailureReason"].startswith(
        "AlgorithmError: Model container failed to respond to ping"
    )


@pytest.mark.feature("training family: batch transform: payload limit")
def test_record_above_the_limit_fails_with_aws_message(batch: Batch) -> None:
    big = "x" * (1024 * 1024 + 1)
    spec = batch.request(batch.model(), {"a": f"1\n{big}\n", "b": "2\n"}, MaxPayloadInMB=1)
    job = batch.run(spec)
    assert job["FailureReason"] == f"ClientError: {SEE_LOGS}"
    assert any("Too much data for max payload size" in line for line in batch.log(spec))
    assert sorted(batch.output(spec)) == ["b.out"]


def test_prefix_without_objects_fails_the_job(batch: Batch) -> None:
    job = batch.run(batch.request(batch.model(), {}))
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: No S3 objects found under S3 URL")


def test_filter_without_match_fails_the_object(batch: Batch) -> None:
    spec = batch.request(
        batch.model(), {"a": "1,2\n"}, DataProcessing={"InputFilter": "$[5]"},
        Output={"Accept": "text/csv"},
    )  # fmt: skip
    assert batch.run(spec)["FailureReason"] == f"ClientError: {SEE_LOGS}"
    assert any("index 5 is outside an array of 2 elements" in line for line in batch.log(spec))


@pytest.mark.feature("training family: batch transform: stop")
def test_stop_aborts_requests_and_writes_no_output(batch: Batch) -> None:
    spec = batch.request(batch.model(MODE="slow"), {"a": "1\n"})
    batch.stage.sagemaker.create_transform_job(**spec)
    tick = threading.Event()
    for _ in range(200):
        if batch.requests():
            break
        tick.wait(0.05)
    batch.stage.sagemaker.stop_transform_job(TransformJobName=spec["TransformJobName"])
    assert batch.stage.cloud.settle(180) == []
    assert statuses(batch.stage, "Transform")[-2:] == ["Stopping", "Stopped"]
    assert batch.output(spec) == {}
    code, _ = refusal(
        batch.stage.sagemaker.stop_transform_job, {"TransformJobName": spec["TransformJobName"]}
    )
    assert code == "ValidationException"


def test_jobs_are_listed_and_job_name_is_unique(batch: Batch) -> None:
    spec = batch.request(batch.model(), {"a": "1\n"})
    batch.run(spec)
    name = spec["TransformJobName"]
    summaries = batch.stage.sagemaker.list_transform_jobs(
        NameContains=name, StatusEquals="Completed"
    )
    assert [s["TransformJobName"] for s in summaries["TransformJobSummaries"]] == [name]
    code, message = refusal(batch.stage.sagemaker.create_transform_job, spec)
    assert (code, "a job with this name already exists" in message) == ("ResourceInUse", True)


JOINED = {"JoinSource": "Input"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB must not be greater than 100, got 101"),
        ({"MaxPayloadInMB": 20, "MaxConcurrentTransforms": 6},
         "MaxConcurrentTransforms * MaxPayloadInMB must not be greater than 100, got 120"),
        ({"DataProcessing": {"InputFilter": "$..x"}}, "DataProcessing: '$..x' is not supported"),
        # The text of boto3 #3136.
        ({"DataProcessing": {"InputFilter": "$['account_id']"},
          "Input": {"ContentType": "application/jsonlines"}},
         """Invalid InputFilter: "$['account_id']". Unexpected "_" in JsonPath. Supported """
         """operators for "application/jsonlines" are ['$', '[', ']', '*', '.', ' ', ','"""),
        ({"DataProcessing": JOINED, "Output": {"Accept": "application/json"}},
         "JoinSource Input needs the same TransformInput.ContentType and TransformOutput.Accept, "
         "got text/csv and application/json"),
        ({"DataProcessing": JOINED, "Output": {"Accept": "text/csv"}},
         "JoinSource Input needs the same SplitType and AssembleWith, got Line and None"),
        ({"DataProcessing": {"InputFilter": "$[1:]"}, "Input": {"SplitType": "None"}},
         "DataProcessing of text/csv needs SplitType Line, got None"),
        ({"DataProcessing": {"InputFilter": "$.x"}, "Input": {"ContentType": "image/png"}},
         "DataProcessing needs TransformInput.ContentType to be one of text/csv"),
        ({"Source": {"S3DataType": "AugmentedManifestFile"}},
         "S3DataType must be S3Prefix or ManifestFile for a transform job"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c", "GenerateInferenceId": True}},
         "not executed by the local cloud: DataCaptureConfig.GenerateInferenceId"),
    ],
)  # fmt: skip
def test_invalid_request_starts_no_job(
    batch: Batch, members: dict[str, Any], expected: str
) -> None:
    spec = batch.request(batch.model(), {"a": "1\n"}, **members)
    code, message = refusal(batch.stage.sagemaker.create_transform_job, spec)
    assert code == "ValidationException"
    assert expected in message
    code, message = refusal(
        batch.stage.sagemaker.describe_transform_job,
        {"TransformJobName": spec["TransformJobName"]},
    )
    assert message == f"Could not find requested job with name: {spec['TransformJobName']}"


def test_unknown_model_is_refused(batch: Batch) -> None:
    spec = batch.request("missing", {})
    code, message = refusal(batch.stage.sagemaker.create_transform_job, spec)
    assert (code, "Could not find model" in message) == ("ValidationException", True)


def test_unknown_image_is_refused_unless_allowed(batch: Batch) -> None:
    sagemaker = batch.stage.sagemaker
    for name, image in (("strange", "strange/image:1"), ("allowed", "elsewhere/image:1")):
        sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": image}
        )
    _, message = refusal(sagemaker.create_transform_job, batch.request("strange", {"a": "1"}))
    assert "strange/image:1 has no serving program on this machine" in message
    spec = batch.request("allowed", {"a": "1"})
    assert batch.run(spec)["TransformJobStatus"] == "InProgress"
    sagemaker.stop_transform_job(TransformJobName=spec["TransformJobName"])
    assert batch.describe(spec)["TransformJobStatus"] == "Stopped"


def test_denied_output_fails_the_job(batch: Batch, stage: Stage) -> None:
    stage.cloud.faults.inject(
        kind="call", match="s3:PutObject", principal="*role/job-tests/*", code="AccessDenied",
        status=403, message="Access Denied",
    )  # fmt: skip
    job = batch.run(batch.request(batch.model(), {"a": "1\n"}))
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:AccessDenied")
