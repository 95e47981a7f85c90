"""Policies of resources: whom they admit, and whom they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from request_stage import client, served

from sageloop.local_cloud.core.cloud import Cloud

ACCOUNT = "123456789012"
NAME = "shared"
ANN = f"arn:aws:iam::{ACCOUNT}:user/ann"
FEATURE = "access: resource-based policies are evaluated"


def document(**change: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": ANN}} | change
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with served() as made:
        client(made, "iam").create_user(UserName="ann")
        client(made, "secretsmanager").create_secret(Name=NAME, SecretString="x")
        client(made, "ecr").create_repository(repositoryName=NAME)
        sagemaker = client(made, "sagemaker")
        sagemaker.create_model_package_group(ModelPackageGroupName=NAME)
        yield made


@pytest.fixture(scope="module")
def ann(cloud: Cloud) -> tuple[str, str, None]:
    """Keys of a user without any permission."""
    key = client(cloud, "iam").create_access_key(UserName="ann")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"], None


def read_secret(cloud: Cloud, *keys: Any) -> Any:
    return client(cloud, "secretsmanager", *keys).get_secret_value(SecretId=NAME)


def put_secret(cloud: Cloud, text: str) -> None:
    client(cloud, "secretsmanager").put_resource_policy(SecretId=NAME, ResourcePolicy=text)


def read_images(cloud: Cloud, *keys: Any) -> Any:
    return client(cloud, "ecr", *keys).batch_get_image(
        repositoryName=NAME, imageIds=[{"imageTag": "none"}]
    )


def put_repository(cloud: Cloud, text: str) -> None:
    client(cloud, "ecr").set_repository_policy(repositoryName=NAME, policyText=text)


def read_group(cloud: Cloud, *keys: Any) -> Any:
    return client(cloud, "sagemaker", *keys).describe_model_package_group(
        ModelPackageGroupName=NAME
    )


def put_group(cloud: Cloud, text: str) -> None:
    client(cloud, "sagemaker").put_model_package_group_policy(
        ModelPackageGroupName=NAME, ResourcePolicy=text
    )


Read, Put = Callable[..., Any], Callable[[Cloud, str], None]
RESOURCES = [
    pytest.param(read_secret, put_secret,
                 {"Action": "secretsmanager:GetSecretValue", "Resource": "*"}, id="secret"),
    pytest.param(read_images, put_repository, {"Action": "ecr:BatchGetImage"}, id="repository"),
    pytest.param(read_group, put_group,
                 {"Action": "sagemaker:DescribeModelPackageGroup", "Resource": "*"}, id="group"),
]  # fmt: skip


@pytest.mark.feature(FEATURE)
@pytest.mark.parametrize(("read", "put", "permission"), RESOURCES)
def test_policy_of_a_resource_admits_and_refuses_a_user(
    cloud: Cloud, ann: tuple[str, str, None], read: Read, put: Put, permission: dict[str, str]
) -> None:
    with pytest.raises(ClientError, match="no identity-based policy allows"):
        read(cloud, *ann)

    put(cloud, document(**permission))
    assert read(cloud, *ann)["ResponseMetadata"]["HTTPStatusCode"] == 200

    put(cloud, document(**permission, Effect="Deny"))
    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        read(cloud, *ann)


@pytest.mark.parametrize(("read", "put", "permission"), RESOURCES)
def test_policy_of_a_resource_refuses_the_administrator_too(
    cloud: Cloud, read: Read, put: Put, permission: dict[str, str]
) -> None:
    put(cloud, document(**permission, Effect="Deny", Principal="*"))
    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        read(cloud)

    put(cloud, document(**permission))
    assert read(cloud)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_policy_of_a_group_is_for_its_packages_too(
    cloud: Cloud, ann: tuple[str, str, None]
) -> None:
    packages = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package/{NAME}/*"
    put_group(cloud, document(Action="sagemaker:DescribeModelPackage", Resource=packages))
    sagemaker = client(cloud, "sagemaker", *ann)

    with pytest.raises(ClientError) as missing:
        sagemaker.describe_model_package(ModelPackageName=packages.replace("*", "7"))
    with pytest.raises(ClientError) as other:
        sagemaker.describe_model_package(
            ModelPackageName=packages.replace("*", "7").replace(NAME, "other")
        )

    assert missing.value.response["Error"]["Code"] == "ValidationException"  # it does not exist
    assert other.value.response["Error"]["Code"] == "AccessDeniedException"
