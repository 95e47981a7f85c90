"""Data store: an S3 bucket of datasets, models and captured data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from .._private.acknowledge import acknowledge, acknowledge_checkov, acknowledge_packs
from .._private.checks import Checks
from .._private.encryption import account_statements, admit_logs, use_statement
from .._private.errors import ConfigurationError
from .._private.policies import allow, attach
from .._private.removal import retained_unless_confirmed

_ENCRYPTION = "s3:x-amz-server-side-encryption"
_KEY_ID = f"{_ENCRYPTION}-aws-kms-key-id"
_CUSTOMER_KEY = f"{_ENCRYPTION}-customer-algorithm"
_LOGS_ENCRYPTION = "log delivery of S3 writes to SSE-S3 buckets only"
_NO_LOCK = (
    "objects are versioned; a lock would also keep the owner from deleting personal data on request"
)
_NO_GRANT_DENIAL = (
    "the key policy allows grants for AWS services only, so others are denied already; whether "
    "SageMaker's grants pass the demanded Deny is not verified in an account"
)
_NO_REPLICA = "single-region by design; replication is the owner's decision"


class DataStoreBase(Construct):
    """Base of data stores, imported ones included.

    Attributes:
        bucket: The bucket.
        key: KMS key; ``None`` for an imported bucket without one.

    """

    bucket: s3.IBucket
    key: kms.IKey | None

    @property
    def encryption_key(self) -> kms.IKey:
        """The KMS key.

        Raises:
            ConfigurationError: If there is none.

        """
        if self.key is None:
            raise ConfigurationError(
                "KeyMissing", self, "a data store with a key is required, got none"
            )
        return self.key

    def uri(self, prefix: str = "") -> str:
        """``s3://`` URI of a prefix."""
        return f"s3://{self.bucket.bucket_name}/{prefix}"

    def grant_list(self, grantee: iam.IGrantable, *, prefix: str) -> iam.Grant:
        """Grant permission to list one prefix."""
        return attach(grantee, [self.list_statement(prefix)])

    def grant_read(self, grantee: iam.IGrantable, *, prefix: str) -> iam.Grant:
        """Grant permission to list and read one prefix."""
        return attach(grantee, self.read_statements(prefix))

    def grant_write(self, grantee: iam.IGrantable, *, prefix: str) -> iam.Grant:
        """Grant permission to create objects below one prefix, without read and delete."""
        return attach(grantee, self.write_statements(prefix))

    def metric_size(self, **options: Any) -> cloudwatch.Metric:
        """Size of the bucket in bytes, all versions included; daily."""
        return self._daily("BucketSizeBytes", "StandardStorage", options)

    def metric_objects(self, **options: Any) -> cloudwatch.Metric:
        """Number of objects, all versions included; daily."""
        return self._daily("NumberOfObjects", "AllStorageTypes", options)

    def _daily(self, name: str, storage: str, options: Mapping[str, Any]) -> cloudwatch.Metric:
        dimensions = {"BucketName": self.bucket.bucket_name, "StorageType": storage}
        return cloudwatch.Metric(
            namespace="AWS/S3",
            metric_name=name,
            dimensions_map=dimensions,
            **{"statistic": "Average", "period": Duration.days(1), **options},
        )

    def list_statement(self, prefix: str) -> iam.PolicyStatement:
        """The statement of ``grant_list``."""
        return allow(["s3:ListBucket"], [self.bucket.bucket_arn],
                     {"StringLike": {"s3:prefix": [prefix, f"{prefix}*"]}})  # fmt: skip

    def read_statements(self, prefix: str) -> list[iam.PolicyStatement]:
        """The statements of ``grant_read``."""
        objects = self.bucket.arn_for_objects(f"{prefix}*")
        return [
            self.list_statement(prefix),
            allow(["s3:GetObject"], [objects]),
            *self.key_statements(writes=False),
        ]

    def write_statements(self, prefix: str) -> list[iam.PolicyStatement]:
        """The statements of ``grant_write``."""
        objects = self.bucket.arn_for_objects(f"{prefix}*")
        actions = ["s3:AbortMultipartUpload", "s3:PutObject"]
        return [allow(actions, [objects]), *self.key_statements(writes=True)]

    def key_statements(self, *, writes: bool) -> list[iam.PolicyStatement]:
        """Statements to read, or read and write, through S3 with the key; empty without a key."""
        return [] if self.key is None else [use_statement(self.key, ["s3"], writes=writes)]


