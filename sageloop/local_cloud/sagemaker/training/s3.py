"""A job's inputs from S3 and its artifacts to S3, both as its role."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlparse

from botocore.exceptions import ClientError

from sageloop.local_cloud.sagemaker.training.failures import InternalError, JobFailed

_Answer = TypeVar("_Answer")
# Bucket, key, and where the file goes within its channel.
_Found = tuple[str, str, str]
_ATTEMPTS = 3
_COMPRESSION = 5


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``."""
    parts = urlparse(uri)
    return parts.netloc, parts.path.lstrip("/")


class JobStorage:
    """S3 as one job sees it. ``client`` acts as the job's execution role."""

    def __init__(self, client: Any, *, region: str, role_arn: str) -> None:
        self._client = client
        self._region = region
        self._role_arn = role_arn

    def download(self, channel: dict[str, Any], target: Path) -> None:
        """Fetch a channel's objects into a directory.

        FastFile is served as File: all objects are there before the container starts. Raises
        :class:`JobFailed` in AWS's words.
        """
        source = channel["DataSource"]["S3DataSource"]
        if source.get("S3DataType", "S3Prefix") == "ManifestFile":
            found: Iterable[_Found] = self._in_manifest(source["S3Uri"])
        else:
            found = self._under_prefix(source["S3Uri"])
        for bucket, key, relative in found:
            path = _inside(target, relative)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._read(bucket, key))

    def upload(self, bucket: str, key: str, body: bytes, *, kms_key: str | None) -> None:
        """Write one object, encrypted under ``kms_key`` if one is given."""
        extra = {} if kms_key is None else {
            "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key,
        }  # fmt: skip
        try:
            _retried(
                lambda: self._client.put_object(Bucket=bucket, Key=key, Body=body, **extra)
            )  # fmt: skip
        except ClientError as error:
            raise JobFailed(f"ClientError: Artifact upload failed:{_told(error)}") from error

    def _under_prefix(self, uri: str) -> Iterator[_Found]:
        bucket, prefix = split_uri(uri)
        keys = self._keys(bucket, prefix, uri)
        if not keys:
            raise self._no_objects(uri, bucket, "")
        for key in keys:
            yield bucket, key, _relative(key, prefix)

    def _in_manifest(self, uri: str) -> list[_Found]:
        bucket, key = split_uri(uri)
        try:
            entries = json.loads(self._read(bucket, key))
            prefix = entries[0]["prefix"]
            names = [str(name) for name in entries[1:]]
        except (ValueError, LookupError, TypeError) as error:
            raise JobFailed(
                f'ClientError: The manifest file at {uri} is not valid: a list of {{"prefix": '
                f'"s3://..."}} and names was expected ({error})'
            ) from error
        bucket, start = split_uri(prefix)
        return [(bucket, start + name, name) for name in names]

    def _keys(self, bucket: str, prefix: str, uri: str) -> list[str]:
        keys: list[str] = []
        more: dict[str, str] = {}
        while True:
            asked = {"Bucket": bucket, "Prefix": prefix} | more
            try:
                answer = _retried(lambda asked=asked: self._client.list_objects_v2(**asked))  # type: ignore[misc]
            except ClientError as error:
                raise self._no_objects(uri, bucket, f" Error message from S3: {_told(error)}") \
                    from error  # fmt: skip
            keys += [o["Key"] for o in answer.get("Contents", ()) if not o["Key"].endswith("/")]
            if "NextContinuationToken" not in answer:
                return keys
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def _read(self, bucket: str, key: str) -> bytes:
        try:
            answer = _retried(lambda: self._client.get_object(Bucket=bucket, Key=key))
            return bytes(answer["Body"].read())
        except ClientError as error:
            raise JobFailed(f"ClientError: Data download failed:{_told(error)}") from error

    def _no_objects(self, uri: str, bucket: str, tail: str) -> JobFailed:
        return JobFailed(
            f'ClientError: No S3 objects found under S3 URL "{uri}" given in input data source. '
            f"Please ensure that the bucket exists in the selected region ({self._region}), that "
            f'objects exist under that S3 prefix, and that the role "{self._role_arn}" has '
            f'"s3:ListBucket" permissions on bucket "{bucket}".{tail}'
        )


def packed(directory: Path) -> bytes:
    """A ``tar.gz`` of what lies in a directory, names relative to it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=_COMPRESSION) as archive:
        for path in sorted(directory.iterdir()):
            archive.add(path, arcname=path.name)
    return made.getvalue()


def _retried(call: Callable[[], _Answer]) -> _Answer:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return call()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise
            if attempt == _ATTEMPTS:
                raise InternalError from error
    raise AssertionError("unreachable")


def _told(error: ClientError) -> str:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    named = error.response["Error"]
    return f"{named['Code']} ({status}): {named['Message']}"


def _relative(key: str, prefix: str) -> str:
    folder = prefix if prefix.endswith("/") else f"{prefix}/"
    if key.startswith(folder):
        return key[len(folder) :]
    # The prefix ends within a name: files keep their own, beside one another.
    return key[prefix.rfind("/") + 1 :]


def _inside(target: Path, relative: str) -> Path:
    parts = PurePosixPath(relative).parts
    if not parts or ".." in parts or relative.startswith("/"):
        raise JobFailed(f"ClientError: Data download failed: {relative!r} leaves its channel")
    return target.joinpath(*parts)
