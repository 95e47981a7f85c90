"""Calls require the permissions on keys by which services encrypt their resources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from roles import ACCOUNT, LAMBDA, SAGEMAKER, USER, allowing, make_role, trust

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.services import own_services

REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/writer"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    cloud = Cloud(CloudConfig())
    cloud.add(own_services(cloud))
    make_role(cloud.client("iam", principal=USER), "writer", trust(LAMBDA), "s3:*", "sns:*",
              "sqs:*", "dynamodb:*", "secretsmanager:*")  # fmt: skip
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def key(cloud: Cloud) -> str:
    """A key whose policy leaves its use to IAM, through services only."""
    statements = [
        {"Sid": "Administer", "Effect": "Allow", "Principal": {"AWS": ROOT},
         "Action": ["kms:Describe*", "kms:Put*", "kms:Get*", "kms:CreateGrant", "kms:RevokeGrant"],
         "Resource": "*"},
        {"Sid": "ThroughServices", "Effect": "Allow", "Principal": {"AWS": ROOT},
         "Action": ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:ReEncrypt*"],
         "Resource": "*", "Condition": {"StringLike": {"kms:ViaService": f"*.{REGION}.*"}}},
    ]  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    made = cloud.client("kms", principal=USER).create_key(Policy=policy)
    return str(made["KeyMetadata"]["Arn"])


@pytest.fixture(scope="module")
def bucket(cloud: Cloud, key: str) -> str:
    """A bucket that encrypts with the key, with one object."""
    s3 = cloud.client("s3", principal=USER)
    s3.create_bucket(Bucket="encrypted")
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    s3.put_bucket_encryption(
        Bucket="encrypted",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
        },
    )
    s3.put_object(Bucket="encrypted", Key="a", Body=b"1")
    return "encrypted"


@pytest.fixture
def grant(cloud: Cloud, key: str) -> Iterator[Any]:
    """Allows the role actions on the key for one test."""
    iam = cloud.client("iam", principal=USER)

    def allow(*actions: str, role: str = "writer", **condition: Any) -> None:
        statement = allowing(*actions)["Statement"][0] | {"Resource": key}
        if condition:
            statement["Condition"] = condition
        document = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_role_policy(RoleName=role, PolicyName="key", PolicyDocument=json.dumps(document))

    yield allow
    if "key" in iam.list_role_policies(RoleName="writer")["PolicyNames"]:
        iam.delete_role_policy(RoleName="writer", PolicyName="key")


def writer(cloud: Cloud, service: str) -> Any:
    return cloud.client(service, principal=ROLE)


def test_upload_requires_a_data_key(cloud: Cloud, bucket: str, grant: Any) -> None:
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        writer(cloud, "s3").put_object(Bucket=bucket, Key="b", Body=b"")

    grant("kms:GenerateDataKey")
    writer(cloud, "s3").put_object(Bucket=bucket, Key="b", Body=b"")


def test_download_requires_decryption(cloud: Cloud, bucket: str, grant: Any) -> None:
    grant("kms:GenerateDataKey")
    with pytest.raises(ClientError, match="kms:Decrypt"):
        writer(cloud, "s3").get_object(Bucket=bucket, Key="a")

    grant("kms:Decrypt")
    assert writer(cloud, "s3").get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"


def test_upload_under_aes_requires_no_key(cloud: Cloud, bucket: str) -> None:
    writer(cloud, "s3").put_object(Bucket=bucket, Key="c", Body=b"", ServerSideEncryption="AES256")


def test_key_is_used_through_the_endpoint_of_s3(cloud: Cloud, bucket: str, grant: Any) -> None:
    grant("kms:GenerateDataKey", StringEquals={"kms:ViaService": f"sns.{REGION}.amazonaws.com"})
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        writer(cloud, "s3").put_object(Bucket=bucket, Key="b", Body=b"")

    grant("kms:GenerateDataKey", StringEquals={"kms:ViaService": f"s3.{REGION}.amazonaws.com"})
    writer(cloud, "s3").put_object(Bucket=bucket, Key="b", Body=b"")


def test_encryption_context_of_a_bucket_key_is_the_bucket(
    cloud: Cloud, bucket: str, grant: Any
) -> None:
    context = "kms:EncryptionContext:aws:s3:arn"
    grant("kms:GenerateDataKey", StringEquals={context: f"arn:aws:s3:::{bucket}/b"})
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        writer(cloud, "s3").put_object(Bucket=bucket, Key="b", Body=b"")

    grant("kms:GenerateDataKey", StringEquals={context: f"arn:aws:s3:::{bucket}"})
    writer(cloud, "s3").put_object(Bucket=bucket, Key="b", Body=b"")


def test_multipart_upload_requires_decryption_of_its_parts(
    cloud: Cloud, bucket: str, grant: Any
) -> None:
    grant("kms:GenerateDataKey")
    s3 = writer(cloud, "s3")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]

    with pytest.raises(ClientError, match="kms:Decrypt"):
        s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")


def test_part_that_is_copied_requires_its_source_decrypted(
    cloud: Cloud, bucket: str, grant: Any
) -> None:
    grant("kms:GenerateDataKey", "kms:Decrypt")
    s3 = writer(cloud, "s3")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="copied", ServerSideEncryption="AES256")[
        "UploadId"
    ]
    part = {
        "Bucket": bucket, "Key": "copied", "UploadId": upload, "PartNumber": 1,
        "CopySource": f"{bucket}/a",
    }  # fmt: skip
    grant("kms:GenerateDataKey")
    with pytest.raises(ClientError, match="kms:Decrypt"):
        s3.upload_part_copy(**part)

    grant("kms:Decrypt")
    assert s3.upload_part_copy(**part)["CopyPartResult"]


def test_copy_requires_both_rights(cloud: Cloud, bucket: str, grant: Any) -> None:
    copy = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/a"}
    grant("kms:GenerateDataKey")
    with pytest.raises(ClientError, match="kms:Decrypt"):
        writer(cloud, "s3").copy_object(**copy)

    grant("kms:GenerateDataKey", "kms:Decrypt")
    writer(cloud, "s3").copy_object(**copy)


def test_publishing_to_an_encrypted_topic_requires_its_key(
    cloud: Cloud, key: str, grant: Any
) -> None:
    topic = cloud.client("sns", principal=USER).create_topic(
        Name="encrypted", Attributes={"KmsMasterKeyId": key}
    )["TopicArn"]
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        writer(cloud, "sns").publish(TopicArn=topic, Message="m")

    grant("kms:GenerateDataKey", "kms:Decrypt")
    assert writer(cloud, "sns").publish(TopicArn=topic, Message="m")["MessageId"]


def test_encrypted_queue_requires_its_key_of_senders_and_receivers(
    cloud: Cloud, key: str, grant: Any
) -> None:
    url = cloud.client("sqs", principal=USER).create_queue(
        QueueName="encrypted", Attributes={"KmsMasterKeyId": key}
    )["QueueUrl"]
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        writer(cloud, "sqs").send_message(QueueUrl=url, MessageBody="m")
    with pytest.raises(ClientError, match="kms:Decrypt"):
        writer(cloud, "sqs").receive_message(QueueUrl=url)

    grant("kms:GenerateDataKey", "kms:Decrypt")
    writer(cloud, "sqs").send_message(QueueUrl=url, MessageBody="m")
    assert writer(cloud, "sqs").receive_message(QueueUrl=url)["Messages"]


def test_items_of_an_encrypted_table_require_its_key(cloud: Cloud, key: str, grant: Any) -> None:
    cloud.client("dynamodb", principal=USER).create_table(
        TableName="encrypted", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    )  # fmt: skip
    item = {"id": {"S": "1"}}
    with pytest.raises(ClientError, match="kms:Decrypt"):
        writer(cloud, "dynamodb").put_item(TableName="encrypted", Item=item)

    grant("kms:Decrypt")
    writer(cloud, "dynamodb").put_item(TableName="encrypted", Item=item)


def test_secret_requires_its_key(cloud: Cloud, key: str, grant: Any) -> None:
    cloud.client("secretsmanager", principal=USER).create_secret(
        Name="encrypted", SecretString="s", KmsKeyId=key
    )
    with pytest.raises(ClientError, match="kms:Decrypt"):
        writer(cloud, "secretsmanager").get_secret_value(SecretId="encrypted")

    grant("kms:Decrypt")
    value = writer(cloud, "secretsmanager").get_secret_value(SecretId="encrypted")
    assert value["SecretString"] == "s"


def test_log_group_requires_a_key_policy_for_the_log_service(cloud: Cloud, key: str) -> None:
    with pytest.raises(ClientError, match="not allowed to be used with Arn"):
        cloud.client("logs", principal=USER).create_log_group(logGroupName="/lines", kmsKeyId=key)


def test_volume_of_a_notebook_requires_a_grant_for_a_service(
    cloud: Cloud, key: str, grant: Any
) -> None:
    role = make_role(cloud.client("iam", principal=USER), "notebook", trust(SAGEMAKER))
    instance = {
        "NotebookInstanceName": "n", "InstanceType": "ml.t3.medium", "RoleArn": role,
        "KmsKeyId": key,
    }  # fmt: skip
    sagemaker = cloud.client("sagemaker", principal=USER)
    with pytest.raises(ClientError, match="not authorized to perform kms:CreateGrant"):
        sagemaker.create_notebook_instance(**instance)

    grant("kms:CreateGrant", role="notebook", Bool={"kms:GrantIsForAWSResource": "true"})
    assert sagemaker.create_notebook_instance(**instance)["NotebookInstanceArn"]


def test_grant_of_a_key_allows_its_grantee(cloud: Cloud, key: str, bucket: str) -> None:
    kms = cloud.client("kms", principal=USER)
    made = kms.create_grant(KeyId=key, GranteePrincipal=ROLE, Operations=["Decrypt"])

    assert writer(cloud, "s3").get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"

    kms.revoke_grant(KeyId=key, GrantId=made["GrantId"])
    with pytest.raises(ClientError, match="kms:Decrypt"):
        writer(cloud, "s3").get_object(Bucket=bucket, Key="a")
