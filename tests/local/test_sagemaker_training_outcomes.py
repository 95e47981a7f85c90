"""Training jobs: stopping, limits, retries, and refused requests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from training_stage import (  # noqa: F401 - fixtures are found by name
    BUCKET,
    aws,
    channel,
    files_in,
    messages,
    program,
    refusal,
    request,
    run,
    start_cloud,
    wait_for_log,
    world,
)

from sageloop.local_cloud.sagemaker.training import container

ENDLESS = """
import os, pathlib, signal, sys, threading
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
def end(*_):
    (base / "model/partial").write_text("half")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    signal.pause()
"""
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""
MLFLOW = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/mine"


@pytest.mark.feature("training: stop with SIGTERM keeps the artifacts")
def test_stopped_job_keeps_its_artifacts(aws: SimpleNamespace, program: Any) -> None:
    aws.sagemaker.create_training_job(**request("job", program(ENDLESS)))
    wait_for_log(aws)

    aws.sagemaker.stop_training_job(TrainingJobName="job")

    assert aws.cloud.settle(180) == []
    job = aws.sagemaker.describe_training_job(TrainingJobName="job")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    statuses = [t["Status"] for t in job["SecondaryStatusTransitions"]]
    assert statuses[-3:] == ["Stopping", "Uploading", "Stopped"]
    assert files_in(aws, "out/job/output/model.tar.gz") == {"partial": b"half"}
    with pytest.raises(ClientError, match="in status Stopped"):
        aws.sagemaker.stop_training_job(TrainingJobName="job")


@pytest.mark.feature("training: SIGKILL after the grace period")
def test_container_that_ignores_sigterm_is_killed(
    aws: SimpleNamespace, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "STOP_GRACE_SECONDS", 0.2)
    aws.sagemaker.create_training_job(**request("job", program(DEAF)))
    wait_for_log(aws)

    aws.sagemaker.stop_training_job(TrainingJobName="job")

    assert aws.cloud.settle(180) == []
    assert (
        aws.sagemaker.describe_training_job(TrainingJobName="job")["TrainingJobStatus"] == "Stopped"
    )
    assert aws.cloud.processes.running() == {}


@pytest.mark.feature("training: run-time limits")
def test_max_runtime_stops_the_job(aws: SimpleNamespace, program: Any) -> None:
    spec = request("job", program(ENDLESS), StoppingCondition={"MaxRuntimeInSeconds": 1})

    job = run(aws, spec)

    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_killed_container_is_an_internal_error(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.inject(kind="process", match="training:job")

    job = run(aws, request("job", program("print('epoch', flush=True)\nimport signal\n")))

    reason = "InternalServerError: We encountered an internal error. Please try again."
    assert job["FailureReason"] == reason


def test_internal_error_is_retried(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.inject(kind="process", match="training:job")

    job = run(aws, request("job", program(""), RetryStrategy={"MaximumRetryAttempts": 1}))

    assert job["TrainingJobStatus"] == "Completed"
    assert "Restarting" in [t["Status"] for t in job["SecondaryStatusTransitions"]]


def test_lost_s3_response_is_retried(aws: SimpleNamespace, program: Any) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=b"1,2\n")
    aws.cloud.faults.inject(kind="call", match="s3:GetObject", times=2)
    data = [channel("train", "s3://training-tests/train/")]

    job = run(aws, request("job", program(""), InputDataConfig=data))

    assert job["TrainingJobStatus"] == "Completed"


def test_denied_data_fails_the_job(aws: SimpleNamespace, program: Any) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=b"1,2\n")
    aws.cloud.faults.inject(
        kind="call", match="s3:GetObject", code="AccessDenied", status=403, message="Access Denied"
    )
    data = [channel("train", "s3://training-tests/train/")]

    job = run(aws, request("job", program(""), InputDataConfig=data))

    reason = "ClientError: Data download failed:AccessDenied (403): Access Denied"
    assert job["FailureReason"] == reason


@pytest.mark.feature("training: metric definitions")
def test_user_defined_metrics_are_parsed_from_the_log(aws: SimpleNamespace, program: Any) -> None:
    image = program("print('loss=0.75 epoch=1')\nprint('loss=0.5 epoch=2')")
    specification = {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    }

    job = run(aws, request("job", image, AlgorithmSpecification=specification))

    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("loss", 0.5)]


@pytest.mark.feature("training: encryption of output")
def test_artifacts_are_encrypted_with_the_kms_key(aws: SimpleNamespace, program: Any) -> None:
    output = {"S3OutputPath": "s3://training-tests/out", "KmsKeyId": "alias/models"}

    run(aws, request("job", program(""), OutputDataConfig=output))

    head = aws.s3.head_object(Bucket=BUCKET, Key="out/job/output/model.tar.gz")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/models")


def test_logs_are_kept_when_the_clock_is_ahead(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.clock.advance(90 * 86_400)

    run(aws, request("job", program("print('here')")))

    assert messages(aws, "job") == ["here"]


def test_job_name_is_unique(aws: SimpleNamespace, program: Any) -> None:
    image = program("")
    run(aws, request("job", image))

    code, message = refusal(aws, request("job", image))

    assert code == "ResourceInUse"
    assert "Training job names must be unique within an AWS account" in message


def test_role_must_exist_and_trust_sagemaker(aws: SimpleNamespace) -> None:
    missing = "arn:aws:iam::123456789012:role/missing"

    code, message = refusal(aws, request("job", RoleArn=missing))

    assert code == "ValidationException"
    assert message.startswith(f"Could not assume role {missing}.")


@pytest.mark.feature("bad input: image without a local program")
def test_image_without_a_program_is_refused(aws: SimpleNamespace) -> None:
    code, message = refusal(aws, request("job", "763104351884.dkr/pytorch:2"))

    assert code == "ValidationException"
    assert "763104351884.dkr/pytorch:2 has no program on this machine" in message
    assert "--allow image:763104351884.dkr/pytorch:2" in message


@pytest.mark.feature("training: image allowed by name is stored, not executed")
def test_allowed_image_is_stored_and_can_be_stopped(aws: SimpleNamespace) -> None:
    job = run(aws, request("job", "elsewhere/image:1"))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("InProgress", "Pending")

    aws.sagemaker.stop_training_job(TrainingJobName="job")

    job = aws.sagemaker.describe_training_job(TrainingJobName="job")
    assert job["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"MlflowConfig": {"MlflowResourceArn": MLFLOW}}, "MlflowConfig"),
        ({"TensorBoardOutputConfig": {"S3OutputPath": "s3://b/t"}}, "TensorBoardOutputConfig"),
        (
            {"InputDataConfig": [channel("t", "s3://training-tests/x", S3DataType="Converse")]},
            "S3DataType Converse of channel t",
        ),
    ],
)
def test_unsupported_members_are_refused(
    aws: SimpleNamespace, members: dict[str, Any], named: str
) -> None:
    code, message = refusal(aws, request("job", **members))

    assert code == "ValidationException"
    assert named in message


def test_all_violations_of_a_request_are_reported(aws: SimpleNamespace) -> None:
    spec = request("bad_name", RoleArn="x" * 30)
    spec["ResourceConfig"]["InstanceType"] = "ml.none.large"

    code, message = refusal(aws, spec)

    assert code == "ValidationException"
    assert message.startswith("3 validation errors detected: ")
    assert (
        "Value 'bad_name' at 'trainingJobName' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: " in message
    )
    assert "at 'resourceConfig.instanceType' failed to satisfy constraint: Member must" in message


def test_unknown_job_is_refused(aws: SimpleNamespace) -> None:
    with pytest.raises(ClientError, match="Requested resource not found"):
        aws.sagemaker.describe_training_job(TrainingJobName="none")


def test_jobs_are_listed_by_status_with_pagination(aws: SimpleNamespace, program: Any) -> None:
    good, bad = program("", "good"), program("raise SystemExit(1)", "bad")
    for name, image in (("job-a", good), ("job-b", bad), ("job-c", good)):
        run(aws, request(name, image))

    batches = aws.sagemaker.get_paginator("list_training_jobs").paginate(
        StatusEquals="Completed", SortBy="CreationTime", SortOrder="Ascending",
        PaginationConfig={"PageSize": 1},
    )  # fmt: skip
    assert [s["TrainingJobName"] for p in batches for s in p["TrainingJobSummaries"]] == [
        "job-a",
        "job-c",
    ]

    # ListTrainingJobs cuts pages, then filters: documented for statuses, boto3 #2838 for names.
    for filters in ({"StatusEquals": "Failed"}, {"NameContains": "JOB-B"}):
        first = aws.sagemaker.list_training_jobs(
            MaxResults=1, SortBy="Name", SortOrder="Ascending", **filters
        )
        assert first["TrainingJobSummaries"] == []
        second = aws.sagemaker.list_training_jobs(
            MaxResults=1, SortBy="Name", SortOrder="Ascending", NextToken=first["NextToken"],
            **filters,
        )  # fmt: skip
        assert [s["TrainingJobName"] for s in second["TrainingJobSummaries"]] == ["job-b"]

    aws.sagemaker.delete_training_job(TrainingJobName="job-a")
    left = aws.sagemaker.list_training_jobs()["TrainingJobSummaries"]
    assert [s["TrainingJobName"] for s in left] == ["job-c", "job-b"]


def test_stopped_cloud_leaves_no_container(program: Any, aws: SimpleNamespace) -> None:
    other = start_cloud()
    other.sagemaker.create_training_job(**request("job", program(ENDLESS)))
    wait_for_log(other)
    (pid,) = other.cloud.processes.running()

    other.cloud.stop()

    assert not Path(f"/proc/{pid}").exists()


def test_tags_of_a_job_are_stored(aws: SimpleNamespace, program: Any) -> None:
    image = program("")
    run(aws, request("job", image, Tags=[{"Key": "a", "Value": "1"}]))
    arn = aws.sagemaker.describe_training_job(TrainingJobName="job")["TrainingJobArn"]

    aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    aws.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])

    assert aws.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
