"""Statements of KMS key policies."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .allow_statement import AllowStatement

USE = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey",
       "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]  # fmt: skip
"""KMS actions for reading and writing, without a wildcard."""

_ADMINISTER = [
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey",
    "kms:DisableKey", "kms:EnableKey", "kms:EnableKeyRotation", "kms:DisableKeyRotation",
    "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListGrants",
    "kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy",
    "kms:RetireGrant", "kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion",
    "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
]  # fmt: skip

_THROUGH = ["dynamodb", "lambda", "logs", "s3", "sagemaker", "sns", "sqs", "ssm"]


def via(*services: str) -> list[str]:
    """The values of ``kms:ViaService`` for services of this region."""
    region = Aws.REGION
    return [f"{service}.{region}.amazonaws.com" for service in services]


def account_statements() -> list[iam.PolicyStatement]:
    """The account administers the key; IAM policies allow its use through services.

    See https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    account = [iam.AccountRootPrincipal()]
    return [
        iam.PolicyStatement(
            sid="AdministerWithoutUse", principals=account, actions=_ADMINISTER, resources=["*"]
        ),
        iam.PolicyStatement(
            sid="UseThroughServices", principals=account, actions=USE, resources=["*"],
            conditions={"StringEquals": {"kms:ViaService": via(*_THROUGH)}},
        ),
        iam.PolicyStatement(
            sid="GrantToServices", principals=account, actions=["kms:CreateGrant"],
            resources=["*"], conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]  # fmt: skip


def admit_logs(key: kms.IKey, scope: Construct) -> None:
    """Allow CloudWatch Logs of this account and region to use the key.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    groups = Stack.of(scope).format_arn(service="logs", resource="log-group", resource_name="*",
                                        arn_format=ArnFormat.COLON_RESOURCE_NAME)  # fmt: skip
    _add(key, iam.PolicyStatement(
        sid="AdmitLogs", principals=[iam.ServicePrincipal(f"logs.{Aws.REGION}.{Aws.URL_SUFFIX}")],
        actions=USE, resources=["*"],
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
    ))  # fmt: skip


def admit_service(key: kms.IKey, service: str) -> None:
    """Allow a service of this account to write to encrypted topics and queues.

    CDK adds no such statement for an alarm's topic or a rule's dead-letter queue; without it
    messages are dropped without an error.
    """
    _add(key, iam.PolicyStatement(
        sid=f"Admit{service.capitalize()}",
        principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
        actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=["*"],
        conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
    ))  # fmt: skip


def use_statement(
    key: kms.IKey,
    services: Sequence[str],
    *,
    reads: bool = True,
    writes: bool = True,
    also: Sequence[str] = (),
) -> iam.PolicyStatement:
    """A statement to use the key through ``services`` only.

    A service decrypts what its caller reads. For what its caller writes it generates a data key;
    S3 also decrypts the parts of a multipart upload, SQS and SNS verify the data key.

    Args:
        key: The key.
        services: Names of services, as in their endpoints.
        reads: Whether data is read through the services, or written in several parts.
        writes: Whether data is written through the services. DynamoDB only decrypts the key of the
            table, for reads and writes.
        also: Further actions.

    """
    decrypt = ["kms:Decrypt"] if reads else []
    generate = ["kms:GenerateDataKey"] if writes else []
    return AllowStatement(
        actions=[*decrypt, *generate, *also],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": via(*services)}},
    )


def grant_statement(key: kms.IKey) -> iam.PolicyStatement:
    """A statement to create grants for AWS services, which encrypt volumes with the key."""
    return AllowStatement(
        actions=["kms:CreateGrant"],
        resources=[key.key_arn],
        conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
    )


def _add(key: kms.IKey, statement: iam.PolicyStatement) -> None:
    """Add a statement to the key policy; policies of imported keys are not changed."""
    key.add_to_resource_policy(statement, True)
