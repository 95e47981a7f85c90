"""Calls are decided by the policies in the cloud's state before they are carried out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from lambda_stage import package
from roles import ACCOUNT, LAMBDA, QUEUE_READER, USER, allowing, function_role, make_role, trust

from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.access.enforcement.service_acts import role_actor
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.services import own_services

ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/service"
READ = {
    "Sid": "ReadTraining", "Effect": "Allow", "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::data/train/*",
}  # fmt: skip


def started() -> Cloud:
    cloud = Cloud(CloudConfig())
    cloud.add(own_services(cloud))
    user = cloud.client("iam", principal=USER)
    user.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust(LAMBDA)))
    put_policy(cloud, READ)
    s3 = cloud.client("s3", principal=USER)
    s3.create_bucket(Bucket="data")
    for key in ("train/rows.csv", "test/rows.csv"):
        s3.put_object(Bucket="data", Key=key, Body=b"1,2\n")
    return cloud


def put_policy(cloud: Cloud, *statements: dict[str, Any]) -> None:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    cloud.client("iam", principal=USER).put_role_policy(
        RoleName="reader", PolicyName="inline", PolicyDocument=json.dumps(document)
    )


@pytest.fixture(scope="module")
def shared() -> Iterator[Cloud]:
    cloud = started()
    yield cloud
    cloud.stop()


@pytest.fixture
def cloud(shared: Cloud) -> Iterator[Cloud]:
    """The cloud, whose role reads training data and nothing else."""
    yield shared
    put_policy(shared, READ)
    shared.client("s3", principal=USER).delete_bucket_policy(Bucket="data")


def reader(cloud: Cloud, service: str = "s3") -> Any:
    return cloud.client(service, principal=ROLE)


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_allowed_call_is_carried_out(cloud: Cloud) -> None:
    response = reader(cloud).get_object(Bucket="data", Key="train/rows.csv")

    assert response["Body"].read() == b"1,2\n"


def test_call_on_another_resource_is_denied_with_the_message_of_s3(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as error:
        reader(cloud).get_object(Bucket="data", Key="test/rows.csv")

    assert code_of(error) == ("AccessDenied", 403)
    assert error.value.response["Error"]["Message"] == (
        f"User: {SESSION} is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::data/test/rows.csv" because no identity-based policy allows the '
        "s3:GetObject action"
    )


def test_denied_call_has_no_effect(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        reader(cloud).put_object(Bucket="data", Key="train/new.csv", Body=b"")

    keys = cloud.client("s3", principal=USER).list_objects_v2(Bucket="data")["Contents"]
    assert "train/new.csv" not in {each["Key"] for each in keys}


def test_policy_holds_from_the_next_call_on(cloud: Cloud) -> None:
    put_policy(cloud, READ, allowing("s3:PutObject")["Statement"][0])
    reader(cloud).put_object(Bucket="data", Key="train/new.csv", Body=b"")

    put_policy(cloud, READ)

    with pytest.raises(ClientError, match="AccessDenied"):
        reader(cloud).put_object(Bucket="data", Key="train/new.csv", Body=b"")


def test_deny_of_a_bucket_policy_holds_for_the_administrator(cloud: Cloud) -> None:
    s3 = cloud.client("s3", principal=USER)
    denial = {
        "Sid": "NoAes", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::data/*",
        "Condition": {"StringEquals": {"s3:x-amz-server-side-encryption": "AES256"}},
    }  # fmt: skip
    s3.put_bucket_policy(
        Bucket="data", Policy=json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    )
    s3.put_object(Bucket="data", Key="a", Body=b"")

    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        s3.put_object(Bucket="data", Key="a", Body=b"", ServerSideEncryption="AES256")


def test_bucket_policy_without_identity_policy_allows_a_role_of_the_account(cloud: Cloud) -> None:
    grant = {
        "Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::data/test/*",
    }  # fmt: skip
    cloud.client("s3", principal=USER).put_bucket_policy(
        Bucket="data", Policy=json.dumps({"Version": "2012-10-17", "Statement": [grant]})
    )

    assert reader(cloud).get_object(Bucket="data", Key="test/rows.csv")["Body"].read()


def test_each_deleted_object_of_a_batch_is_decided(cloud: Cloud) -> None:
    put_policy(cloud, {
        "Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::data/train/*"
    })  # fmt: skip
    batch = {"Objects": [{"Key": "train/none.csv"}, {"Key": "test/rows.csv"}]}

    with pytest.raises(ClientError, match="s3:DeleteObject"):
        reader(cloud).delete_objects(Bucket="data", Delete=batch)


def test_prefix_of_a_listing_is_a_condition_key(cloud: Cloud) -> None:
    put_policy(cloud, {
        "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::data",
        "Condition": {"StringLike": {"s3:prefix": "train/*"}},
    })  # fmt: skip

    assert reader(cloud).list_objects_v2(Bucket="data", Prefix="train/")["KeyCount"] >= 1
    with pytest.raises(ClientError, match="s3:ListBucket"):
        reader(cloud).list_objects_v2(Bucket="data")


def test_missing_object_is_access_denied_without_the_right_to_list(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as error:
        reader(cloud).get_object(Bucket="data", Key="train/none.csv")
    with pytest.raises(ClientError) as head:
        reader(cloud).head_object(Bucket="data", Key="train/none.csv")

    assert code_of(error) == ("AccessDenied", 403)
    assert code_of(head) == ("403", 403)


def test_missing_object_is_not_found_with_the_right_to_list(cloud: Cloud) -> None:
    put_policy(cloud, READ, allowing("s3:ListBucket")["Statement"][0])

    with pytest.raises(ClientError) as error:
        reader(cloud).get_object(Bucket="data", Key="train/none.csv")

    assert code_of(error) == ("NoSuchKey", 404)


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        ("sagemaker", "list_endpoints", {}, ("AccessDeniedException", 400)),
        ("dynamodb", "list_tables", {}, ("AccessDeniedException", 400)),
        ("lambda", "list_functions", {}, ("AccessDeniedException", 403)),
        ("iam", "list_roles", {}, ("AccessDenied", 403)),
        ("cloudwatch", "list_metrics", {}, ("AccessDenied", 403)),
        ("cloudformation", "list_stacks", {}, ("AccessDenied", 403)),
        ("sns", "list_topics", {}, ("AuthorizationError", 403)),
        ("ec2", "describe_vpcs", {}, ("UnauthorizedOperation", 403)),
        ("kms", "list_keys", {}, ("AccessDeniedException", 400)),
        ("logs", "describe_log_groups", {}, ("AccessDeniedException", 400)),
    ],
)
def test_denial_has_the_code_of_its_service(
    cloud: Cloud, service: str, operation: str, params: dict[str, Any], expected: tuple[str, int]
) -> None:
    with pytest.raises(ClientError) as error:
        getattr(reader(cloud, service), operation)(**params)

    assert code_of(error) == expected


def test_role_is_passed_only_with_the_right_to_pass_it(cloud: Cloud) -> None:
    put_policy(cloud, allowing("sagemaker:CreateModel")["Statement"][0])

    with pytest.raises(ClientError, match=r"iam:PassRole on resource: .*:role/reader"):
        reader(cloud, "sagemaker").create_model(ModelName="m", ExecutionRoleArn=ROLE)


def test_mapping_is_deleted_by_the_right_on_its_function(cloud: Cloud) -> None:
    iam, lambdas = cloud.client("iam", principal=USER), cloud.client("lambda", principal=USER)
    role = function_role(iam, "polled", *QUEUE_READER)
    lambdas.create_function(
        FunctionName="polled", Runtime="python3.11", Handler="index.handler", Role=role,
        Code={"ZipFile": package({"index.py": "def handler(event, context): ..."})},
    )  # fmt: skip
    cloud.client("sqs", principal=USER).create_queue(QueueName="polled")
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:polled"
    made = lambdas.create_event_source_mapping(EventSourceArn=queue, FunctionName="polled")
    right = {
        "Effect": "Allow", "Action": "lambda:DeleteEventSourceMapping", "Resource": "*",
        "Condition": {"ArnEquals": {"lambda:FunctionArn": made["FunctionArn"]}},
    }  # fmt: skip
    other = {"ArnEquals": {"lambda:FunctionArn": f"{made['FunctionArn']}-2"}}

    put_policy(cloud, right | {"Condition": other})
    with pytest.raises(ClientError, match="lambda:DeleteEventSourceMapping"):
        reader(cloud, "lambda").delete_event_source_mapping(UUID=made["UUID"])
    put_policy(cloud, right)
    deleted = reader(cloud, "lambda").delete_event_source_mapping(UUID=made["UUID"])

    assert deleted["State"] == "Deleting"


def test_operation_without_a_table_is_refused_to_roles_by_name(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="ssm:DeleteDocument is in no table of required"):
        reader(cloud, "ssm").delete_document(Name="none")


def test_decisions_are_recorded_with_statement_and_count(cloud: Cloud) -> None:
    for _ in range(2):
        reader(cloud).get_object(Bucket="data", Key="train/rows.csv")

    (record,) = [
        each for each in cloud.authorizer.log.records()
        if each.principal == ROLE and each.resource.endswith("/train/rows.csv")
        and each.action == "s3:GetObject"
    ]  # fmt: skip
    assert (record.effect, record.source) == ("allowed", "inline ReadTraining")
    assert record.count >= 2
    assert record.context["s3:tlsversion"] == ["1.3"]


def test_record_of_a_denial_names_the_statement_that_nearly_allowed_it(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        reader(cloud).get_object(Bucket="data", Key="test/rows.csv")

    denied = cloud.authorizer.log.records(denied=True)
    assert any(
        "statement ReadTraining of inline allows it for other resources" in record.source
        for record in denied
    )


def test_record_of_calls_names_the_statement(cloud: Cloud) -> None:
    reader(cloud).get_object(Bucket="data", Key="train/rows.csv")

    calls = cloud.recorder.calls(action="s3:GetObject")
    assert calls[-1].access == "inline ReadTraining"


def test_warn_carries_a_denied_call_out_and_records_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud.authorizer, "mode", AccessMode.WARN)
    before = cloud.authorizer.log.summary()["denied"]

    assert reader(cloud).get_object(Bucket="data", Key="test/rows.csv")["Body"].read()
    assert cloud.authorizer.log.summary()["denied"] == before + 1


def test_off_decides_and_records_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.authorizer, "mode", AccessMode.OFF)
    before = cloud.authorizer.log.records()

    assert reader(cloud).get_object(Bucket="data", Key="test/rows.csv")["Body"].read()
    assert cloud.authorizer.log.records() == before


def test_usage_lists_used_spare_and_denied_permissions(cloud: Cloud) -> None:
    worker_arn = make_role(
        cloud.client("iam", principal=USER), "worker", trust(LAMBDA), "s3:GetObject",
        "s3:DeleteObject",
    )  # fmt: skip
    worker = cloud.client("s3", principal=worker_arn)
    worker.get_object(Bucket="data", Key="train/rows.csv")
    with pytest.raises(ClientError, match="AccessDenied"):
        worker.put_object(Bucket="data", Key="a", Body=b"")

    (usage,) = [each for each in cloud.authorizer.usage() if each.role == worker_arn]

    assert {grant.action: str(grant.need) for grant in usage.grants} == {
        "s3:GetObject": "needed", "s3:DeleteObject": "spare",
    }  # fmt: skip
    assert [request["action"] for request in usage.denied] == ["s3:PutObject"]
    assert usage.suggested["Statement"] == [{
        "Effect": "Allow", "Action": ["s3:GetObject"],
        "Resource": ["arn:aws:s3:::data/train/rows.csv"],
    }]  # fmt: skip


def test_permission_on_a_resource_of_another_account_is_needed(cloud: Cloud) -> None:
    puller = make_role(
        cloud.client("iam", principal=USER), "puller", trust(LAMBDA), "ecr:BatchGetImage"
    )
    images = "arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost"
    assert role_actor(cloud, puller, "pulls").denial("ecr:BatchGetImage", images) is None

    (usage,) = [each for each in cloud.authorizer.usage() if each.role == puller]

    assert [str(grant.need) for grant in usage.grants] == ["needed"]


def test_permissions_that_allow_the_same_requests_are_redundant(cloud: Cloud) -> None:
    twice = make_role(
        cloud.client("iam", principal=USER), "twice", trust(LAMBDA), "s3:GetObject", "s3:Get*"
    )
    cloud.client("s3", principal=twice).get_object(Bucket="data", Key="train/rows.csv")

    (usage,) = [each for each in cloud.authorizer.usage() if each.role == twice]

    assert [str(grant.need) for grant in usage.grants] == ["redundant", "redundant"]
