"""Model artifacts from data stores, buckets, jobs, model packages and folders."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from .._private.archive import archive_asset, read_statements
from .._private.checks import Checks, known
from .._private.encryption import use_statement
from .._private.errors import ConfigurationError
from .._private.folder import files_in
from .._private.policies import allow
from ..data import DataStoreBase

if TYPE_CHECKING:
    from ..training import TrainingJob

_NEVER = (".git", "__pycache__", "*.py[co]", ".DS_Store", ".ipynb_checkpoints")
_WHERE = "ModelArtifact"
# A version (`3`, `v1.2`), a date, or the digest of a name (`flights-0123456789ab`).
_VERSION = re.compile(r"v?\d+([._-]\d+)*|.*\d{4}-\d{2}-\d{2}.*|(.*[._-])?(?=.*\d)[0-9a-f]{8,64}")
_PACKAGE = r"(arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:)?[\w\-./]{1,170}"

Files = Sequence[tuple[str, Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundArtifact:
    """A model artifact, resolved in one stack.

    Attributes:
        container: Members of the container definition.
        statements: Statements that allow the model's role to read the artifact.

    """

    container: dict[str, Any]
    statements: Sequence[iam.PolicyStatement] = ()


class ModelArtifact(ABC):
    """A model artifact: from a data store, bucket, training job, model package or folder.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3ModelDataSource.html

    Example:
        >>> ModelArtifact.from_store(store, "models/flights/3/model.tar.gz")
        >>> ModelArtifact.from_folder("models/digits")

    """

    __slots__ = ()

    @staticmethod
    def from_store(store: DataStoreBase, key: str, *, mutable: bool = False) -> ModelArtifact:
        """An object or a prefix of a data store.

        Args:
            store: The store.
            key: Key of a ``model.tar.gz``; a prefix that ends in a slash holds the files
                themselves, or the archives of a multi-model container. Other than for those, it
                must have a version, a date or a digest: CloudFormation does not deploy another
                model under the same key.
            mutable: Whether to accept a key without a version.

        Raises:
            ConfigurationError: If the key is empty or absolute; when a model uses it, if it has no
                version.

        """
        _check_key(key)
        return _Stored(
            uri=store.uri(key), statements=tuple(store.read_statements(key)), key=key,
            mutable=mutable,
        )  # fmt: skip

    @staticmethod
    def from_bucket(
        bucket: s3.IBucket, key: str, *, encryption_key: kms.IKey | None = None,
        mutable: bool = False,
    ) -> ModelArtifact:  # fmt: skip
        """An object or a prefix of an existing bucket.

        Args:
            bucket: The bucket.
            key: See ``from_store``.
            encryption_key: Key of the objects; the bucket's own by default.
            mutable: See ``from_store``.

        Raises:
            ConfigurationError: As ``from_store``.

        """
        _check_key(key)
        effective_key = bucket.encryption_key if encryption_key is None else encryption_key
        statements = [
            allow(["s3:ListBucket"], [bucket.bucket_arn],
                  {"StringLike": {"s3:prefix": [key, f"{key}*"]}}),
            allow(["s3:GetObject"], [bucket.arn_for_objects(f"{key}*")]),
            *([] if effective_key is None
              else [use_statement(effective_key, ["s3"], writes=False)]),
        ]  # fmt: skip
        uri = f"s3://{bucket.bucket_name}/{key}"
        return _Stored(uri=uri, statements=tuple(statements), key=key, mutable=mutable)

    @staticmethod
    def from_job(job: TrainingJob, name: str) -> ModelArtifact:
        """The artifact of one training job.

        Args:
            job: The job.
            name: Full name of the run, ``<job>-<12 hex digits>``; it must have completed when
                the model is deployed.

        Raises:
            ConfigurationError: If the name is not one of the job's runs.

        """
        with Checks(_WHERE) as check:
            check.name("name", name)
            digits = f"-[0-9a-f]{{{job.kind.digest}}}"
            if known(name, job.job) and not re.fullmatch(re.escape(job.job) + digits, str(name)):
                message = (
                    f"name must be a run of {job.job} ({job.job}-<{job.kind.digest} hex digits>), "
                    f"got {name!r}"
                )
                check.refuse("NameNotAllowed", message)
        prefix = job.specification.output_prefix
        return ModelArtifact.from_store(job.store, f"{prefix}{name}/output/model.tar.gz")

    @staticmethod
    def from_package(arn: str) -> ModelArtifact:
        """A model package version, which has image and artifact; it must be approved.

        The model's role must be able to read what the package names; grant it on the store.

        Args:
            arn: ARN of the version, or name of an unversioned package.

        """
        with Checks(_WHERE) as check:
            check.matches("arn", arn, _PACKAGE, 176)
        return _Package(arn=arn)

    @staticmethod
    def from_folder(folder: str | Path, *, exclude: Sequence[str] = ()) -> ModelArtifact:
        """A local folder, packed into a reproducible archive at synthesis.

        Args:
            folder: The folder; its files are extracted into ``/opt/ml/model``.
            exclude: Patterns of files to exclude, in the syntax of ``.gitignore``.

        Raises:
            ConfigurationError: If the folder is missing or empty, or a link leaves it or is
                one to a folder.

        """
        return _Folder(folder=Path(folder).resolve(), exclude=tuple(exclude))

    @property
    def is_package(self) -> bool:
        """Whether the artifact has its image."""
        return False

    @property
    def is_folder(self) -> bool:
        """Whether the files are available at synthesis."""
        return False

    @property
    def is_prefix(self) -> bool:
        """Whether the artifact is a prefix."""
        return False

    @abstractmethod
    def bind(self, scope: Construct, *, multi_model: bool, code: Files = ()) -> BoundArtifact:
        """The artifact in the scope's stack.

        Args:
            scope: Any construct of the stack.
            multi_model: Whether a prefix holds one archive for each model.
            code: Files that go into ``code/`` of an archive made here.

        """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored(ModelArtifact):
    uri: str
    key: str
    mutable: bool
    statements: tuple[iam.PolicyStatement, ...] = field(repr=False)

    @property
    def is_prefix(self) -> bool:
        return self.key.endswith("/")

    def bind(self, scope: Construct, *, multi_model: bool, code: Files = ()) -> BoundArtifact:
        del code
        if not multi_model and not self.mutable:
            _check_version(scope, self.key)
        container: dict[str, Any] = {"ModelDataUrl": self.uri}
        if self.is_prefix and not multi_model:
            source = {"S3Uri": self.uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
            container = {"ModelDataSource": {"S3DataSource": source}}
        return BoundArtifact(container=container, statements=self.statements)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Package(ModelArtifact):
    arn: str

    @property
    def is_package(self) -> bool:
        return True

    def bind(self, scope: Construct, *, multi_model: bool, code: Files = ()) -> BoundArtifact:
        del scope, multi_model, code
        return BoundArtifact(container={"ModelPackageName": self.arn})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder(ModelArtifact):
    folder: Path
    exclude: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise ConfigurationError("FolderMissing", _WHERE, f"no folder {str(self.folder)!r}")
        if not any(True for _ in self._files()):
            message = f"folder {str(self.folder)!r} has no files, or all are excluded"
            raise ConfigurationError("FolderEmpty", _WHERE, message)

    @property
    def is_folder(self) -> bool:
        return True

    def bind(self, scope: Construct, *, multi_model: bool, code: Files = ()) -> BoundArtifact:
        del multi_model
        files = {**dict(self._files()), **_below("code", code)}
        asset = archive_asset(scope, "ModelArtifact", "model.tar.gz", files.items())
        container = {"ModelDataUrl": f"s3://{asset.s3_bucket_name}/{asset.s3_object_key}"}
        return BoundArtifact(container=container, statements=read_statements(asset))

    def _files(self) -> Iterator[tuple[str, Path]]:
        return files_in(self.folder, [*_NEVER, *self.exclude], where=_WHERE)


def _below(folder: str, files: Files) -> dict[str, Path]:
    return {f"{folder}/{name}": path for name, path in files}


def _check_key(key: str) -> None:
    with Checks(_WHERE) as check:
        check.matches("key", key, r"[^/\s][^\n]*", 1000)


def _check_version(scope: Construct, key: str) -> None:
    """Refuse a key at which another model can replace this one without a deployment."""
    if not known(key):
        return
    parts = [part.removesuffix(".tar.gz") for part in key.split("/")]
    if any(_VERSION.fullmatch(part) for part in parts):
        return
    with Checks(scope) as check:
        check.refuse(
            "ModelKeyMutable",
            f"the model's key must have a version, a date or a digest, such as "
            f"'models/flights/3/model.tar.gz', got {key[:80]!r}: another model under the same key "
            "is not deployed (mutable=True accepts it)",
        )
