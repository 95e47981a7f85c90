"""What SageMaker does with execution roles is decided: images, logs, data, networks."""

from __future__ import annotations

import io
import json
import logging
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from access_stage import REGION, STORED, Access, access, allow, denied, enforced
from roles import ACCOUNT, IMAGES, NETWORK, SAGEMAKER, trust

from sageloop.local_cloud import images

__all__ = ["access", "enforced"]

OWN = "own/access:1"
# A program of this cloud in AWS's account: its role must be allowed to pull the image.
AWS_IMAGE = f"683313688378.dkr.ecr.{REGION}.amazonaws.com/access-test:1"
REPOSITORY = f"arn:aws:ecr:{REGION}:683313688378:repository/access-test"
SERVER = str(Path(__file__).with_name("hosting_server.py"))
LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
DATA = allow("s3:GetObject", "s3:ListBucket", "s3:PutObject", sid="Data")
PULL = (
    allow("ecr:GetAuthorizationToken", sid="Token"),
    allow(*IMAGES[1:], on=REPOSITORY, sid="Pull"),
)
SOURCE = "print('hello')\n"


@pytest.fixture(scope="module", autouse=True)
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    path = tmp_path_factory.mktemp("program") / "train.py"
    path.write_text(SOURCE)
    for image in (OWN, AWS_IMAGE):
        images.register(
            image, training=[sys.executable, "-I", str(path)],
            serving=[sys.executable, "-IS", SERVER],
        )  # fmt: skip
    yield
    for image in (OWN, AWS_IMAGE):
        images.unregister(image)


@pytest.fixture(scope="module")
def bucket(access: Access) -> str:
    access.client("s3").create_bucket(Bucket="access-data")
    access.client("s3").put_object(Bucket="access-data", Key="in/a.csv", Body=b"1")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("name.txt")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"one"))
    access.client("s3").put_object(Bucket="access-data", Key="model.tar.gz", Body=packed.getvalue())
    return "access-data"


def sagemaker_role(access: Access, *statements: dict[str, Any]) -> str:
    return access.role(trust(SAGEMAKER), *statements)


def train(access: Access, role: str, image: str = OWN, **members: Any) -> dict[str, Any]:
    """Run a training job to its end; returns its description."""
    name = access.name("job")
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://access-data/in/"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    access.client("sagemaker").create_training_job(
        TrainingJobName=name, RoleArn=role, InputDataConfig=[channel],
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://access-data/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60}, **members,
    )  # fmt: skip
    access.settle()
    described: dict[str, Any] = access.client("sagemaker").describe_training_job(
        TrainingJobName=name
    )
    return described


def streams(access: Access, group: str, prefix: str) -> list[str]:
    logs = access.client("logs")
    try:
        listed = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [stream["logStreamName"] for stream in listed["logStreams"]]


def test_job_pulls_image_of_awss_account_with_its_role(access: Access, bucket: str) -> None:
    role = sagemaker_role(access, DATA, *PULL)

    assert train(access, role, AWS_IMAGE)["TrainingJobStatus"] == "Completed"
    for action in IMAGES[1:]:
        (decision,) = access.decisions(action, role)
        assert (decision.resource, decision.effect) == (REPOSITORY, "allowed")


@pytest.mark.parametrize("missing", IMAGES)
def test_job_whose_role_may_not_pull_the_image_is_refused(
    access: Access, bucket: str, missing: str
) -> None:
    role = sagemaker_role(access, DATA, allow(*(one for one in IMAGES if one != missing)))

    code, message = denied(train, access=access, role=role, image=AWS_IMAGE)

    assert code == "ValidationException"
    assert message.startswith("Access denied for repository: access-test in registry ID: 6833")
    assert f"role {role} has proper pull permissions" in message


def test_job_pulls_only_from_repositories_of_its_role(access: Access, bucket: str) -> None:
    elsewhere = allow(*IMAGES[1:], on=f"{REPOSITORY}-other")
    role = sagemaker_role(access, DATA, PULL[0], elsewhere)

    code, _ = denied(train, access=access, role=role, image=AWS_IMAGE)

    assert code == "ValidationException"


