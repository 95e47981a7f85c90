"""The permissions that single operations require: actions, resources and condition keys."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sageloop.local_cloud.access.policy.authorization import (
    SERVICES,
    ApiCall,
    Permission,
    UnmappedOperationError,
    filled_keys,
    required_permissions,
)
from sageloop.local_cloud.access.policy.context_keys import Availability, availability

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/R"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234"


def permissions(
    model: str, operation: str, *, resolve: Any = None, **params: Any
) -> list[Permission]:
    more = {"resolve": resolve} if resolve else {}
    return required_permissions(
        ApiCall(model=model, operation=operation, params=params, region="eu-west-1",
                account=ACCOUNT, **more)
    )  # fmt: skip


def pairs(model: str, operation: str, **params: Any) -> list[tuple[str, str]]:
    return [(need.action, need.resource) for need in permissions(model, operation, **params)]


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:eu-west-1:{ACCOUNT}:{resource}"


OBJECT = {"Bucket": "b", "Key": "k/1"}
S3_OBJECT, S3_BUCKET = "arn:aws:s3:::b/k/1", "arn:aws:s3:::b"


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("GetObject", OBJECT, [("s3:GetObject", S3_OBJECT)]),
        ("HeadObject", OBJECT, [("s3:GetObject", S3_OBJECT)]),
        ("GetObject", OBJECT | {"VersionId": "v"}, [("s3:GetObjectVersion", S3_OBJECT)]),
        ("GetObjectTagging", OBJECT | {"VersionId": "v"},
         [("s3:GetObjectVersionTagging", S3_OBJECT)]),
        ("PutObject", OBJECT, [("s3:PutObject", S3_OBJECT)]),
        ("PutObject", OBJECT | {"ACL": "private", "Tagging": "a=b"},
         [("s3:PutObject", S3_OBJECT), ("s3:PutObjectAcl", S3_OBJECT),
          ("s3:PutObjectTagging", S3_OBJECT)]),
        ("CreateMultipartUpload", OBJECT, [("s3:PutObject", S3_OBJECT)]),
        ("UploadPart", OBJECT, [("s3:PutObject", S3_OBJECT)]),
        ("CompleteMultipartUpload", OBJECT, [("s3:PutObject", S3_OBJECT)]),
        ("AbortMultipartUpload", OBJECT, [("s3:AbortMultipartUpload", S3_OBJECT)]),
        ("ListParts", OBJECT, [("s3:ListMultipartUploadParts", S3_OBJECT)]),
        ("CopyObject", OBJECT | {"CopySource": "/src/a%20b?versionId=v"},
         [("s3:GetObjectVersion", "arn:aws:s3:::src/a b"), ("s3:PutObject", S3_OBJECT)]),
        ("CopyObject", OBJECT | {"CopySource": {"Bucket": "src", "Key": "a"}},
         [("s3:GetObject", "arn:aws:s3:::src/a"), ("s3:PutObject", S3_OBJECT)]),
        ("DeleteObject", OBJECT, [("s3:DeleteObject", S3_OBJECT)]),
        ("DeleteObjects",
         {"Bucket": "b", "Delete": {"Objects": [{"Key": "x"}, {"Key": "y", "VersionId": "v"}]}},
         [("s3:DeleteObject", "arn:aws:s3:::b/x"), ("s3:DeleteObjectVersion", "arn:aws:s3:::b/y")]),
        ("ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", S3_BUCKET)]),
        ("HeadBucket", {"Bucket": "b"}, [("s3:ListBucket", S3_BUCKET)]),
        ("ListBuckets", {}, [("s3:ListAllMyBuckets", "arn:aws:s3:::*")]),
        ("ListObjectVersions", {"Bucket": "b"}, [("s3:ListBucketVersions", S3_BUCKET)]),
        ("GetBucketEncryption", {"Bucket": "b"}, [("s3:GetEncryptionConfiguration", S3_BUCKET)]),
        ("DeleteBucketTagging", {"Bucket": "b"}, [("s3:PutBucketTagging", S3_BUCKET)]),
        ("GetBucketVersioning", {"Bucket": "b"}, [("s3:GetBucketVersioning", S3_BUCKET)]),
        ("CreateBucket", {"Bucket": "b", "ACL": "private"},
         [("s3:CreateBucket", S3_BUCKET), ("s3:PutBucketAcl", S3_BUCKET)]),
    ],
)  # fmt: skip
def test_s3_operation_needs_its_actions(
    operation: str, params: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert pairs("s3", operation, **params) == expected


def test_s3_headers_are_condition_keys() -> None:
    headers = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY, "StorageClass": "STANDARD"}
    result = permissions("s3", "PutObject", **OBJECT, **headers, Tagging="team=blue")
    assert result[0].context == {
        "s3:x-amz-server-side-encryption": "aws:kms",
        "s3:x-amz-server-side-encryption-aws-kms-key-id": KEY,
        "s3:x-amz-storage-class": "STANDARD",
        "s3:RequestObjectTag/team": "blue",
        "s3:RequestObjectTagKeys": ["team"],
    }


def test_s3_upload_without_headers_has_no_condition_keys() -> None:
    assert permissions("s3", "PutObject", **OBJECT)[0].context == {}


def test_s3_listing_has_prefix_delimiter_and_number() -> None:
    result = permissions("s3", "ListObjectsV2", Bucket="b", Prefix="", Delimiter="/", MaxKeys=0)
    assert result[0].context == {"s3:prefix": "", "s3:delimiter": "/", "s3:max-keys": 0}
    assert permissions("s3", "ListObjects", Bucket="b")[0].context == {"s3:max-keys": 1000}


JOB = {
    "TrainingJobName": "Nightly",
    "RoleArn": ROLE,
    "ResourceConfig": {"InstanceType": "ml.m5.large", "VolumeKmsKeyId": KEY},
    "OutputDataConfig": {"KmsKeyId": KEY},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "EnableNetworkIsolation": True,
    "Tags": [{"Key": "team", "Value": "blue"}],
}


def test_training_job_needs_its_role_and_its_tags() -> None:
    assert pairs("sagemaker", "CreateTrainingJob", **JOB) == [
        ("sagemaker:CreateTrainingJob", arn("sagemaker", "training-job/Nightly")),
        ("sagemaker:AddTags", arn("sagemaker", "training-job/Nightly")),
        ("iam:PassRole", ROLE),
    ]


def test_training_job_has_request_members_as_condition_keys() -> None:
    create, _, passed = permissions("sagemaker", "CreateTrainingJob", **JOB)
    assert create.context == {
        "aws:RequestTag/team": "blue",
        "aws:TagKeys": ["team"],
        "sagemaker:InstanceTypes": ["ml.m5.large"],
        "sagemaker:MaxRuntimeInSeconds": 3600,
        "sagemaker:NetworkIsolation": True,
        "sagemaker:OutputKmsKey": KEY,
        "sagemaker:VolumeKmsKey": KEY,
        "sagemaker:VpcSecurityGroupIds": ["sg-1"],
        "sagemaker:VpcSubnets": ["subnet-1"],
    }
    assert passed.context == {"iam:PassedToService": "sagemaker.amazonaws.com"}


@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.parametrize(
    ("operation", "place"),
    [
        ("CreateTrainingJob", ()),
        ("CreateProcessingJob", ("NetworkConfig",)),
        ("CreateHyperParameterTuningJob", ("TrainingJobDefinition",)),
    ],
)
def test_flag_is_a_key_whether_it_is_true_or_false(
    operation: str, place: tuple[str, ...], isolated: bool
) -> None:
    params: dict[str, Any] = {"EnableNetworkIsolation": isolated}
    for name in place:
        params = {name: params}
    names = {"TrainingJobName": "a", "ProcessingJobName": "a", "HyperParameterTuningJobName": "a"}
    result = permissions("sagemaker", operation, **names, **params)
    assert result[0].context == {"sagemaker:NetworkIsolation": isolated}


def test_job_without_a_network_has_no_key_for_it() -> None:
    result = permissions("sagemaker", "CreateTrainingJob", TrainingJobName="x", RoleArn=ROLE)
    assert result[0].context == {}


@pytest.mark.parametrize(
    ("model", "operation", "params", "expected"),
    [
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "Live"},
         [("sagemaker:InvokeEndpoint", arn("sagemaker", "endpoint/Live"))]),
        ("sagemaker", "UpdateEndpoint", {"EndpointName": "E", "EndpointConfigName": "C"},
         [("sagemaker:UpdateEndpoint", arn("sagemaker", "endpoint/E")),
          ("sagemaker:UpdateEndpoint", arn("sagemaker", "endpoint-config/C"))]),
        ("sagemaker", "ListTrainingJobs", {}, [("sagemaker:ListTrainingJobs", "*")]),
        ("lambda", "Invoke", {"FunctionName": "f"},
         [("lambda:InvokeFunction", arn("lambda", "function:f"))]),
        ("lambda", "Invoke", {"FunctionName": "f", "Qualifier": "live"},
         [("lambda:InvokeFunction", arn("lambda", "function:f:live"))]),
        ("lambda", "Invoke", {"FunctionName": arn("lambda", "function:f:2")},
         [("lambda:InvokeFunction", arn("lambda", "function:f:2"))]),
        ("lambda", "Invoke", {"FunctionName": "444455556666:function:f"},
         [("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:444455556666:function:f")]),
        ("lambda", "UpdateFunctionCode", {"FunctionName": "f:live"},
         [("lambda:UpdateFunctionCode", arn("lambda", "function:f"))]),
        ("lambda", "GetLayerVersion", {"LayerName": "l", "VersionNumber": 3},
         [("lambda:GetLayerVersion", arn("lambda", "layer:l:3"))]),
        ("dynamodb", "Query", {"TableName": "t", "IndexName": "i"},
         [("dynamodb:Query", arn("dynamodb", "table/t/index/i"))]),
        ("dynamodb", "BatchWriteItem", {"RequestItems": {"t": [], "u": []}},
         [("dynamodb:BatchWriteItem", arn("dynamodb", "table/t")),
          ("dynamodb:BatchWriteItem", arn("dynamodb", "table/u"))]),
        ("dynamodb", "TransactWriteItems",
         {"TransactItems": [{"Put": {"TableName": "t"}}, {"Put": {"TableName": "t"}},
                            {"ConditionCheck": {"TableName": "t"}}]},
         [("dynamodb:PutItem", arn("dynamodb", "table/t")),
          ("dynamodb:ConditionCheckItem", arn("dynamodb", "table/t"))]),
        ("logs", "PutLogEvents", {"logGroupName": "/a", "logStreamName": "s"},
         [("logs:PutLogEvents", arn("logs", "log-group:/a:log-stream:s"))]),
        ("logs", "CreateLogGroup", {"logGroupName": "/a"},
         [("logs:CreateLogGroup", arn("logs", "log-group:/a:log-stream:"))]),
        ("cloudwatch", "PutMetricData", {"Namespace": "n"}, [("cloudwatch:PutMetricData", "*")]),
        ("cloudwatch", "DescribeAlarms", {"AlarmNames": ["a", "b"]},
         [("cloudwatch:DescribeAlarms", arn("cloudwatch", "alarm:a")),
          ("cloudwatch:DescribeAlarms", arn("cloudwatch", "alarm:b"))]),
        ("cloudwatch", "DescribeAlarms", {"AlarmNames": ["a"], "AlarmTypes": ["CompositeAlarm"]},
         [("cloudwatch:DescribeAlarms", "*")]),
        ("cloudwatch", "PutDashboard", {"DashboardName": "d"},
         [("cloudwatch:PutDashboard", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/d")]),
        ("sns", "Publish", {"TopicArn": arn("sns", "t")}, [("sns:Publish", arn("sns", "t"))]),
        ("sns", "PublishBatch", {"TopicArn": arn("sns", "t")}, [("sns:Publish", arn("sns", "t"))]),
        ("sqs", "SendMessageBatch", {"QueueUrl": f"http://localhost:1/{ACCOUNT}/q"},
         [("sqs:SendMessage", arn("sqs", "q"))]),
        ("sqs", "GetQueueUrl", {"QueueName": "q", "QueueOwnerAWSAccountId": "444455556666"},
         [("sqs:GetQueueUrl", "arn:aws:sqs:eu-west-1:444455556666:q")]),
        ("events", "PutRule", {"Name": "r"}, [("events:PutRule", arn("events", "rule/r"))]),
        ("events", "DescribeRule", {"Name": "r", "EventBusName": arn("events", "event-bus/b")},
         [("events:DescribeRule", arn("events", "rule/b/r"))]),
        ("events", "PutTargets", {"Rule": "r", "Targets": [{"Arn": "x", "RoleArn": ROLE}]},
         [("events:PutTargets", arn("events", "rule/r")), ("iam:PassRole", ROLE)]),
        ("scheduler", "CreateSchedule", {"Name": "s", "Target": {"RoleArn": ROLE}},
         [("scheduler:CreateSchedule", arn("scheduler", "schedule/default/s")),
          ("iam:PassRole", ROLE)]),
        ("iam", "CreateRole", {"RoleName": "R", "Path": "/jobs/"},
         [("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/jobs/R")]),
        ("iam", "AddRoleToInstanceProfile", {"RoleName": "R", "InstanceProfileName": "P"},
         [("iam:AddRoleToInstanceProfile", f"arn:aws:iam::{ACCOUNT}:instance-profile/P"),
          ("iam:PassRole", ROLE)]),
        ("sts", "GetCallerIdentity", {}, []),
        ("sts", "AssumeRole", {"RoleArn": ROLE, "Tags": [{"Key": "a", "Value": "b"}]},
         [("sts:AssumeRole", ROLE), ("sts:TagSession", ROLE)]),
        ("kms", "Decrypt", {"KeyId": "1234"}, [("kms:Decrypt", KEY)]),
        ("kms", "CreateAlias", {"AliasName": "alias/a", "TargetKeyId": "1234"},
         [("kms:CreateAlias", arn("kms", "alias/a")), ("kms:CreateAlias", KEY)]),
        ("kms", "ReEncrypt", {"SourceKeyId": "1234", "DestinationKeyId": "5678"},
         [("kms:ReEncryptFrom", KEY), ("kms:ReEncryptTo", arn("kms", "key/5678"))]),
        ("cloudformation", "CreateStack", {"StackName": "s", "RoleARN": ROLE},
         [("cloudformation:CreateStack", arn("cloudformation", "stack/s/*")),
          ("iam:PassRole", ROLE)]),
        ("secretsmanager", "GetSecretValue", {"SecretId": "s"},
         [("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:s-??????"))]),
        ("ssm", "GetParameter", {"Name": "/a/b"},
         [("ssm:GetParameter", arn("ssm", "parameter/a/b"))]),
        ("ec2", "DescribeSubnets", {}, [("ec2:DescribeSubnets", "*")]),
        ("ec2", "DeleteSubnet", {"SubnetId": "subnet-1"},
         [("ec2:DeleteSubnet", arn("ec2", "subnet/subnet-1"))]),
        ("ec2", "CreateSubnet", {"VpcId": "vpc-1"},
         [("ec2:CreateSubnet", arn("ec2", "vpc/vpc-1")),
          ("ec2:CreateSubnet", arn("ec2", "subnet/*"))]),
    ],
)  # fmt: skip
def test_operation_needs_its_actions_on_its_resources(
    model: str, operation: str, params: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert pairs(model, operation, **params) == expected


def test_key_that_the_action_lacks_is_not_in_the_context() -> None:
    result = permissions("sagemaker", "CreateModel", ModelName="m", InstanceType="ml.m5.large")
    assert result == [Permission("sagemaker:CreateModel", arn("sagemaker", "model/m"))]


def test_function_in_a_network_requires_its_description() -> None:
    result = pairs("lambda", "CreateFunction", FunctionName="f", Role=ROLE, Layers=["arn:l"],
                  VpcConfig={"SubnetIds": ["subnet-1"]})  # fmt: skip
    assert result == [
        ("lambda:CreateFunction", arn("lambda", "function:f")), ("iam:PassRole", ROLE),
        ("lambda:GetLayerVersion", "arn:l"), ("ec2:DescribeSecurityGroups", "*"),
        ("ec2:DescribeSubnets", "*"), ("ec2:DescribeVpcs", "*"),
    ]  # fmt: skip


def test_events_need_each_bus_once_with_source_and_type() -> None:
    entry = {"Source": "mine", "DetailType": "d"}
    result = permissions(
        "events", "PutEvents", Entries=[entry, entry, entry | {"EventBusName": "b"}]
    )
    assert [need.resource for need in result] == [
        arn("events", "event-bus/default"), arn("events", "event-bus/b"),
    ]  # fmt: skip
    assert result[0].context == {"events:source": "mine", "events:detail-type": "d"}


def test_encryption_context_is_condition_keys() -> None:
    def resolve(kind: str, name: str | bytes) -> str | None:
        return KEY if (kind, name) == ("kms:key", "alias/a") else None

    context = {"A": "1"}
    result = permissions("kms", "GenerateDataKey", KeyId="alias/a", EncryptionContext=context,
                  resolve=resolve)  # fmt: skip
    assert result == [
        Permission("kms:GenerateDataKey", KEY, {
            "kms:RequestAlias": "alias/a", "kms:EncryptionContextKeys": ["A"],
            "kms:EncryptionContext:A": "1",
        })
    ]  # fmt: skip


def test_key_of_a_ciphertext_is_resolved_from_the_state() -> None:
    def resolve(kind: str, blob: str | bytes) -> str | None:
        return KEY if (kind, blob) == ("kms:ciphertext", b"x") else None

    result = permissions("kms", "Decrypt", CiphertextBlob=b"x", resolve=resolve)
    assert result[0].resource == KEY


def test_grant_has_grantee_operations_and_constraint_as_condition_keys() -> None:
    params = {"KeyId": "1234", "GranteePrincipal": ROLE, "Operations": ["Decrypt"]}
    constraints = {"EncryptionContextSubset": {"a": "b"}}
    result = permissions("kms", "CreateGrant", **params, Constraints=constraints)
    assert result[0].context == {
        "kms:GrantOperations": ["Decrypt"], "kms:GranteePrincipal": ROLE,
        "kms:GrantConstraintType": "EncryptionContextSubset", "kms:GrantIsForAWSResource": False,
    }  # fmt: skip


def test_path_of_a_role_is_resolved_from_the_state() -> None:
    path = f"arn:aws:iam::{ACCOUNT}:role/jobs/R"

    def resolve(kind: str, name: str | bytes) -> str | None:
        return path if (kind, name) == ("iam:role", "R") else None

    result = permissions("iam", "GetRole", RoleName="R", resolve=resolve)
    assert result[0].resource == path


def test_session_has_external_id_and_name() -> None:
    result = permissions("sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="s", ExternalId="e")
    assert result[0].context == {"sts:ExternalId": "e", "sts:RoleSessionName": "s"}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"Tags": {"a": "b"}}, {"aws:RequestTag/a": "b", "aws:TagKeys": ["a"]}),
        ({"TagKeys": ["a"]}, {"aws:TagKeys": ["a"]}),
    ],
)
def test_tags_of_a_request_are_condition_keys(
    params: dict[str, Any], expected: dict[str, Any]
) -> None:
    operation = "UntagResource" if "TagKeys" in params else "TagResource"
    result = permissions("lambda", operation, Resource=arn("lambda", "function:f"), **params)
    assert result[0].context == expected


@pytest.mark.parametrize(("model", "operation"), [("dynamodb", "ExecuteStatement"),
                                                  ("athena", "StartQueryExecution")])  # fmt: skip
def test_operation_in_no_table_is_refused_by_name(model: str, operation: str) -> None:
    with pytest.raises(
        UnmappedOperationError, match=f"{model}:{operation} is in no table of required permissions"
    ):
        permissions(model, operation)


@pytest.mark.parametrize("model", sorted(SERVICES))
def test_filled_keys_exist(model: str) -> None:
    unknown = {key for key in SERVICES[model].filled_keys
               if availability(key) is Availability.UNKNOWN}  # fmt: skip
    assert unknown == set()


def test_keys_that_tables_fill_are_filled() -> None:
    result = availability("s3:x-amz-server-side-encryption", filled=filled_keys())
    assert result is Availability.FILLED


_VALUES = st.recursive(
    st.sampled_from([None, "", "text", 0, 1, False, True, [], ["text"]]),
    lambda inner: st.dictionaries(st.sampled_from(["A", "B"]), inner, max_size=2),
    max_leaves=6,
)


@given(
    path=st.sampled_from(["A", "A.B", "A.B.A", "A || B", "A.B || B", "B.A || A.B || A"]),
    params=st.dictionaries(st.sampled_from(["A", "B"]), _VALUES, max_size=2),
)
def test_members_are_read_as_by_jmespath(path: str, params: dict[str, Any]) -> None:
    call = ApiCall(model="s3", operation="x", params=params, region="eu-west-1", account="1")

    assert call.get(path) == jmespath.search(path, params)
