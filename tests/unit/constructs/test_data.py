from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import App, RemovalPolicy, Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match, Template

from constructs_lib import ConfigurationError, DataStore, StateTable


def test_store_retains_buckets_and_key(stack: Stack) -> None:
    DataStore(stack, "Store")

    template = Template.from_stack(stack)
    template.all_resources("AWS::S3::Bucket", {"DeletionPolicy": "Retain"})
    template.all_resources("AWS::KMS::Key", {"DeletionPolicy": "Retain"})


def test_store_key_is_rotated(stack: Stack) -> None:
    DataStore(stack, "Store")

    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::KMS::Key", {"EnableKeyRotation": True})
    template.has_resource_properties("AWS::S3::Bucket", {
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [
            Match.object_like({"BucketKeyEnabled": True}),
        ]},
        "NotificationConfiguration": {
            "EventBridgeConfiguration": {"EventBridgeEnabled": True},
        },
        "LoggingConfiguration": Match.object_like({"LogFilePrefix": "access/"}),
    })  # fmt: skip


def test_store_defines_no_function(stack: Stack) -> None:
    DataStore(stack, "Store")

    Template.from_stack(stack).resource_count_is("AWS::Lambda::Function", 0)


def test_key_policy_gives_the_account_no_use_outside_services(stack: Stack) -> None:
    DataStore(stack, "Store")

    (key,) = Template.from_stack(stack).find_resources("AWS::KMS::Key").values()
    statements = key["Properties"]["KeyPolicy"]["Statement"]
    free = [
        action
        for statement in statements
        if "Condition" not in statement
        for action in statement["Action"]
    ]
    assert "kms:PutKeyPolicy" in free
    assert not {"kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant", "kms:*"} & set(free)


def test_destroy_needs_context_key(stack: Stack) -> None:
    store = DataStore(stack, "Store", removal_policy=RemovalPolicy.DESTROY)

    assert store.removal_policy is RemovalPolicy.RETAIN
    Annotations.from_stack(stack).has_warning(
        "/Test/Store", Match.string_like_regexp("sageloop:destroyData=true")
    )


def test_destroy_with_context_key_deletes_data() -> None:
    stack = Stack(App(context={"sageloop:destroyData": True}), "Test")

    store = DataStore(stack, "Store", removal_policy=RemovalPolicy.DESTROY)

    assert store.removal_policy is RemovalPolicy.DESTROY


def test_store_refuses_days_out_of_range(stack: Stack) -> None:
    message = r"\[Test/Store\] ValueOutOfRange: log_days must be between 1 and 3650, got 0"
    with pytest.raises(ConfigurationError, match=message):
        DataStore(stack, "Store", log_days=0)


def test_store_accepts_a_token_for_days(stack: Stack) -> None:
    days: Any = Token.as_number({"Ref": "Days"})

    DataStore(stack, "Store", log_days=days)


def test_grant_read_allows_only_one_prefix(stack: Stack) -> None:
    store = DataStore(stack, "Store")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))

    store.grant_read(role, prefix="datasets/")

    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statements[0]["Condition"] == {"StringLike": {"s3:prefix": ["datasets/", "datasets/*"]}}
    assert statements[1]["Resource"]["Fn::Join"][1][-1] == "/datasets/*"


def test_store_from_bucket_uses_the_bucket_as_it_is(stack: Stack) -> None:
    bucket = s3.Bucket.from_bucket_name(stack, "Mine", "mine")
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:eu-west-1:111122223333:key/k")

    store = DataStore.from_bucket(stack, "Store", bucket=bucket, key=key)

    assert store.uri("a/") == "s3://mine/a/"
    assert store.encryption_key is key


def test_store_without_key_is_refused_where_required(stack: Stack) -> None:
    bucket = s3.Bucket.from_bucket_name(stack, "Mine", "mine")

    store = DataStore.from_bucket(stack, "Store", bucket=bucket)

    with pytest.raises(ConfigurationError, match="KeyMissing"):
        _ = store.encryption_key


def test_state_table_expires_rows_and_can_be_restored(stack: Stack) -> None:
    StateTable(stack, "State", deletion_protection=True)

    Template.from_stack(stack).has_resource_properties("AWS::DynamoDB::Table", {
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "DeletionProtectionEnabled": True,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    })  # fmt: skip
