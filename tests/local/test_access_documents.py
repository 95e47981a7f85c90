"""Policy documents that services refuse before they store them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from request_stage import client, served

from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.core.cloud import Cloud

ACCOUNT = "123456789012"
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
MISSING_ROLE = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/missing"}
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": ROOT}
BUCKET = "arn:aws:s3:::documents"
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
FEATURE = "access: malformed policy documents are refused as each service does"


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Access is off: documents are validated in every mode."""
    with served(iam=AccessMode.OFF) as made:
        client(made, "s3").create_bucket(Bucket="documents")
        iam = client(made, "iam")
        iam.create_role(RoleName="known", AssumeRolePolicyDocument=document(TRUST))
        iam.create_user(UserName="ann")
        client(made, "sns").create_topic(Name="documents")
        client(made, "sqs").create_queue(QueueName="documents")
        client(made, "secretsmanager").create_secret(Name="documents", SecretString="x")
        client(made, "ecr").create_repository(repositoryName="documents")
        client(made, "sagemaker").create_model_package_group(ModelPackageGroupName="documents")
        yield made


def put_role(cloud: Cloud, text: str) -> None:
    client(cloud, "iam").put_role_policy(RoleName="known", PolicyName="p", PolicyDocument=text)


def put_user(cloud: Cloud, text: str) -> None:
    client(cloud, "iam").put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=text)


def create_managed(cloud: Cloud, text: str) -> None:
    client(cloud, "iam").create_policy(PolicyName=f"m{abs(hash(text))}", PolicyDocument=text)


def create_role(cloud: Cloud, text: str) -> None:
    name = f"r{abs(hash(text))}"
    client(cloud, "iam").create_role(RoleName=name, AssumeRolePolicyDocument=text)


def update_trust(cloud: Cloud, text: str) -> None:
    client(cloud, "iam").update_assume_role_policy(RoleName="known", PolicyDocument=text)


def put_bucket(cloud: Cloud, text: str) -> None:
    client(cloud, "s3").put_bucket_policy(Bucket="documents", Policy=text)


def set_topic(cloud: Cloud, text: str) -> None:
    client(cloud, "sns").set_topic_attributes(
        TopicArn=f"arn:aws:sns:us-east-1:{ACCOUNT}:documents", AttributeName="Policy",
        AttributeValue=text,
    )  # fmt: skip


def create_topic(cloud: Cloud, text: str) -> None:
    client(cloud, "sns").create_topic(Name=f"t{abs(hash(text))}", Attributes={"Policy": text})


def set_queue(cloud: Cloud, text: str) -> None:
    sqs = client(cloud, "sqs")
    url = sqs.get_queue_url(QueueName="documents")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})


def create_queue(cloud: Cloud, text: str) -> None:
    client(cloud, "sqs").create_queue(QueueName=f"q{abs(hash(text))}", Attributes={"Policy": text})


def create_key(cloud: Cloud, text: str) -> None:
    client(cloud, "kms").create_key(Policy=text)


def put_secret(cloud: Cloud, text: str) -> None:
    client(cloud, "secretsmanager").put_resource_policy(SecretId="documents", ResourcePolicy=text)


def set_repository(cloud: Cloud, text: str) -> None:
    client(cloud, "ecr").set_repository_policy(repositoryName="documents", policyText=text)


def create_endpoint(cloud: Cloud, text: str) -> None:
    ec2 = client(cloud, "ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", PolicyDocument=text
    )


def put_group(cloud: Cloud, text: str) -> None:
    client(cloud, "sagemaker").put_model_package_group_policy(
        ModelPackageGroupName="documents", ResourcePolicy=text
    )


def put_bus(cloud: Cloud, text: str) -> None:
    client(cloud, "events").put_permission(Policy=text)


Put = Callable[[Cloud, str], None]
ON_GROUP = {"Effect": "Allow", "Action": "sagemaker:DescribeModelPackageGroup", "Resource": "*",
            "Principal": ROOT}  # fmt: skip
