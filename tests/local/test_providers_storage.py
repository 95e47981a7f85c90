"""S3, KMS, DynamoDB, ECR, SSM, Secrets Manager and Backup through their providers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from tests.local.provider_bench import Bench


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    cloud = Cloud(CloudConfig())
    cloud.start()
    yield Bench(cloud)
    cloud.stop()


FULL_BUCKET: dict[str, Any] = {
    "BucketEncryption": {
        "ServerSideEncryptionConfiguration": [
            {
                "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"},
                "BucketKeyEnabled": "true",
            }
        ]
    },
    "VersioningConfiguration": {"Status": "Enabled"},
    "PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "BlockPublicPolicy": "true"},
    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    "LifecycleConfiguration": {
        "Rules": [
            {
                "Id": "old",
                "Status": "Enabled",
                "ExpirationInDays": "365",
                "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 90}],
                "NoncurrentVersionTransitions": [
                    {"StorageClass": "GLACIER", "TransitionInDays": 7}
                ],
            }
        ]
    },
    "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
    "CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]},
    "Tags": [{"Key": "owner", "Value": "me"}],
}


def test_bucket_applies_every_configuration(bench: Bench) -> None:
    s3 = bench.client("s3")
    logs = bench.create("AWS::S3::Bucket", {})
    made = bench.create(
        "AWS::S3::Bucket",
        {
            **FULL_BUCKET,
            "LoggingConfiguration": {
                "DestinationBucketName": logs.id, "LogFilePrefix": "access/",
            },
        },
        team="ml",
    )  # fmt: skip
    rule = s3.get_bucket_encryption(Bucket=made.id)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["BucketKeyEnabled"] is True
    assert s3.get_bucket_versioning(Bucket=made.id)["Status"] == "Enabled"
    block = s3.get_public_access_block(Bucket=made.id)["PublicAccessBlockConfiguration"]
    assert block == {
        "BlockPublicAcls": True, "BlockPublicPolicy": True,
        "IgnorePublicAcls": False, "RestrictPublicBuckets": False,
    }  # fmt: skip
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=made.id)["Rules"][0]
    assert lifecycle["Expiration"]["Days"] == 365
    assert lifecycle["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    logging = s3.get_bucket_logging(Bucket=made.id)["LoggingEnabled"]
    assert (logging["TargetBucket"], logging["TargetPrefix"]) == (logs.id, "access/")
    kept = s3_backends["123456789012"]["aws"].get_bucket(made.id).notification_configuration
    assert kept is not None
    assert kept.event_bridge == {}  # the API's response omits it
    tags = s3.get_bucket_tagging(Bucket=made.id)["TagSet"]
    assert {t["Key"]: t["Value"] for t in tags} == {"owner": "me", "team": "ml"}
    assert made["Arn"] == f"arn:aws:s3:::{made.id}"
    assert made["RegionalDomainName"] == f"{made.id}.s3.us-east-1.amazonaws.com"


def test_bucket_logging_to_a_missing_bucket_is_refused(bench: Bench) -> None:
    with pytest.raises(ClientError, match="InvalidTargetBucketForLogging"):
        bench.create(
            "AWS::S3::Bucket", {"LoggingConfiguration": {"DestinationBucketName": "missing"}}
        )


def test_bucket_update_changes_and_removes_configurations(bench: Bench) -> None:
    s3 = bench.client("s3")
    made = bench.create("AWS::S3::Bucket", FULL_BUCKET)
    bench.update(
        made, VersioningConfiguration={"Status": "Suspended"}, LifecycleConfiguration=None,
        CorsConfiguration=None, NotificationConfiguration=None,
        Tags=[{"Key": "owner", "Value": "you"}],
    )  # fmt: skip
    assert s3.get_bucket_versioning(Bucket=made.id)["Status"] == "Suspended"
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=made.id)
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=made.id)
    assert s3.get_bucket_tagging(Bucket=made.id)["TagSet"] == [{"Key": "owner", "Value": "you"}]


def test_bucket_with_objects_is_not_deleted(bench: Bench) -> None:
    made = bench.create("AWS::S3::Bucket", {})
    bench.client("s3").put_object(Bucket=made.id, Key="k", Body=b"x")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        bench.delete(made)
    bench.client("s3").delete_object(Bucket=made.id, Key="k")
    bench.delete_twice(made)


def test_bucket_has_the_name_of_the_template(bench: Bench) -> None:
    made = bench.create(
        "AWS::S3::Bucket", {"BucketName": "a-name-of-mine", "AccessControl": "Private"}
    )
    assert made.id == "a-name-of-mine"


def test_bucket_with_a_refused_configuration_is_deleted_again(bench: Bench) -> None:
    with pytest.raises((AwsError, ClientError)):
        bench.create(
            "AWS::S3::Bucket",
            {"BucketName": "half-a-bucket", "VersioningConfiguration": {"Statuss": "Enabled"}},
        )
    with pytest.raises(ClientError, match="404"):
        bench.client("s3").head_bucket(Bucket="half-a-bucket")


def test_bucket_policy_is_put_updated_and_deleted(bench: Bench) -> None:
    s3 = bench.client("s3")
    bucket = bench.create("AWS::S3::Bucket", {})
    statement = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"{bucket['Arn']}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    document = {"Version": "2012-10-17", "Statement": [statement]}
    made = bench.create("AWS::S3::BucketPolicy", {"Bucket": bucket.id, "PolicyDocument": document})
    assert json.loads(s3.get_bucket_policy(Bucket=bucket.id)["Policy"]) == document
    made = bench.update(made, PolicyDocument={**document, "Id": "new"})
    assert json.loads(s3.get_bucket_policy(Bucket=bucket.id)["Policy"])["Id"] == "new"
    bench.delete_twice(made)
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=bucket.id)


def test_key_has_its_policy_as_text_and_rotation(bench: Bench) -> None:
    kms = bench.client("kms")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
             "Action": "kms:*", "Resource": "*"}
        ],
    }  # fmt: skip
    made = bench.create(
        "AWS::KMS::Key",
        {"KeyPolicy": policy, "EnableKeyRotation": "true", "Description": "d",
         "PendingWindowInDays": "7", "Tags": [{"Key": "a", "Value": "b"}]},
    )  # fmt: skip
    described = kms.describe_key(KeyId=made.id)["KeyMetadata"]
    assert (made["KeyId"], made["Arn"]) == (described["KeyId"], described["Arn"])
    assert kms.get_key_rotation_status(KeyId=made.id)["KeyRotationEnabled"] is True
    assert json.loads(kms.get_key_policy(KeyId=made.id, PolicyName="default")["Policy"]) == policy

    made = bench.update(
        made, EnableKeyRotation=False, Description=None, KeyPolicy={**policy, "Id": "second"},
        Tags=[{"Key": "c", "Value": "d"}],
    )  # fmt: skip
    assert made["Arn"] == described["Arn"]
    assert kms.get_key_rotation_status(KeyId=made.id)["KeyRotationEnabled"] is False
    assert kms.describe_key(KeyId=made.id)["KeyMetadata"]["Description"] == ""
    changed = kms.get_key_policy(KeyId=made.id, PolicyName="default")["Policy"]
    assert json.loads(changed)["Id"] == "second"
    assert kms.list_resource_tags(KeyId=made.id)["Tags"] == [{"TagKey": "c", "TagValue": "d"}]

    bench.delete_twice(made)
    assert kms.describe_key(KeyId=made.id)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_disabled_key_is_disabled(bench: Bench) -> None:
    made = bench.create("AWS::KMS::Key", {"Enabled": False})
    assert bench.client("kms").describe_key(KeyId=made.id)["KeyMetadata"]["Enabled"] is False


def test_alias_follows_its_target(bench: Bench) -> None:
    first, second = bench.create("AWS::KMS::Key", {}), bench.create("AWS::KMS::Key", {})
    made = bench.create("AWS::KMS::Alias", {"AliasName": "alias/mine", "TargetKeyId": first["Arn"]})
    made = bench.update(made, TargetKeyId=second.id)
    actual = bench.client("kms").describe_key(KeyId="alias/mine")["KeyMetadata"]["KeyId"]
    assert (made.id, actual) == ("alias/mine", second.id)
    bench.delete_twice(made)


TABLE: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
    "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": "true"},
    "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
    "Tags": [{"Key": "a", "Value": "b"}],
}


def test_table_applies_every_setting(bench: Bench) -> None:
    dynamodb = bench.client("dynamodb")
    made = bench.create("AWS::DynamoDB::Table", TABLE)
    table = dynamodb.describe_table(TableName=made.id)["Table"]
    assert made["Arn"] == table["TableArn"]
    assert made["StreamArn"] == table["LatestStreamArn"]
    assert table["SSEDescription"]["Status"] == "ENABLED"
    backups = dynamodb.describe_continuous_backups(TableName=made.id)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = dynamodb.describe_time_to_live(TableName=made.id)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    bench.delete_twice(made)


def test_table_update_changes_indexes_and_protection(bench: Bench) -> None:
    dynamodb = bench.client("dynamodb")
    made = bench.create("AWS::DynamoDB::Table", TABLE)
    made = bench.update(
        made,
        DeletionProtectionEnabled=True,
        PointInTimeRecoverySpecification=None,
        AttributeDefinitions=[
            *TABLE["AttributeDefinitions"], {"AttributeName": "other", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-other",
                "KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )  # fmt: skip
    table = dynamodb.describe_table(TableName=made.id)["Table"]
    assert [i["IndexName"] for i in table["GlobalSecondaryIndexes"]] == ["by-other"]
    assert table["DeletionProtectionEnabled"] is True
    with pytest.raises(ClientError, match="DeletionProtectionEnabled is set"):
        bench.delete(made)
    made = bench.update(made, DeletionProtectionEnabled=False, GlobalSecondaryIndexes=None)
    assert not dynamodb.describe_table(TableName=made.id)["Table"].get("GlobalSecondaryIndexes")
    bench.delete_twice(made)


def test_global_table_of_one_replica_is_a_table(bench: Bench) -> None:
    properties = {k: v for k, v in TABLE.items() if k[:5] not in ("Tags", "Point", "SSESp")}
    properties["SSESpecification"] = {"SSEEnabled": True, "SSEType": "KMS"}
    replica = {"Region": "us-east-1", "DeletionProtectionEnabled": False, "Tags": TABLE["Tags"]}
    made = bench.create("AWS::DynamoDB::GlobalTable", {**properties, "Replicas": [replica]})
    table = bench.client("dynamodb").describe_table(TableName=made.id)["Table"]
    assert made["Arn"] == table["TableArn"]
    bench.delete_twice(made)


def test_global_table_of_two_replicas_is_refused(bench: Bench) -> None:
    replicas = [{"Region": "us-east-1"}, {"Region": "eu-west-1"}]
    with pytest.raises(AwsError, match="one region, us-east-1; Replicas name: us-east-1, eu-west"):
        bench.create("AWS::DynamoDB::GlobalTable", {"Replicas": replicas})


def test_repository_has_its_policies(bench: Bench) -> None:
    ecr = bench.client("ecr")
    rules = json.dumps({"rules": [{"rulePriority": 1, "description": "x", "selection": {
        "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days",
        "countNumber": 365}, "action": {"type": "expire"}}]})  # fmt: skip
    made = bench.create(
        "AWS::ECR::Repository",
        {
            "ImageTagMutability": "IMMUTABLE",
            "LifecyclePolicy": {"LifecyclePolicyText": rules},
            "RepositoryPolicyText": {
                "Version": "2012-10-17",
                "Statement": [{"Sid": "Pull", "Effect": "Allow", "Action": ["ecr:BatchGetImage"],
                               "Principal": {"Service": "lambda.amazonaws.com"}}],
            },
            "Tags": [{"Key": "a", "Value": "b"}],
        },
    )  # fmt: skip
    actual = ecr.describe_repositories(repositoryNames=[made.id])["repositories"][0]
    assert (made["Arn"], made["RepositoryUri"]) == (
        actual["repositoryArn"], actual["repositoryUri"],
    )  # fmt: skip
    assert actual["imageTagMutability"] == "IMMUTABLE"
    assert json.loads(ecr.get_lifecycle_policy(repositoryName=made.id)["lifecyclePolicyText"])
    made = bench.update(made, ImageTagMutability="MUTABLE", LifecyclePolicy=None)
    actual = ecr.describe_repositories(repositoryNames=[made.id])["repositories"][0]
    assert actual["imageTagMutability"] == "MUTABLE"
    with pytest.raises(ClientError, match="LifecyclePolicyNotFoundException"):
        ecr.get_lifecycle_policy(repositoryName=made.id)
    bench.delete_twice(made)


def test_parameter_is_overwritten(bench: Bench) -> None:
    ssm = bench.client("ssm")
    made = bench.create(
        "AWS::SSM::Parameter",
        {"Name": "/a/b", "Type": "String", "Value": "1", "Tags": {"a": "b"}},
    )
    assert (made.id, made["Value"], made["Type"]) == ("/a/b", "1", "String")
    made = bench.update(made, Value="2", Tags={"c": "d"})
    assert made["Value"] == "2"
    assert ssm.get_parameter(Name="/a/b")["Parameter"]["Value"] == "2"
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/a/b")["TagList"]
    assert tags == [{"Key": "c", "Value": "d"}]
    bench.delete_twice(made)


def test_secret_is_generated_from_its_template(bench: Bench) -> None:
    secrets = bench.client("secretsmanager")
    made = bench.create(
        "AWS::SecretsManager::Secret",
        {"GenerateSecretString": {
            "SecretStringTemplate": '{"username": "admin"}', "GenerateStringKey": "password",
            "PasswordLength": "20", "ExcludePunctuation": True}},
    )  # fmt: skip
    value = json.loads(secrets.get_secret_value(SecretId=made.id)["SecretString"])
    assert value["username"] == "admin"
    assert len(value["password"]) == 20
    assert made.id == made["Id"]
    made = bench.update(made, Description="for the database")
    assert secrets.describe_secret(SecretId=made.id)["Description"] == "for the database"
    bench.delete_twice(made)


def test_backup_vault_and_plan_are_stored(bench: Bench) -> None:
    backup = bench.client("backup")
    vault = bench.create("AWS::Backup::BackupVault", {"BackupVaultName": "v"})
    rule = {"RuleName": "daily", "TargetBackupVault": "v", "ScheduleExpression": "rate(1 day)"}
    plan = bench.create(
        "AWS::Backup::BackupPlan",
        {"BackupPlan": {"BackupPlanName": "p", "BackupPlanRule": [rule]}},
    )
    actual = backup.get_backup_plan(BackupPlanId=plan.id)["BackupPlan"]
    assert actual["Rules"][0]["TargetBackupVaultName"] == "v"
    assert vault["BackupVaultArn"]
    bench.delete_twice(plan)
    bench.delete(vault)
