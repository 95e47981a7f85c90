"""Input channels of training jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from .._private.checks import Checks, known
from .._private.encryption import use_statement
from .._private.policies import allow, arn
from ..data import DataStoreBase

INPUT_MODES = ("FastFile", "File", "Pipe")
_DATA_TYPES = ("AugmentedManifestFile", "ManifestFile", "S3Prefix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """An input channel, ``/opt/ml/input/data/<name>`` in the container.

    Attributes:
        name: Name, unique in the job.
        prefix: Prefix of the bucket, or the key of a manifest.
        s3_bucket: Bucket; by default that of the data store.
        key: KMS key of ``s3_bucket``.
        input_mode: ``File``, ``FastFile`` or ``Pipe``; that of the job by default.
        content_type: Content type of the data, such as ``text/csv``.
        compression: ``Gzip`` or ``None``; Gzip with ``Pipe`` only.
        record_wrapper: ``RecordIO`` or ``None``; RecordIO with ``Pipe`` only.
        sharded: Whether objects are sharded among the hosts instead of replicated.
        shuffle_seed: Seed for shuffling the objects, with ``Pipe`` in each epoch; no shuffling
            by default.
        data_type: ``S3Prefix``, ``ManifestFile`` or ``AugmentedManifestFile``.
        attribute_names: Attributes of an augmented manifest.
        reads: Prefixes of the bucket to which a manifest refers; the role of the job may read them.
        instance_groups: Instance groups that receive the channel; all by default.
        file_system_id: File system in place of S3.
        file_system_type: ``EFS`` or ``FSxLustre``.
        directory: Directory of the file system.
        read_only: Whether the file system is mounted read-only.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/model-access-training-data.html

    Example:
        >>> Channel.store("train", prefix="datasets/digits/", input_mode="FastFile")
        >>> Channel.efs("train", file_system_id="fs-0123456789abcdef0", directory="/digits")

    """

    name: str
    prefix: str = ""
    s3_bucket: s3.IBucket | None = None
    key: kms.IKey | None = None
    input_mode: str | None = None
    content_type: str = ""
    compression: str = "None"
    record_wrapper: str = "None"
    sharded: bool = False
    shuffle_seed: int | None = None
    data_type: str = "S3Prefix"
    attribute_names: Sequence[str] = ()
    reads: Sequence[str] = ()
    instance_groups: Sequence[str] = ()
    file_system_id: str = ""
    file_system_type: str = ""
    directory: str = ""
    read_only: bool = True

    @classmethod
    def store(cls, name: str, *, prefix: str, **options: Any) -> Channel:
        """A prefix of the specification's data store; options are the attributes."""
        return cls(name=name, prefix=prefix, **options)

    @classmethod
    def bucket(
        cls,
        name: str,
        *,
        bucket: s3.IBucket,
        prefix: str,
        key: kms.IKey | None = None,
        **options: Any,
    ) -> Channel:
        """A prefix of another bucket.

        Args:
            name: Name of the channel.
            bucket: The bucket.
            prefix: The prefix.
            key: KMS key of the bucket; by default ``bucket.encryption_key``.
            options: The attributes.

        """
        used = bucket.encryption_key if key is None else key
        return cls(name=name, s3_bucket=bucket, prefix=prefix, key=used, **options)

    @classmethod
    def efs(cls, name: str, *, file_system_id: str, directory: str, **options: Any) -> Channel:
        """A directory of an EFS file system, reachable from the job's subnets."""
        return cls(name=name, file_system_id=file_system_id, file_system_type="EFS",
                   directory=directory, **options)  # fmt: skip

    @classmethod
    def fsx(cls, name: str, *, file_system_id: str, directory: str, **options: Any) -> Channel:
        """A directory of an FSx for Lustre file system, beginning with its mount name."""
        return cls(name=name, file_system_id=file_system_id, file_system_type="FSxLustre",
                   directory=directory, **options)  # fmt: skip

    @property
    def is_file_system(self) -> bool:
        """Whether the data is in a file system."""
        return self.file_system_type != ""

    @property
    def lies_in_store(self) -> bool:
        """Whether the data is in the specification's data store."""
        in_store = not self.is_file_system and self.s3_bucket is None
        return in_store and self.data_type == "S3Prefix"

    def check(self, check: Checks, default_mode: str) -> None:
        """Refuse values that SageMaker does not accept."""
        check.matches("the name of a channel", self.name, r"[A-Za-z0-9._-]+", 64)
        mode = default_mode if self.input_mode is None else self.input_mode
        label = f"channel {self.name}"
        check.one_of(f"{label}: input_mode", mode, INPUT_MODES)
        if self.is_file_system:
            self._check_file_system(check, label, mode)
        else:
            self._check_s3(check, label, mode)

    def rendered(self, store: DataStoreBase, default_mode: str) -> dict[str, Any]:
        """The channel for the request."""
        mode = default_mode if self.input_mode is None else self.input_mode
        channel: dict[str, Any] = {"ChannelName": self.name, "DataSource": self._source(store)}
        if self.content_type:
            channel["ContentType"] = self.content_type
        channel["CompressionType"] = self.compression
        if self.record_wrapper != "None":
            channel["RecordWrapperType"] = self.record_wrapper
        if mode != default_mode:
            channel["InputMode"] = mode
        if self.shuffle_seed is not None:
            channel["ShuffleConfig"] = {"Seed": self.shuffle_seed}
        return channel

    def statements(self, scope: Construct, store: DataStoreBase) -> list[iam.PolicyStatement]:
        """Statements that allow a role to read the channel."""
        if self.is_file_system:
            return [self._file_system_statement(scope)]
        prefixes = [self.prefix, *self.reads]
        if self.s3_bucket is None:
            return [each for prefix in prefixes for each in store.read_statements(prefix)]
        bucket = self.s3_bucket
        key = [] if self.key is None else [use_statement(self.key, ["s3"], writes=False)]
        return [
            *[each for prefix in prefixes for each in _read(bucket, prefix)],
            *key,
        ]

    def _source(self, store: DataStoreBase) -> dict[str, Any]:
        if self.is_file_system:
            return {"FileSystemDataSource": {
                "FileSystemId": self.file_system_id,
                "FileSystemType": self.file_system_type,
                "FileSystemAccessMode": "ro" if self.read_only else "rw",
                "DirectoryPath": self.directory,
            }}  # fmt: skip
        bucket = store.bucket if self.s3_bucket is None else self.s3_bucket
        spread = "ShardedByS3Key" if self.sharded else "FullyReplicated"
        source: dict[str, Any] = {
            "S3DataType": self.data_type,
            "S3Uri": f"s3://{bucket.bucket_name}/{self.prefix}",
            "S3DataDistributionType": spread,
        }
        if self.attribute_names:
            source["AttributeNames"] = list(self.attribute_names)
        if self.instance_groups:
            source["InstanceGroupNames"] = list(self.instance_groups)
        return {"S3DataSource": source}

    def _check_s3(self, check: Checks, label: str, mode: str) -> None:
        check.one_of(f"{label}: data_type", self.data_type, _DATA_TYPES)
        check.one_of(f"{label}: compression", self.compression, ("Gzip", "None"))
        check.one_of(f"{label}: record_wrapper", self.record_wrapper, ("None", "RecordIO"))
        if self.prefix == "":
            check.refuse("ChannelWithoutData", f"{label}: prefix must say where its data lies")
        if not known(mode):
            return
        for name, value in (("compression", self.compression),
                            ("record_wrapper", self.record_wrapper)):  # fmt: skip
            if mode != "Pipe" and known(value) and value != "None":
                message = (
                    f"{label}: {name} {value} is allowed only with input_mode Pipe, got {mode}"
                )
                check.refuse("InputModeNotAllowed", message)
        augmented = self.data_type == "AugmentedManifestFile"
        if augmented and mode != "Pipe":
            message = f"{label}: AugmentedManifestFile needs input_mode Pipe, got {mode}"
            check.refuse("InputModeNotAllowed", message)
        if augmented != (len(self.attribute_names) > 0) or len(self.attribute_names) > 16:
            message = (
                f"{label}: attribute_names are 1 to 16 with AugmentedManifestFile and none "
                f"otherwise, got {len(self.attribute_names)} with {self.data_type}"
            )
            check.refuse("AttributesNotAllowed", message)
        if self.data_type != "S3Prefix" and self.sharded and mode == "FastFile":
            message = f"{label}: a sharded manifest needs input_mode File or Pipe, got FastFile"
            check.refuse("InputModeNotAllowed", message)

    def _check_file_system(self, check: Checks, label: str, mode: str) -> None:
        check.matches(f"{label}: file_system_id", self.file_system_id, r"fs-[0-9a-f]{8,}", 21)
        check.matches(f"{label}: directory", self.directory, r"/.*", 4096)
        if known(mode) and mode != "File":
            message = f"{label}: a file system needs input_mode File, got {mode}"
            check.refuse("InputModeNotAllowed", message)
        for name in ("prefix", "s3_bucket", "sharded", "shuffle_seed", "attribute_names", "reads",
                     "instance_groups"):  # fmt: skip
            if getattr(self, name) != _DEFAULTS[name]:
                check.refuse("ValueNotAllowed", f"{label}: {name} is for data in S3")

    def _file_system_statement(self, scope: Construct) -> iam.PolicyStatement:
        service, action = {
            "EFS": ("elasticfilesystem", "elasticfilesystem:DescribeMountTargets"),
            "FSxLustre": ("fsx", "fsx:DescribeFileSystems"),
        }[self.file_system_type]
        return allow([action], [arn(Stack.of(scope), service, "file-system", self.file_system_id)])


_DEFAULTS = {each.name: each.default for each in fields(Channel)}


def _read(bucket: s3.IBucket, prefix: str) -> list[iam.PolicyStatement]:
    return [
        allow(["s3:ListBucket"], [bucket.bucket_arn],
              {"StringLike": {"s3:prefix": [prefix, f"{prefix}*"]}}),
        allow(["s3:GetObject"], [bucket.arn_for_objects(f"{prefix}*")]),
    ]  # fmt: skip
