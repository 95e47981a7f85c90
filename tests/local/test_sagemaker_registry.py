from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from roles import ACCOUNT, USER, hosting_role

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.service import Service
from sageloop.local_cloud.sagemaker.service import SageMakerService

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
ROLE = "arn:aws:iam::123456789012:role/serving"
SPECIFICATION = {
    "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://registry-tests/model.tar.gz"}],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["text/csv"],
}


class Events(Service):
    """An events service that records emitted events."""

    model = "events"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def emit(
        self, source: str, detail_type: str, detail: dict[str, Any], *, resources: list[str]
    ) -> None:
        assert source == "aws.sagemaker"
        assert resources
        self.sent.append((detail_type, detail))


@pytest.fixture(scope="module")
def world() -> Iterator[SimpleNamespace]:
    cloud = Cloud(CloudConfig())
    events, service = Events(cloud), SageMakerService(cloud)
    cloud.add([service, events])
    cloud.start()
    hosting_role(cloud.client("iam", principal=USER), "serving")
    s3 = cloud.client("s3", principal=USER)
    s3.create_bucket(Bucket="registry-tests")
    s3.put_object(Bucket="registry-tests", Key="model.tar.gz", Body=b"")
    yield SimpleNamespace(
        cloud=cloud, events=events, service=service, sagemaker=cloud.client(
            "sagemaker", principal=USER
        )
    )  # fmt: skip
    s3.delete_object(Bucket="registry-tests", Key="model.tar.gz")
    s3.delete_bucket(Bucket="registry-tests")
    cloud.stop()


@pytest.fixture
def aws(world: SimpleNamespace) -> Iterator[Any]:
    """The client; all resources of a test are removed."""
    sm = world.sagemaker
    yield sm
    for package in sm.list_model_packages(MaxResults=100)["ModelPackageSummaryList"]:
        sm.delete_model_package(ModelPackageName=package["ModelPackageArn"])
    for group in sm.list_model_package_groups()["ModelPackageGroupSummaryList"]:
        sm.delete_model_package_group(ModelPackageGroupName=group["ModelPackageGroupName"])
    for model in sm.list_models()["Models"]:
        sm.delete_model(ModelName=model["ModelName"])
    for one in sm.list_notebook_instances()["NotebookInstances"]:
        name = one["NotebookInstanceName"]
        if one["NotebookInstanceStatus"] != "Stopped":
            sm.stop_notebook_instance(NotebookInstanceName=name)
        sm.delete_notebook_instance(NotebookInstanceName=name)
    world.events.sent.clear()


@pytest.fixture
def group(aws: Any) -> str:
    aws.create_model_package_group(ModelPackageGroupName="flights")
    return "flights"


def register(aws: Any, group: str, **members: Any) -> str:
    response = aws.create_model_package(
        ModelPackageGroupName=group, InferenceSpecification=SPECIFICATION, **members
    )
    return str(response["ModelPackageArn"])


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_packages_are_numbered_within_their_group(aws: Any, group: str) -> None:
    first, second = register(aws, group), register(aws, group)

    assert first.endswith(":model-package/flights/1")
    assert second.endswith(":model-package/flights/2")
    package = aws.describe_model_package(ModelPackageName=second)
    assert package["ModelPackageVersion"] == 2
    assert package["ModelPackageStatus"] == "Completed"
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["InferenceSpecification"] == SPECIFICATION


def test_deleted_version_number_is_not_reused(aws: Any, group: str) -> None:
    aws.delete_model_package(ModelPackageName=register(aws, group))

    assert register(aws, group).endswith("/2")


def test_same_client_token_registers_once(aws: Any, group: str) -> None:
    token = "a" * 36

    assert register(aws, group, ClientToken=token) == register(aws, group, ClientToken=token)
    assert len(aws.list_model_packages()["ModelPackageSummaryList"]) == 1


@pytest.mark.feature("promotion: approval sends an event")
def test_approval_sends_an_event(aws: Any, group: str, world: SimpleNamespace) -> None:
    arn = register(aws, group, CustomerMetadataProperties={"job": "j1"})

    aws.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="passed the gate"
    )

    kind, detail = world.events.sent[-1]
    assert kind == "SageMaker Model Package State Change"
    assert detail["ModelApprovalStatus"] == "Approved"
    assert detail["ModelPackageName"] == "flights/1"
    assert detail["CreationTime"].endswith("Z")
    assert detail["CustomerMetadataProperties"] == {"job": "j1"}


