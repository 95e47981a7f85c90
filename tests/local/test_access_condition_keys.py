"""Condition keys of resources, sessions and services, and keys that are not filled."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from request_stage import client, served
from roles import CLOUDFORMATION, SAGEMAKER, trust

from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.core.cloud import Cloud

ACCOUNT = "123456789012"
NAME = "tagged"
FEATURE = "access: tags, sessions and services are condition keys"
BY_TAG = {"Effect": "Allow", "Action": "*", "Resource": "*",
          "Condition": {"StringEquals": {"aws:ResourceTag/team": "green"}}}  # fmt: skip
PAIRS = [{"Key": "team", "Value": "green"}]


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with served(allow=frozenset({"aws:SourceOrgID"})) as made:
        yield made


def keys_of_user(cloud: Cloud, name: str, *statements: Any) -> tuple[str, str, None]:
    iam = client(cloud, "iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"], None


@pytest.fixture(scope="module")
def ann(cloud: Cloud) -> tuple[str, str, None]:
    """Keys of a user who may do everything to what is tagged with her team."""
    return keys_of_user(cloud, "ann", BY_TAG)


Use, Tag = Callable[[Cloud, Any], Any], Callable[[Cloud], Any]


def topic(cloud: Cloud) -> str:
    return str(client(cloud, "sns").create_topic(Name=NAME)["TopicArn"])


def queue(cloud: Cloud) -> str:
    return str(client(cloud, "sqs").create_queue(QueueName=NAME)["QueueUrl"])


def key(cloud: Cloud) -> str:
    kms = client(cloud, "kms")
    known = kms.list_aliases()["Aliases"]
    values = [a["TargetKeyId"] for a in known if a["AliasName"] == f"alias/{NAME}"]
    if not values:
        values = [kms.create_key()["KeyMetadata"]["KeyId"]]
        kms.create_alias(AliasName=f"alias/{NAME}", TargetKeyId=values[0])
    return str(values[0])


def secret(cloud: Cloud) -> str:
    made = client(cloud, "secretsmanager")
    known = [s["Name"] for s in made.list_secrets()["SecretList"]]
    if NAME not in known:
        made.create_secret(Name=NAME, SecretString="x")
    return NAME


def table(cloud: Cloud) -> str:
    made = client(cloud, "dynamodb")
    if NAME not in made.list_tables()["TableNames"]:
        made.create_table(
            TableName=NAME, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}],
        )  # fmt: skip
    return str(made.describe_table(TableName=NAME)["Table"]["TableArn"])


def role(cloud: Cloud) -> str:
    iam = client(cloud, "iam")
    if NAME not in [known["RoleName"] for known in iam.list_roles()["Roles"]]:
        iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(trust(SAGEMAKER)))
    return NAME


def group(cloud: Cloud) -> str:
    made = client(cloud, "sagemaker")
    listed = made.list_model_package_groups()["ModelPackageGroupSummaryList"]
    if not listed:
        made.create_model_package_group(ModelPackageGroupName=NAME)
    return f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package-group/{NAME}"


RESOURCES = [
    pytest.param(
        lambda cloud, made: made("sns").publish(TopicArn=topic(cloud), Message="m"),
        lambda cloud: client(cloud, "sns").tag_resource(ResourceArn=topic(cloud), Tags=PAIRS),
        id="topic",
    ),
    pytest.param(
        lambda cloud, made: made("sqs").send_message(QueueUrl=queue(cloud), MessageBody="m"),
        lambda cloud: client(cloud, "sqs").tag_queue(QueueUrl=queue(cloud), Tags={"team": "green"}),
        id="queue",
    ),
    pytest.param(
        lambda cloud, made: made("kms").describe_key(KeyId=key(cloud)),
        lambda cloud: client(cloud, "kms").tag_resource(
            KeyId=key(cloud), Tags=[{"TagKey": "team", "TagValue": "green"}]
        ),
        id="key",
    ),
    pytest.param(
        lambda cloud, made: made("secretsmanager").describe_secret(SecretId=secret(cloud)),
        lambda cloud: client(cloud, "secretsmanager").tag_resource(
            SecretId=secret(cloud), Tags=PAIRS
        ),
        id="secret",
    ),
    pytest.param(
        lambda cloud, made: made("dynamodb").describe_table(TableName=table(cloud).split("/")[1]),
        lambda cloud: client(cloud, "dynamodb").tag_resource(ResourceArn=table(cloud), Tags=PAIRS),
        id="table",
    ),
    pytest.param(
        lambda cloud, made: made("iam").get_role(RoleName=role(cloud)),
        lambda cloud: client(cloud, "iam").tag_role(RoleName=role(cloud), Tags=PAIRS),
        id="role",
    ),
    pytest.param(
        lambda cloud, made: made("sagemaker").describe_model_package_group(
            ModelPackageGroupName=group(cloud)
        ),
        lambda cloud: client(cloud, "sagemaker").add_tags(ResourceArn=group(cloud), Tags=PAIRS),
        id="group",
    ),
]


@pytest.mark.feature(FEATURE)
@pytest.mark.parametrize(("use", "tag"), RESOURCES)
def test_tags_of_a_resource_are_condition_keys(
    cloud: Cloud, ann: tuple[str, str, None], use: Use, tag: Tag
) -> None:
    def of_ann(service: str) -> Any:
        return client(cloud, service, *ann)

    with pytest.raises(ClientError, match="no identity-based policy allows"):
        use(cloud, of_ann)

    tag(cloud)

    assert use(cloud, of_ann)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_tags_of_an_object_are_condition_keys(cloud: Cloud) -> None:
    statement = BY_TAG | {"Condition": {"StringEquals": {"s3:ExistingObjectTag/team": "green"}}}
    reader = client(cloud, "s3", *keys_of_user(cloud, "reader", statement))
    s3 = client(cloud, "s3")
    s3.create_bucket(Bucket="objects")
    s3.put_object(Bucket="objects", Key="green", Body=b"x", Tagging="team=green")
    s3.put_object(Bucket="objects", Key="blue", Body=b"x", Tagging="team=blue")

    assert reader.get_object(Bucket="objects", Key="green")["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.get_object(Bucket="objects", Key="blue")


def test_sessions_from_before_a_moment_can_be_revoked(cloud: Cloud) -> None:
    iam = client(cloud, "iam")
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole",
                 "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}  # fmt: skip
    arn = iam.create_role(RoleName="revoked", AssumeRolePolicyDocument=document(statement))
    made = client(cloud, "sts").assume_role(
        RoleArn=arn["Role"]["Arn"], RoleSessionName="session"
    )["Credentials"]  # fmt: skip
    keys = made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]

    def put(moment: datetime) -> None:
        condition = {"DateLessThan": {"aws:TokenIssueTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}}
        allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        text = document(allow, allow | {"Effect": "Deny", "Condition": condition})
        iam.put_role_policy(RoleName="revoked", PolicyName="p", PolicyDocument=text)

    put(datetime.now(UTC) - timedelta(hours=1))
    assert client(cloud, "sqs", *keys).list_queues()["ResponseMetadata"]
    put(datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(ClientError, match="explicit deny"):
        client(cloud, "sqs", *keys).list_queues()


TEMPLATE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}


def test_calls_of_cloudformation_for_its_caller_have_called_via(cloud: Cloud) -> None:
    stacks = {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}
    queues = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*",
              "Condition": {"ForAnyValue:StringEquals": {"aws:CalledVia": CLOUDFORMATION},
                            "Bool": {"aws:ViaAWSService": "true"}}}  # fmt: skip
    keys = keys_of_user(cloud, "deployer", stacks, queues)
    formation = client(cloud, "cloudformation", *keys)

    formation.create_stack(StackName="via", TemplateBody=json.dumps(TEMPLATE))
    formation.get_waiter("stack_create_complete").wait(StackName="via", WaiterConfig={"Delay": 1})

    with pytest.raises(ClientError, match="no identity-based policy allows"):
        client(cloud, "sqs", *keys).create_queue(QueueName="direct")


def statement_with(key: str, **change: Any) -> dict[str, Any]:
    return {"Sid": "Org", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
            "Condition": {"StringEquals": {key: "o-1"}}} | change  # fmt: skip


def put(cloud: Cloud, *statements: Any) -> None:
    iam = client(cloud, "iam")
    if "keys" not in [known["UserName"] for known in iam.list_users()["Users"]]:
        iam.create_user(UserName="keys")
    text = document(*statements)
    iam.put_user_policy(UserName="keys", PolicyName="org", PolicyDocument=text)


@pytest.mark.feature("access: a policy with a condition key that is not filled is refused")
def test_policy_with_a_key_that_is_not_filled_is_refused_by_name(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as refused:
        put(cloud, statement_with("aws:PrincipalOrgID"))

    message = refused.value.response["Error"]["Message"]
    assert message == (
        "policy of a user org, statement Org: the local cloud does not fill the condition key "
        "aws:PrincipalOrgID, on AWS the decision may differ; --allow aws:PrincipalOrgID leaves it "
        "absent"
    )


@pytest.mark.parametrize(
    "statement",
    [
        statement_with("aws:SourceOrgID"),  # allowed by name
        statement_with("AWS:sourceorgid"),
        statement_with("aws:NoSuchKey"),  # it does not exist on AWS either
        statement_with("elasticmapreduce:RequestTag/a", Action="elasticmapreduce:RunJobFlow"),
        statement_with("aws:ResourceTag/team", Action=["sns:Publish", "sqs:SendMessage"]),
    ],
)
def test_policy_with_other_keys_is_stored(cloud: Cloud, statement: dict[str, Any]) -> None:
    put(cloud, statement)


@pytest.mark.parametrize(
    "statement",
    [
        statement_with("aws:ResourceTag/team", Action=["sns:Publish", "logs:PutLogEvents"]),
        statement_with("s3:signatureAge"),
        {"Effect": "Allow", "Action": "s3:GetObject",
         "Resource": "arn:aws:s3:::a/${aws:PrincipalOrgID}/*"},
    ],
)  # fmt: skip
def test_keys_of_other_services_and_in_variables_are_reported(
    cloud: Cloud, statement: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="does not fill the condition key"):
        put(cloud, statement)


def test_claims_of_an_identity_provider_are_filled(cloud: Cloud) -> None:
    name = "token.actions.githubusercontent.com"
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{name}"
    statement = {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                 "Principal": {"Federated": provider},
                 "Condition": {"StringLike": {f"{name}:sub": "repo:a/b:*"},
                               "StringEquals": {f"{name}:aud": "sts.amazonaws.com"}}}  # fmt: skip

    client(cloud, "iam").create_role(
        RoleName="github", AssumeRolePolicyDocument=document(statement)
    )


def test_template_with_a_key_that_is_not_filled_creates_nothing(cloud: Cloud) -> None:
    policy = {"Version": "2012-10-17", "Statement": [statement_with("aws:PrincipalOrgID")]}
    template = {"Resources": {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "never"}},
        "Policy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy}},
    }}  # fmt: skip

    with pytest.raises(ClientError, match="does not fill the condition key"):
        client(cloud, "cloudformation").create_stack(
            StackName="keys", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
        )

    topics = [known["TopicArn"] for known in client(cloud, "sns").list_topics()["Topics"]]
    assert not [arn for arn in topics if arn.endswith(":never")]


def test_every_key_is_stored_where_access_is_off() -> None:
    with served(iam=AccessMode.OFF) as other:
        put(other, statement_with("aws:PrincipalOrgID"))