def test_policy_of_a_repository_denies_the_role(access: Access, bucket: str) -> None:
    ecr = access.client("ecr")
    ecr.create_repository(repositoryName="stored")
    role = sagemaker_role(access, DATA, allow(*IMAGES))
    train(access, role, STORED)
    never = {"Sid": "Never", "Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage"}
    ecr.set_repository_policy(
        repositoryName="stored",
        policyText=json.dumps({"Version": "2012-10-17", "Statement": [never]}),
    )

    code, _ = denied(train, access=access, role=role, image=STORED)

    assert code == "ValidationException"
    sources = {d.source.rpartition(" ")[2] for d in access.decisions("ecr:BatchGetImage", role)}
    assert "Never" in sources


def test_image_outside_ecr_requires_no_permission(access: Access, bucket: str) -> None:
    role = sagemaker_role(access, DATA)

    assert train(access, role)["TrainingJobStatus"] == "Completed"


def test_processing_job_whose_role_may_not_pull_is_refused(access: Access) -> None:
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}

    code, message = denied(
        access.client("sagemaker").create_processing_job, ProcessingJobName=access.name("p"),
        RoleArn=sagemaker_role(access), AppSpecification={"ImageUri": STORED},
        ProcessingResources={"ClusterConfig": cluster},
    )  # fmt: skip

    assert code == "ValidationException"
    assert "Access denied for repository: stored" in message


def test_job_writes_its_log_with_its_role(access: Access, bucket: str) -> None:
    role = sagemaker_role(access, DATA, allow(*LOGS, sid="Log"))

    name = train(access, role)["TrainingJobName"]

    assert streams(access, "/aws/sagemaker/TrainingJobs", name)
    assert [d.source for d in access.decisions("logs:PutLogEvents", role)] == ["own Log"]


@pytest.mark.parametrize("missing", LOGS[1:])
def test_job_whose_role_may_not_write_has_no_log_and_completes(
    access: Access, bucket: str, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    role = sagemaker_role(access, DATA, allow(*(one for one in LOGS if one != missing)))

    with caplog.at_level(logging.WARNING):
        job = train(access, role)

    assert job["TrainingJobStatus"] == "Completed"
    assert streams(access, "/aws/sagemaker/TrainingJobs", job["TrainingJobName"]) == []
    assert f"is not authorized to perform: {missing}" in caplog.text


def test_job_that_may_not_read_its_data_fails_with_the_reason(access: Access, bucket: str) -> None:
    role = sagemaker_role(access, allow("s3:ListBucket", "s3:PutObject"))

    job = train(access, role)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:AccessDenied (403)")


def test_job_that_may_not_write_its_model_fails_with_the_reason(
    access: Access, bucket: str
) -> None:
    role = sagemaker_role(access, allow("s3:ListBucket", "s3:GetObject"))

    job = train(access, role)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:AccessDenied (403)")


VPC = {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}


def test_job_in_a_vpc_uses_interfaces_of_its_role(access: Access, bucket: str) -> None:
    owner = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
    placed = [f"{owner}:subnet/subnet-1", f"{owner}:security-group/sg-1",
              f"{owner}:network-interface/*"]  # fmt: skip
    describing = [action for action in NETWORK if ":Describe" in action]
    changing = [action for action in NETWORK if ":Describe" not in action]
    role = sagemaker_role(
        access, DATA, allow(*describing), allow(*changing, on=placed, sid="Place")
    )

    assert train(access, role, **VPC)["TrainingJobStatus"] == "Completed"
    used = [d.resource for d in access.decisions("ec2:CreateNetworkInterface", role)]
    assert sorted(used) == sorted(placed)
    assert [d.resource for d in access.decisions("ec2:DescribeSubnets", role)] == ["*"]


@pytest.mark.parametrize("missing", NETWORK)
def test_job_in_a_vpc_fails_without_a_permission_of_its_role(
    access: Access, bucket: str, missing: str
) -> None:
    role = sagemaker_role(access, DATA, allow(*(one for one in NETWORK if one != missing)))

    job = train(access, role, **VPC)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(f"ClientError: A VpcConfig requires {missing}:")


def serve(access: Access, role: str, image: str, **model: Any) -> dict[str, Any]:
    """An endpoint of a model, in its final status."""
    name, sagemaker = access.name("e"), access.client("sagemaker")
    sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=role,
        PrimaryContainer={"Image": image, "ModelDataUrl": "s3://access-data/model.tar.gz"}, **model,
    )  # fmt: skip
    return deploy(access, name)