def test_metadata_is_merged_and_removed(aws: Any, group: str) -> None:
    arn = register(aws, group, CustomerMetadataProperties={"a": "1", "b": "2"})

    aws.update_model_package(
        ModelPackageArn=arn, CustomerMetadataProperties={"c": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
    )  # fmt: skip

    package = aws.describe_model_package(ModelPackageName=arn)
    assert package["CustomerMetadataProperties"] == {"b": "2", "c": "3"}


def test_packages_are_listed_newest_first_and_by_approval(aws: Any, group: str) -> None:
    for status in ("Approved", "Rejected", "Approved"):
        register(aws, group, ModelApprovalStatus=status)

    def versions(**params: Any) -> list[int]:
        listing = aws.list_model_packages(ModelPackageGroupName=group, **params)
        return [p["ModelPackageVersion"] for p in listing["ModelPackageSummaryList"]]

    assert versions() == [3, 2, 1]
    assert versions(ModelApprovalStatus="Approved", SortOrder="Ascending") == [1, 3]
    assert versions(MaxResults=1) == [3]


def test_group_with_versions_cannot_be_deleted(aws: Any, group: str) -> None:
    register(aws, group)

    code, message = refused(aws.delete_model_package_group, ModelPackageGroupName=group)

    assert code == "ConflictException"
    assert "still contains Model Packages" in message


def test_group_policy_is_stored(aws: Any, group: str) -> None:
    statement = {
        "Sid": "Read", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sagemaker:DescribeModelPackage", "Resource": "*",
    }  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.put_model_package_group_policy(ModelPackageGroupName=group, ResourcePolicy=policy)
    stored = aws.get_model_package_group_policy(ModelPackageGroupName=group)["ResourcePolicy"]
    assert stored == policy

    aws.delete_model_package_group_policy(ModelPackageGroupName=group)

    code, _ = refused(aws.get_model_package_group_policy, ModelPackageGroupName=group)
    assert code == "ValidationException"


def test_missing_group_is_named_in_the_error(aws: Any) -> None:
    _, message = refused(aws.describe_model_package_group, ModelPackageGroupName="none")

    assert message == (
        "ModelPackageGroup arn:aws:sagemaker:us-east-1:123456789012:model-package-group/none "
        "does not exist."
    )


def container(**members: Any) -> dict[str, Any]:
    return {"Image": IMAGE, "ModelDataUrl": "s3://registry-tests/model.tar.gz"} | members


def test_model_is_described_as_created(aws: Any) -> None:
    aws.create_model(
        ModelName="m", PrimaryContainer=container(Environment={"A": "1"}), ExecutionRoleArn=ROLE
    )

    model = aws.describe_model(ModelName="m")

    assert model["PrimaryContainer"] == container(Environment={"A": "1"})
    assert model["ModelArn"].endswith(":model/m")
    assert model["EnableNetworkIsolation"] is False


def test_model_without_its_artifact_is_refused(aws: Any) -> None:
    missing = container(ModelDataUrl="s3://registry-tests/none.tar.gz")

    code, message = refused(
        aws.create_model, ModelName="m", PrimaryContainer=missing, ExecutionRoleArn=ROLE
    )

    assert code == "ValidationException"
    assert message == "Could not find model data at s3://registry-tests/none.tar.gz."


def test_model_of_a_package_uses_its_containers(
    aws: Any, group: str, world: SimpleNamespace
) -> None:
    arn = register(aws, group)
    aws.create_model(
        ModelName="m", ExecutionRoleArn=ROLE,
        PrimaryContainer={"ModelPackageName": arn, "Environment": {"A": "1"}},
    )  # fmt: skip

    (resolved,) = world.service.models.containers_of("m")

    assert resolved == container(Environment={"A": "1"})
    assert aws.describe_model(ModelName="m")["PrimaryContainer"]["ModelPackageName"] == arn


def test_model_name_is_unique(aws: Any) -> None:
    model = {"ModelName": "m", "PrimaryContainer": container(), "ExecutionRoleArn": ROLE}
    aws.create_model(**model)

    _, message = refused(aws.create_model, **model)

    assert message.startswith("Cannot create already existing model ")


def test_notebook_instance_changes_status_without_running(aws: Any) -> None:
    name = {"NotebookInstanceName": "nb"}
    aws.create_notebook_instance(**name, InstanceType="ml.t3.medium", RoleArn=ROLE)
    assert aws.describe_notebook_instance(**name)["NotebookInstanceStatus"] == "InService"
    code, _ = refused(aws.delete_notebook_instance, **name)
    assert code == "ValidationException"

    aws.stop_notebook_instance(**name)
    aws.update_notebook_instance(**name, VolumeSizeInGB=20)

    notebook = aws.describe_notebook_instance(**name)
    assert (notebook["NotebookInstanceStatus"], notebook["VolumeSizeInGB"]) == ("Stopped", 20)
    aws.delete_notebook_instance(**name)
    _, message = refused(aws.describe_notebook_instance, **name)
    assert message == "RecordNotFound"


def test_presigned_notebook_url_is_refused(aws: Any) -> None:
    name = {"NotebookInstanceName": "nb"}
    aws.create_notebook_instance(**name, InstanceType="ml.t3.medium", RoleArn=ROLE)

    code, message = refused(aws.create_presigned_notebook_instance_url, **name)

    assert code == "NotImplemented"
    assert "CreatePresignedNotebookInstanceUrl" in message


def test_lifecycle_config_in_use_cannot_be_deleted(aws: Any) -> None:
    config = {"NotebookInstanceLifecycleConfigName": "idle-stop"}
    aws.create_notebook_instance_lifecycle_config(**config, OnStart=[{"Content": "ZWNobw=="}])
    aws.create_notebook_instance(
        NotebookInstanceName="nb", InstanceType="ml.t3.medium", RoleArn=ROLE,
        LifecycleConfigName="idle-stop",
    )  # fmt: skip
    code, message = refused(aws.delete_notebook_instance_lifecycle_config, **config)
    assert (code, "in use" in message) == ("ValidationException", True)

    aws.stop_notebook_instance(NotebookInstanceName="nb")
    aws.delete_notebook_instance(NotebookInstanceName="nb")
    aws.delete_notebook_instance_lifecycle_config(**config)

    listed = aws.list_notebook_instance_lifecycle_configs()["NotebookInstanceLifecycleConfigs"]
    assert listed == []


def test_unsupported_operation_is_named_in_the_error(aws: Any) -> None:
    code, message = refused(aws.list_domains)

    assert code == "NotImplemented"
    assert "sagemaker:ListDomains" in message