class DataStore(DataStoreBase):
    """Defines an encrypted, versioned, private S3 bucket with a KMS key, and retains both.

    TLS 1.2 and the store's key are required; access logs are in a second bucket; object events are
    sent to EventBridge. CloudFormation generates the names.

    Example:
        >>> store = DataStore(stack, "Store")
        >>> store.grant_read(people, prefix="datasets/")

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey | None = None,
        removal_policy: RemovalPolicy | None = None,
        noncurrent_days: int = 90,
        log_days: int = 365,
    ) -> None:
        """Define the store.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            key: KMS key of the store; a new one by default.
            removal_policy: ``RETAIN`` by default. ``DESTROY`` also needs the context
                ``sageloop:destroyData``.
            noncurrent_days: Retention of noncurrent object versions in days.
            log_days: Retention of access logs in days.

        Raises:
            ConfigurationError: If a number of days is out of range.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check.whole("noncurrent_days", noncurrent_days, 1, 3650)
            check.whole("log_days", log_days, 1, 3650)
        self.removal_policy = retained_unless_confirmed(self, removal_policy)
        self.key = self._build_key() if key is None else key
        self.log_bucket = self._build_log_bucket(log_days)
        self.bucket = self._build_bucket(self.key, noncurrent_days)
        self._log_accesses(self.bucket)
        self._admit_only_own_key(self.key)

    @classmethod
    def from_bucket(
        cls,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        key: kms.IKey | None = None,
    ) -> DataStoreBase:
        """Import an existing bucket; enable its EventBridge notifications."""
        store = DataStoreBase(scope, construct_id)
        store.bucket = bucket
        store.key = bucket.encryption_key if key is None else key
        return store

    def _build_key(self) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            description="Data, models and messages of one project",
            enable_key_rotation=True,
            removal_policy=self.removal_policy,
            policy=iam.PolicyDocument(statements=account_statements()),
        )
        admit_logs(key, self)
        acknowledge(key, ["CT.KMS.PR.3"], _NO_GRANT_DENIAL)
        return key

    def _build_log_bucket(self, log_days: int) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            lifecycle_rules=[_lifecycle(expiration=log_days, noncurrent=1)],
            removal_policy=self.removal_policy,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
        )
        acknowledge_packs(bucket, "S3DefaultEncryptionKMS", _LOGS_ENCRYPTION)
        acknowledge(bucket, ["CT.S3.PR.10"], _LOGS_ENCRYPTION)
        acknowledge(bucket, ["CT.S3.PR.2"], "this is the bucket of access logs")
        acknowledge(bucket, ["CT.S3.PR.4"], "no function processes the access logs")
        acknowledge(bucket, ["CT.S3.PR.9"], "access logs expire after the configured days")
        acknowledge_packs(bucket, "S3BucketReplicationEnabled", _NO_REPLICA)
        acknowledge_checkov(bucket, "CKV_AWS_18", "this is the bucket of access logs")
        return bucket

    def _build_bucket(self, key: kms.IKey, noncurrent_days: int) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Resource",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            lifecycle_rules=[_lifecycle(noncurrent=noncurrent_days)],
            removal_policy=self.removal_policy,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
        )
        resource = bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        resource.logging_configuration = s3.CfnBucket.LoggingConfigurationProperty(
            destination_bucket_name=self.log_bucket.bucket_name, log_file_prefix="access/"
        )
        # The L2's argument would add a function; the property has the same effect.
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )
        acknowledge_packs(bucket, "S3BucketReplicationEnabled", _NO_REPLICA)
        acknowledge(bucket, ["CT.S3.PR.9"], _NO_LOCK)
        return bucket

    def _log_accesses(self, bucket: s3.IBucket) -> None:
        """Allow S3 log delivery by bucket policy, since the bucket has no ACLs."""
        self.log_bucket.add_to_resource_policy(iam.PolicyStatement(
            sid="AdmitAccessLogs",
            principals=[iam.ServicePrincipal("logging.s3.amazonaws.com")],
            actions=["s3:PutObject"],
            resources=[self.log_bucket.arn_for_objects("access/*")],
            conditions={
                "ArnLike": {"aws:SourceArn": bucket.bucket_arn},
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            },
        ))  # fmt: skip

    def _admit_only_own_key(self, key: kms.IKey) -> None:
        """Deny uploads whose encryption headers select another key.

        A request without such headers is allowed: the bucket's default encrypts with ``key``.
        """
        for sid, conditions in _refusals(key.key_arn).items():
            self.bucket.add_to_resource_policy(iam.PolicyStatement(
                sid=sid, effect=iam.Effect.DENY, principals=[iam.AnyPrincipal()],
                actions=["s3:PutObject"], resources=[self.bucket.arn_for_objects("*")],
                conditions=conditions,
            ))  # fmt: skip


def _refusals(key_arn: str) -> dict[str, dict[str, dict[str, str]]]:
    """Conditions of the statements that deny an upload under another key, by statement id.

    A negated operator is true where its key is absent, so ``Null`` stands beside each. S3
    encrypts a request of ``aws:kms`` that names no key with the AWS managed key ``aws/s3``, not
    with the bucket's default. CreateMultipartUpload, CopyObject and POST are authorised as
    PutObject with the same headers; UploadPart sends none.

    See https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html
    """
    return {
        "RefuseOtherKeys": {
            "Null": {_KEY_ID: "false"}, "StringNotEquals": {_KEY_ID: key_arn},
        },
        "RefuseOtherEncryption": {
            "Null": {_ENCRYPTION: "false"}, "StringNotEquals": {_ENCRYPTION: "aws:kms"},
        },
        "RefuseAwsManagedKey": {
            "Null": {_KEY_ID: "true"}, "StringEquals": {_ENCRYPTION: "aws:kms"},
        },
        "RefuseCustomerProvidedKeys": {"Null": {_CUSTOMER_KEY: "false"}},
    }  # fmt: skip


def _lifecycle(*, noncurrent: int, expiration: int | None = None) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        id="Tidy",
        abort_incomplete_multipart_upload_after=Duration.days(7),
        noncurrent_version_expiration=Duration.days(noncurrent),
        expiration=None if expiration is None else Duration.days(expiration),
    )
