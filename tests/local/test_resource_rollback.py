"""A job resource whose creation fails, rolled back by CloudFormation with the real function."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sageloop.local_cloud.client import LocalCloud

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).resolve().parents[2]
IMAGE = "elsewhere/image:1"
JOB = "scores"
_NEEDED = [
    "cloudwatch:PutMetricData", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem",
    "iam:PassRole", "sagemaker:AddTags", "sagemaker:CreateProcessingJob",
    "sagemaker:DescribeProcessingJob", "sagemaker:ListProcessingJobs",
    "sagemaker:StopProcessingJob",
]  # fmt: skip


def package() -> bytes:
    """The function with the shared code beside it."""
    body = io.BytesIO()
    layer = _ROOT / "lambda" / "layer" / "python"
    with zipfile.ZipFile(body, "w") as archive:
        archive.write(_ROOT / "lambda" / "job_resource" / "index.py", "index.py")
        for path in layer.rglob("*.py"):
            archive.write(path, path.relative_to(layer))
    return body.getvalue()


def role(service: str, actions: list[str]) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole",
             "Principal": {"Service": f"{service}.amazonaws.com"}}  # fmt: skip
    allow = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [allow]}
    return {"Type": "AWS::IAM::Role", "Properties": {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        "Policies": [{"PolicyName": "p", "PolicyDocument": policy}],
    }}  # fmt: skip


def template(*, actions: list[str], broken: bool) -> str:
    """A processing job that starts with its deployment.

    Args:
        actions: what the function may do.
        broken: whether the creation of another resource fails after that of the job.

    """
    request = {
        "AppSpecification": {"ImageUri": IMAGE}, "RoleArn": "ROLE",
        "ProcessingResources": {"ClusterConfig": {
            "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}},
    }  # fmt: skip
    document = json.dumps({
        "job": JOB, "kind": "processing", "request": request, "data": None, "start_on_deploy": True,
    })  # fmt: skip
    resources: dict[str, Any] = {
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {
            "TableName": "state", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}},
        "JobRole": role("sagemaker", ["logs:*"]),
        "Role": role("lambda", ["logs:*", *actions]),
        "Function": {"Type": "AWS::Lambda::Function", "Properties": {
            "Code": {"S3Bucket": "code", "S3Key": "job.zip"}, "Handler": "index.handler",
            "Runtime": "python3.13", "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Timeout": 120,
            "Environment": {"Variables": {"STATE_TABLE": {"Ref": "Table"}}}}},
        "Job": {"Type": "Custom::ProcessingJob", "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, "ServiceTimeout": 300, "Job": JOB,
            "Document": {"Fn::Join": [
                "", [document.split("ROLE")[0], {"Fn::GetAtt": ["JobRole", "Arn"]},
                     document.split("ROLE")[1]]]}}},
    }  # fmt: skip
    if broken:
        too_long = {
            "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 2, "Threshold": 1,
            "Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Period": 86_400 * 7,
        }  # fmt: skip
        resources["Broken"] = {
            "Type": "AWS::CloudWatch::Alarm", "DependsOn": "Job", "Properties": too_long,
        }  # fmt: skip
    return json.dumps({"Resources": resources})


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start(allow=[f"image:{IMAGE}"]) as cloud:
        cloud.client("s3").create_bucket(Bucket="code")
        cloud.client("s3").put_object(Bucket="code", Key="job.zip", Body=package())
        yield cloud


def deployed(cloud: LocalCloud, name: str, body: str) -> str:
    client = cloud.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    cloud.settle()
    (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    return str(stack["StackStatus"])


def events(cloud: LocalCloud, name: str) -> list[tuple[str, str, str]]:
    listed = cloud.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return [
        (each["ResourceStatus"], each.get("PhysicalResourceId", ""),
         each.get("ResourceStatusReason", ""))
        for each in listed if each["LogicalResourceId"] == "Job"
    ]  # fmt: skip


@pytest.mark.feature("lifecycle: a failed Create is undone")
@pytest.mark.parametrize(
    ("name", "actions", "broken"),
    [("lacking", _NEEDED, False), ("broken", [*_NEEDED, "dynamodb:PutItem"], True)],
)
def test_job_of_a_creation_that_fails_after_its_start_is_stopped(
    cloud: LocalCloud, name: str, actions: list[str], broken: bool
) -> None:
    before = len(cloud.client("sagemaker").list_processing_jobs()["ProcessingJobSummaries"])

    assert deployed(cloud, name, template(actions=actions, broken=broken)) == "ROLLBACK_COMPLETE"

    jobs = cloud.client("sagemaker").list_processing_jobs()["ProcessingJobSummaries"]
    assert len(jobs) == before + 1
    assert {each["ProcessingJobStatus"] for each in jobs} == {"Stopped"}
    history = events(cloud, name)
    assert ("CREATE_FAILED" in [status for status, _, _ in history]) != broken
    assert {physical for _, physical, _ in history if physical} == {JOB}
    assert history[0][0] == "DELETE_COMPLETE"
