"""CreateTrainingJob requests that violate constraints outside botocore's model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from roles import job_role
from training_stage import (  # noqa: F401 - fixtures are found by name
    BUCKET,
    aws,
    channel,
    program,
    refusal,
    request,
    statuses,
    world,
)

from sageloop.local_cloud.client import LocalCloud, LocalCloudError

GROUP = {"InstanceGroupName": "a", "InstanceType": "ml.m5.large", "InstanceCount": 1}
URI = "s3://training-tests/x"


def resources(**members: Any) -> dict[str, Any]:
    spec = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    return {"ResourceConfig": spec | members}


def groups(*instance_groups: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "ResourceConfig": {"VolumeSizeInGB": 1, "InstanceGroups": list(instance_groups)} | members
    }


def spot(**limits: int) -> dict[str, Any]:
    return {"EnableManagedSpotTraining": True, "StoppingCondition": limits}


def data(*channels: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"InputDataConfig": list(channels)} | members


def efs(**members: Any) -> dict[str, Any]:
    source = {
        "FileSystemId": "fs-0123abcd", "FileSystemAccessMode": "ro", "FileSystemType": "EFS",
        "DirectoryPath": "/",
    }  # fmt: skip
    return {"ChannelName": "t", "DataSource": {"FileSystemDataSource": source}} | members


VPC = {"VpcConfig": {"SecurityGroupIds": ["sg-12345678"], "Subnets": ["subnet-12345678"]}}
AUGMENTED = {"S3DataType": "AugmentedManifestFile"}


@pytest.mark.feature("bad input: illegal training requests")
@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (spot(MaxRuntimeInSeconds=10), "Invalid MaxWaitTimeInSeconds. It must be present"),
        (
            spot(MaxRuntimeInSeconds=10, MaxWaitTimeInSeconds=9),
            "greater than or equal to MaxRuntimeInSeconds (10)",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9}},
            "only when EnableManagedSpotTraining is true",
        ),
        (resources(InstanceGroups=[GROUP]), "cannot be specified together with InstanceGroups"),
        (groups(GROUP, GROUP), "InstanceGroupName must be unique within InstanceGroups, got a, a."),
        (resources(InstanceCount=0), "InstanceCount must be at least 1, got 0."),
        (
            groups(GROUP, KeepAlivePeriodInSeconds=60),
            "not supported with heterogeneous InstanceGroups",
        ),
        (
            resources(KeepAlivePeriodInSeconds=60)
            | spot(MaxRuntimeInSeconds=10, MaxWaitTimeInSeconds=10),
            "KeepAlivePeriodInSeconds is not supported with EnableManagedSpotTraining",
        ),
        (
            resources(InstanceType="ml.g5.xlarge", VolumeKmsKeyId="alias/k"),
            "VolumeKmsKeyId is not supported for instance type ml.g5.xlarge",
        ),
        (data(channel("t", URI), channel("t", URI)), "more than one channel named t"),
        (data(channel("..", URI)), "a channel named .., which is not a valid directory name"),
        (
            data(channel("t", URI) | {"CompressionType": "Gzip"}),
            "channel t: CompressionType Gzip is used only in Pipe input mode, got File.",
        ),
        (
            data(channel("t", URI) | {"RecordWrapperType": "RecordIO"}),
            "channel t: RecordWrapperType RecordIO is used only in Pipe input mode, got File.",
        ),
        (
            data(channel("t", URI, AttributeNames=["a"], **AUGMENTED)),
            "AugmentedManifestFile is used only in Pipe input mode, got File.",
        ),
        (
            data(channel("t", URI, **AUGMENTED) | {"InputMode": "Pipe"}),
            "AugmentedManifestFile requires AttributeNames.",
        ),
        (
            data(channel("t", URI, InstanceGroupNames=["b"])),
            "InstanceGroupNames has b, which is no instance group of the job; there are none.",
        ),
        (data(efs()), "channel t: FileSystemDataSource requires a VpcConfig"),
        (
            data(efs(InputMode="FastFile"), **VPC),
            "channel t: FileSystemDataSource is supported only in File input mode, got FastFile.",
        ),
        (data(efs(), **VPC), "the file system fs-0123abcd has no local directory"),
        (
            {"CheckpointConfig": {"S3Uri": URI, "LocalPath": "/checkpoints"}},
            "CheckpointConfig.LocalPath /checkpoints cannot be provided by the local cloud",
        ),
        (
            {"CheckpointConfig": {"S3Uri": URI, "LocalPath": "/opt/ml/model"}},
            "CheckpointConfig.LocalPath /opt/ml/model cannot be provided",
        ),
        (
            resources(TrainingPlanArn=f"arn:aws:sagemaker:us-east-1:{'1' * 12}:training-plan/p"),
            "not executed by the local cloud: ResourceConfig.TrainingPlanArn",
        ),
    ],
)
def test_invalid_request_is_refused_in_one_line(
    aws: SimpleNamespace, program: Any, members: dict[str, Any], expected: str
) -> None:
    code, message = refusal(aws, request("job", program(""), **members))

    assert code == "ValidationException"
    assert expected in message
    assert "\n" not in message
    assert aws.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []


def test_max_wait_of_algorithm_without_checkpoints_is_one_hour(
    aws: SimpleNamespace,
) -> None:
    image = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
    limits = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 3601}

    _, message = refusal(aws, request("job", image, **spot(**limits)))

    assert "may wait at most 3600 seconds, got 3601" in message


def test_disabled_features_are_accepted(aws: SimpleNamespace, program: Any) -> None:
    spec = request(
        "job", program(""), RemoteDebugConfig={"EnableRemoteDebug": False},
        InfraCheckConfig={"EnableInfraCheck": False}, ProfilerConfig={"DisableProfiler": True},
    )  # fmt: skip

    aws.sagemaker.create_training_job(**spec)

    assert aws.cloud.settle(180) == []


@pytest.mark.feature("training: faults injected from another process")
def test_faults_are_injected_through_the_client(tmp_path: Path) -> None:
    with LocalCloud.start() as cloud:
        job_role(cloud.client("iam"), "training-tests")
        cloud.client("s3").create_bucket(Bucket=BUCKET)
        cloud.mount_file_system("fs-0123abcd", tmp_path)
        cloud.refuse_quota("ml.p3.*")
        cloud.refuse_capacity("ml.m5.large")
        cloud.interrupt_spot("*", when_logged="[0-9]+", times=None)
        cloud.fail_internally("other")
        sagemaker = cloud.client("sagemaker")

        with pytest.raises(sagemaker.exceptions.ResourceLimitExceeded):
            sagemaker.create_training_job(
                **request("big", **resources(InstanceType="ml.p3.2xlarge"))
            )
        sagemaker.create_training_job(**request("job"))
        cloud.settle(180)

        job = sagemaker.describe_training_job(TrainingJobName="job")
        assert job["FailureReason"].startswith("CapacityError")
        assert statuses(job) == ["Starting", "Failed"]
        with pytest.raises(LocalCloudError, match="a fault is one of"):
            cloud.fault("weather", "*")
        with pytest.raises(LocalCloudError, match="when_logged"):
            cloud.interrupt_spot("*", when_logged="(")
