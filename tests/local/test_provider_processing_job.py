"""AWS::SageMaker::ProcessingJob."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.services import own_services
from tests.local.job_stage import SKLEARN
from tests.local.provider_bench import Bench, Made
from tests.local.roles import JOB, SAGEMAKER, role_properties

KIND = "AWS::SageMaker::ProcessingJob"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    cloud = Cloud(CloudConfig())
    cloud.add(own_services(cloud))
    cloud.start()
    yield Bench(cloud)
    cloud.stop()


def job(bench: Bench, program: str) -> Made:
    role = bench.create("AWS::IAM::Role", role_properties(SAGEMAKER, *JOB))
    return bench.create(
        KIND,
        {
            "AppSpecification": {
                "ImageUri": SKLEARN, "ContainerEntrypoint": ["python3", "-c", program],
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceType": "ml.m5.large", "InstanceCount": "1", "VolumeSizeInGB": "5",
                }
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": "60"},
            "RoleArn": role["Arn"],
            "Tags": [{"Key": "team", "Value": "a"}],
        },
    )  # fmt: skip


@pytest.mark.feature("training family: processing job as a CloudFormation resource")
def test_resource_is_complete_when_the_job_is_accepted(bench: Bench) -> None:
    made = job(bench, "print('hello')")
    assert made.id == made["ProcessingJobArn"]
    assert made["ProcessingJobStatus"] == "InProgress"
    assert "T" in made["CreationTime"]
    assert bench.cloud.settle(180) == []
    client = bench.client("sagemaker")
    actual = client.describe_processing_job(ProcessingJobName=made["ProcessingJobName"])
    assert actual["ProcessingJobStatus"] == "Completed"
    tags = client.list_tags(ResourceArn=made.id)["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]
    bench.delete_twice(made)
    client.describe_processing_job(ProcessingJobName=made["ProcessingJobName"])


def test_deleting_the_resource_stops_its_job(bench: Bench) -> None:
    made = job(bench, "import time; time.sleep(600)")
    bench.delete(made)
    assert bench.cloud.settle(180) == []
    actual = bench.client("sagemaker").describe_processing_job(
        ProcessingJobName=made["ProcessingJobName"]
    )
    assert actual["ProcessingJobStatus"] == "Stopped"