SEND = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", "Principal": ROOT}
PUBLISH = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*", "Principal": ROOT}
ON_KEY = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": ROOT}
ON_SECRET = ON_KEY | {"Action": "secretsmanager:GetSecretValue"}
ON_REPOSITORY = {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Principal": ROOT}
GOOD: list[tuple[Put, dict[str, Any]]] = [
    (put_role, READ), (put_user, READ), (create_managed, READ), (create_role, TRUST),
    (update_trust, TRUST), (put_bucket, READ | {"Principal": ROOT}), (set_topic, PUBLISH),
    (create_topic, PUBLISH), (set_queue, SEND), (create_queue, SEND), (create_key, ON_KEY),
    (put_secret, ON_SECRET), (set_repository, ON_REPOSITORY), (put_group, ON_GROUP),
    (create_endpoint, READ | {"Principal": "*"}), (put_bus, ON_KEY | {"Action": "events:*"}),
]  # fmt: skip
BAD: list[tuple[Put, dict[str, Any], str, str]] = [
    (put_role, READ | {"Resource": "documents"}, "MalformedPolicyDocument",
     'Resource documents must be in ARN format or "*".'),
    (put_user, READ | {"Principal": ROOT}, "MalformedPolicyDocument",
     "Policy document should not specify a principal."),
    (create_managed, READ | {"Action": "GetObject"}, "MalformedPolicyDocument",
     "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    (create_role, TRUST | {"Principal": MISSING_ROLE}, "MalformedPolicyDocument",
     f'Invalid principal in policy: "AWS":"{MISSING_ROLE["AWS"]}"'),
    (update_trust, TRUST | {"Action": "s3:GetObject"}, "MalformedPolicyDocument",
     "AssumeRole policy may only specify STS AssumeRole actions."),
    (put_bucket, READ | {"Principal": MISSING_ROLE}, "MalformedPolicy",
     "Invalid principal in policy"),
    (put_bucket, READ | {"Principal": ROOT, "Resource": "arn:aws:s3:::other/*"}, "MalformedPolicy",
     "Policy has invalid resource"),
    (set_topic, PUBLISH | {"Action": "sns:*"}, "InvalidParameter",
     "Invalid parameter: Policy statement action out of service scope!"),
    (create_topic, PUBLISH | {"Principal": MISSING_ROLE}, "InvalidParameter",
     "Invalid parameter: Policy Error: PrincipalNotFound"),
    (set_queue, SEND | {"Action": "sns:Publish"}, "InvalidAttributeValue",
     "Invalid value for the parameter Policy."),
    (create_queue, SEND | {"Action": "sqs:SendMail"}, "InvalidAttributeValue",
     "Invalid value for the parameter Policy."),
    (create_key, ON_KEY | {"Principal": MISSING_ROLE}, "MalformedPolicyDocumentException",
     "Policy contains a statement with one or more invalid principals."),
    (put_secret, ON_SECRET | {"Effect": "allow"}, "MalformedPolicyDocumentException",
     "This resource policy contains a syntax error."),
    (set_repository, ON_REPOSITORY | {"Resource": "*"}, "InvalidParameterException",
     "Invalid parameter at 'PolicyText' failed to satisfy constraint: "
     "'Invalid repository policy provided'"),
    (create_endpoint, READ, "InvalidPolicyDocument", "The Policy is invalid."),
    (put_group, ON_GROUP | {"Action": "s3:GetObject"}, "ValidationException",
     "The resource policy is invalid."),
    (put_bus, ON_KEY, "ValidationException", "The policy is invalid."),
]  # fmt: skip


@pytest.mark.feature(FEATURE)
@pytest.mark.parametrize(("put", "statement"), GOOD, ids=lambda v: getattr(v, "__name__", ""))
def test_document_in_the_language_of_its_service_is_stored(
    cloud: Cloud, put: Put, statement: dict[str, Any]
) -> None:
    put(cloud, document(statement))


@pytest.mark.parametrize(
    ("put", "statement", "code", "message"), BAD, ids=lambda v: getattr(v, "__name__", "")
)
def test_malformed_document_is_refused_with_the_error_of_its_service(
    cloud: Cloud, put: Put, statement: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(ClientError) as refused:
        put(cloud, document(statement))

    error = refused.value.response["Error"]
    assert (error["Code"], error["Message"]) == (code, message)


def test_default_policy_of_a_topic_can_be_stored_again(cloud: Cloud) -> None:
    sns = client(cloud, "sns")
    arn = sns.create_topic(Name="default-again")["TopicArn"]
    default = sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]

    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=default)


def test_refused_policy_is_not_stored(cloud: Cloud) -> None:
    iam = client(cloud, "iam")
    bad = document(READ | {"Resource": "documents"})

    with pytest.raises(ClientError, match="ARN format"):
        iam.put_role_policy(RoleName="known", PolicyName="never", PolicyDocument=bad)

    assert "never" not in iam.list_role_policies(RoleName="known")["PolicyNames"]


def test_principals_are_roles_users_and_ids_that_exist(cloud: Cloud) -> None:
    iam = client(cloud, "iam")
    role = iam.get_role(RoleName="known")["Role"]
    for name in (role["Arn"], role["RoleId"], iam.get_user(UserName="ann")["User"]["Arn"],
                 f"arn:aws:iam::{ACCOUNT}:user/local-admin", "arn:aws:iam::210987654321:role/any",
                 "210987654321"):  # fmt: skip
        put_bucket(cloud, document(READ | {"Principal": {"AWS": name}}))

    for name in ("AROA" + "X" * 17, f"arn:aws:iam::{ACCOUNT}:user/bob",
                 f"arn:aws:iam::{ACCOUNT}:role/path/known"):  # fmt: skip
        with pytest.raises(ClientError, match="Invalid principal"):
            put_bucket(cloud, document(READ | {"Principal": {"AWS": name}}))


def test_inline_policies_of_a_role_share_one_quota(cloud: Cloud) -> None:
    iam = client(cloud, "iam")
    iam.create_role(RoleName="full", AssumeRolePolicyDocument=document(TRUST))
    half = document(READ | {"Resource": [f"{BUCKET}/{n:0100}" for n in range(45)]})
    for name in ("a", "a"):  # the second replaces the first
        iam.put_role_policy(RoleName="full", PolicyName=name, PolicyDocument=half)

    with pytest.raises(ClientError) as refused:
        iam.put_role_policy(RoleName="full", PolicyName="b", PolicyDocument=half)

    error = refused.value.response["Error"]
    assert error["Code"] == "LimitExceeded"
    assert error["Message"] == "Maximum policy size of 10240 bytes exceeded for role full"


def test_removal_of_a_queue_policy_is_no_document(cloud: Cloud) -> None:
    sqs = client(cloud, "sqs")
    url = sqs.get_queue_url(QueueName="documents")["QueueUrl"]

    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})

    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    assert not attributes.get("Attributes", {}).get("Policy")
