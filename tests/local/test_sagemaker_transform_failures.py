"""Batch transform: how jobs fail, stop and are refused."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.local.job_stage import ROLE, Stage, no_faults, refusal, stage, statuses
from tests.local.transform_stage import Batch, batch

__all__ = ["batch", "no_faults", "stage"]

LOOK_AT_LOGS = "See job logs for more information"


@pytest.mark.feature("training family: batch transform: failing object")
def test_failing_object_fails_the_job_and_the_others_are_written(batch: Batch) -> None:
    made = batch.request(
        batch.model(STATUS="415"), {"a": "1\n", "b": "bad\n", "c": "3\n"}, InstanceCount=1
    )
    job = batch.run(made)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == f"ClientError: {LOOK_AT_LOGS}"
    assert sorted(batch.output(made)) == ["a.out", "c.out"]
    place = f"[sagemaker logs]: job-tests/{made['TransformJobName']}/in/b: "
    told = [line.split(place)[1] for line in batch.log(made) if place in line]
    assert told == ["ClientError: 415", "", "Message:", "no such column", "at all"]
    assert len(batch.asked()) == 3  # what the client did wrong is not tried again


def test_server_error_is_tried_again(batch: Batch) -> None:
    made = batch.request(batch.model(MODE="flaky"), {"a": "1\n"})
    assert batch.run(made)["TransformJobStatus"] == "Completed"
    assert len(batch.asked()) == 2


def test_server_error_that_stays_is_the_algorithms(batch: Batch) -> None:
    made = batch.request(
        batch.model(MODE="status"), {"a": "1\n"}, ModelClientConfig={"InvocationsMaxRetries": 1}
    )
    job = batch.run(made)
    assert job["FailureReason"] == f"AlgorithmError: {LOOK_AT_LOGS}"
    assert len(batch.asked()) == 2
    assert any("Bad HTTP status received from algorithm: 500" in line for line in batch.log(made))


def test_time_out_of_an_invocation_is_no_answer(batch: Batch) -> None:
    client = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    made = batch.request(batch.model(MODE="slow"), {"a": "1\n"}, ModelClientConfig=client)
    assert batch.run(made)["FailureReason"] == f"AlgorithmError: {LOOK_AT_LOGS}"
    assert any("Unable to get response from algorithm" in line for line in batch.log(made))


def test_container_that_dies_is_no_answer(batch: Batch) -> None:
    made = batch.request(batch.model(MODE="dies"), {"a": "1\n"})
    assert batch.run(made)["FailureReason"] == f"AlgorithmError: {LOOK_AT_LOGS}"


def test_machine_that_breaks_is_an_internal_error(batch: Batch) -> None:
    made = batch.request(batch.model(), {"a": "1\n"})
    batch.stage.cloud.faults.inject(kind="process", match=f"transform:{made['TransformJobName']}")
    assert batch.run(made)["FailureReason"].startswith("InternalServerError")


def test_container_that_does_not_answer_pings_fails_the_job(batch: Batch) -> None:
    hosting = batch.stage.cloud.service("sagemaker").hosting
    hosting.timing = type(hosting.timing)(startup_cap=1, terminate=2)
    made = batch.request(batch.model(MODE="deaf"), {"a": "1\n"})
    assert batch.run(made)["FailureReason"].startswith(
        "AlgorithmError: Model container failed to respond to ping"
    )


@pytest.mark.feature("training family: batch transform: payload limit")
def test_record_above_the_limit_fails_in_awss_words(batch: Batch) -> None:
    big = "x" * (1024 * 1024 + 1)
    made = batch.request(batch.model(), {"a": f"1\n{big}\n", "b": "2\n"}, MaxPayloadInMB=1)
    job = batch.run(made)
    assert job["FailureReason"] == f"ClientError: {LOOK_AT_LOGS}"
    assert any("Too much data for max payload size" in line for line in batch.log(made))
    assert sorted(batch.output(made)) == ["b.out"]


def test_prefix_without_objects_fails_the_job(batch: Batch) -> None:
    job = batch.run(batch.request(batch.model(), {}))
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: No S3 objects found under S3 URL")


def test_filter_that_finds_nothing_fails_the_object(batch: Batch) -> None:
    made = batch.request(
        batch.model(), {"a": "1,2\n"}, DataProcessing={"InputFilter": "$[5]"},
        Output={"Accept": "text/csv"},
    )  # fmt: skip
    assert batch.run(made)["FailureReason"] == f"ClientError: {LOOK_AT_LOGS}"
    assert any("index 5 is not within the 2 elements" in line for line in batch.log(made))


@pytest.mark.feature("training family: batch transform: stop")
def test_stop_breaks_requests_off_and_writes_nothing(batch: Batch) -> None:
    made = batch.request(batch.model(MODE="slow"), {"a": "1\n"})
    batch.stage.sagemaker.create_transform_job(**made)
    tick = threading.Event()
    for _ in range(200):
        if batch.asked():
            break
        tick.wait(0.05)
    batch.stage.sagemaker.stop_transform_job(TransformJobName=made["TransformJobName"])
    assert batch.stage.cloud.settle(180) == []
    assert statuses(batch.stage, "Transform")[-2:] == ["Stopping", "Stopped"]
    assert batch.output(made) == {}
    code, _ = refusal(
        batch.stage.sagemaker.stop_transform_job, {"TransformJobName": made["TransformJobName"]}
    )
    assert code == "ValidationException"


def test_jobs_are_listed_and_names_are_unique(batch: Batch) -> None:
    made = batch.request(batch.model(), {"a": "1\n"})
    batch.run(made)
    name = made["TransformJobName"]
    found = batch.stage.sagemaker.list_transform_jobs(NameContains=name, StatusEquals="Completed")
    assert [s["TransformJobName"] for s in found["TransformJobSummaries"]] == [name]
    code, message = refusal(batch.stage.sagemaker.create_transform_job, made)
    assert (code, "a job with this name already exists" in message) == ("ResourceInUse", True)


JOINED = {"JoinSource": "Input"}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB must not be greater than 100, got 101"),
        ({"MaxPayloadInMB": 20, "MaxConcurrentTransforms": 6},
         "MaxConcurrentTransforms * MaxPayloadInMB must not be greater than 100, got 120"),
        ({"DataProcessing": {"InputFilter": "$..x"}}, "DataProcessing: '$..x' is not supported"),
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
def test_bad_request_is_refused_and_starts_nothing(
    batch: Batch, members: dict[str, Any], told: str
) -> None:
    made = batch.request(batch.model(), {"a": "1\n"}, **members)
    code, message = refusal(batch.stage.sagemaker.create_transform_job, made)
    assert code == "ValidationException"
    assert told in message
    code, message = refusal(
        batch.stage.sagemaker.describe_transform_job,
        {"TransformJobName": made["TransformJobName"]},
    )
    assert message == f"Could not find requested job with name: {made['TransformJobName']}"


def test_unknown_model_is_refused(batch: Batch) -> None:
    made = batch.request("nobody", {})
    code, message = refusal(batch.stage.sagemaker.create_transform_job, made)
    assert (code, "Could not find model" in message) == ("ValidationException", True)


def test_model_of_an_unknown_image_is_refused_unless_it_is_allowed(batch: Batch) -> None:
    sagemaker = batch.stage.sagemaker
    for name, image in (("strange", "strange/image:1"), ("allowed", "elsewhere/image:1")):
        sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": image}
        )
    _, message = refusal(sagemaker.create_transform_job, batch.request("strange", {"a": "1"}))
    assert "strange/image:1 has no serving program on this machine" in message
    made = batch.request("allowed", {"a": "1"})
    assert batch.run(made)["TransformJobStatus"] == "InProgress"
    sagemaker.stop_transform_job(TransformJobName=made["TransformJobName"])
    assert batch.describe(made)["TransformJobStatus"] == "Stopped"


def test_role_that_may_not_write_fails_the_job(batch: Batch, stage: Stage) -> None:
    stage.cloud.faults.inject(
        kind="call", match="s3:PutObject", principal="*role/job-tests/*", code="AccessDenied",
        status=403, message="Access Denied",
    )  # fmt: skip
    job = batch.run(batch.request(batch.model(), {"a": "1\n"}))
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:AccessDenied")