def deploy(access: Access, name: str) -> dict[str, Any]:
    sagemaker = access.client("sagemaker")
    variant = {
        "VariantName": "a", "ModelName": name, "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    access.cloud.services.sagemaker.wait_endpoint(name)
    described: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=name)
    sagemaker.delete_endpoint(EndpointName=name)
    access.settle()
    return described


def test_endpoint_serves_with_the_permissions_of_its_role(access: Access, bucket: str) -> None:
    role = sagemaker_role(access, DATA, *PULL)

    assert serve(access, role, AWS_IMAGE)["EndpointStatus"] == "InService"


def test_endpoint_fails_whose_role_may_not_pull_the_image(access: Access, bucket: str) -> None:
    role = sagemaker_role(access, DATA, PULL[0])

    endpoint = serve(access, role, AWS_IMAGE)

    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"] == (
        f"The role '{role}' does not have BatchCheckLayerAvailability permission for the image: "
        f"'{AWS_IMAGE}'."
    )


def test_endpoint_in_a_vpc_fails_without_interfaces(access: Access, bucket: str) -> None:
    endpoint = serve(access, sagemaker_role(access, DATA), OWN, **VPC)

    assert endpoint["EndpointStatus"] == "Failed"
    assert "A VpcConfig requires ec2:DescribeDhcpOptions" in endpoint["FailureReason"]


def test_endpoint_fails_whose_role_is_no_longer_trusted(access: Access, bucket: str) -> None:
    role = sagemaker_role(access, DATA)
    name = access.name("m")
    access.client("sagemaker").create_model(
        ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": OWN}
    )
    access.client("iam").update_assume_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyDocument=json.dumps(trust("lambda.amazonaws.com")),
    )

    endpoint = deploy(access, name)

    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"].startswith(f"Could not assume role {role}.")


def test_model_whose_role_may_not_read_its_data_is_refused(access: Access, bucket: str) -> None:
    role = sagemaker_role(access, allow("s3:ListBucket"))

    code, message = denied(serve, access=access, role=role, image=OWN)

    assert code == "ValidationException"
    assert message.startswith("Could not access model data at s3://access-data/model.tar.gz.")
    assert f'the role "{role}" exists' in message


def transform(access: Access, trusted: dict[str, Any]) -> dict[str, Any]:
    """Run a transform job whose model's role is trusted like this after CreateModel."""
    role, name = sagemaker_role(access, DATA), access.name("x")
    sagemaker = access.client("sagemaker")
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": OWN})
    access.client("iam").update_assume_role_policy(
        RoleName=role.rpartition("/")[2], PolicyDocument=json.dumps(trusted)
    )
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://access-data/in/"}
    sagemaker.create_transform_job(
        TransformJobName=name, ModelName=name,
        TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "text/csv"},
        TransformOutput={"S3OutputPath": "s3://access-data/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )  # fmt: skip
    access.settle()
    described: dict[str, Any] = sagemaker.describe_transform_job(TransformJobName=name)
    return described


@pytest.mark.parametrize("resource", ["transform-job/*", "*"])
def test_transform_job_assumes_role_for_itself_or_for_inference(
    access: Access, bucket: str, resource: str
) -> None:
    source = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"

    job = transform(access, trust(SAGEMAKER, ArnLike={"aws:SourceArn": source}))

    assert job["TransformJobStatus"] == "Completed"


def test_transform_job_fails_whose_role_trusts_training_jobs(access: Access, bucket: str) -> None:
    source = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/*"

    job = transform(access, trust(SAGEMAKER, ArnLike={"aws:SourceArn": source}))

    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Could not assume role")
