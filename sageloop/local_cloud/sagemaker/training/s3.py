"""S3 access of a job with the permissions of its execution role."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlparse

from botocore.exceptions import ClientError

from sageloop.local_cloud.access.caller import origin_in
from sageloop.local_cloud.core import moto_bodies
from sageloop.local_cloud.sagemaker.failures import InternalError, JobFailed

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_Response = TypeVar("_Response")
_ATTEMPTS = 3
# Objects above this size are read in pieces from the store, not as a response body.
_LARGE = 4 << 20

log = logging.getLogger(__name__)


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``."""
    parts = urlparse(uri)
    return parts.netloc, parts.path.lstrip("/")


class JobStorage:
    """S3 operations of a job; each call is made with its execution role, from its VPC."""

    def __init__(
        self, cloud: Cloud, role_arn: str, vpc_config: Mapping[str, Any] | None = None
    ) -> None:
        self._client = cloud.client("s3", principal=role_arn, origin=origin_in(vpc_config))
        self._region = cloud.region
        self._account = cloud.account_id
        self._role_arn = role_arn

    def keys(self, uri: str, *, needed: bool = True) -> list[str]:
        """Object keys under a prefix without folder objects.

        Raises :class:`JobFailed` with AWS's message if the bucket cannot be listed, or if there are
        no objects and some are ``needed``.
        """
        bucket, prefix = split_uri(uri)
        keys: list[str] = []
        more: dict[str, str] = {}
        while True:
            parameters = {"Bucket": bucket, "Prefix": prefix} | more
            try:
                response = _retried(partial(self._client.list_objects_v2, **parameters))
            except ClientError as error:
                tail = f" Error message from S3: {_error_text(error)}"
                raise self._no_objects(uri, bucket, tail) from error
            keys += [o["Key"] for o in response.get("Contents", ()) if not o["Key"].endswith("/")]
            if "NextContinuationToken" not in response:
                break
            more = {"ContinuationToken": response["NextContinuationToken"]}
        if needed and not keys:
            raise self._no_objects(uri, bucket, "")
        return keys

    def pieces(self, bucket: str, key: str) -> Iterator[bytes]:
        """The body of an object in pieces. Raises :class:`JobFailed` with AWS's message."""
        stored = moto_bodies.find(self._account, bucket, key)
        if stored is None or stored.size <= _LARGE:
            yield self.read(bucket, key)
            return
        self._check_access(bucket, key, stored.etag)
        yield from stored.pieces()

    def read(self, bucket: str, key: str) -> bytes:
        """The body of an object. Raises :class:`JobFailed` with AWS's message."""
        try:
            response = _retried(lambda: self._client.get_object(Bucket=bucket, Key=key))
            return bytes(response["Body"].read())
        except ClientError as error:
            raise JobFailed(f"ClientError: Data download failed:{_error_text(error)}") from error

    def save(self, bucket: str, key: str, path: Path) -> None:
        """Copy an object into a file; missing parent folders are created."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb", buffering=0) as file:
            for piece in self.pieces(bucket, key):
                file.write(piece)

    def upload(
        self, bucket: str, key: str, body: bytes, *, kms_key: str | None = None,
        content_type: str | None = None,
    ) -> None:  # fmt: skip
        """Put an object, encrypted with ``kms_key`` if one is specified."""
        extra = {} if kms_key is None else {
            "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key,
        }  # fmt: skip
        if content_type is not None:
            extra["ContentType"] = content_type
        try:
            _retried(
                lambda: self._client.put_object(Bucket=bucket, Key=key, Body=body, **extra)
            )  # fmt: skip
        except ClientError as error:
            raise JobFailed(f"ClientError: Artifact upload failed:{_error_text(error)}") from error

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object, if the role may: AWS lists no such permission for jobs."""
        try:
            _retried(lambda: self._client.delete_object(Bucket=bucket, Key=key))
        except ClientError as error:
            if error.response["Error"]["Code"] == "AccessDenied":
                log.warning("s3://%s/%s stays: %s", bucket, key, error)
                return
            raise JobFailed(
                f"ClientError: Checkpoint removal failed:{_error_text(error)}"
            ) from error

    def authorize(self, bucket: str, key: str) -> str:
        """Check that the role may read an object; return its ETag. Raises :class:`JobFailed`."""
        stored = moto_bodies.find(self._account, bucket, key)
        if stored is None:
            self.read(bucket, key)  # raises AWS's message for a missing object
            raise JobFailed(
                f"ClientError: Data download failed: s3://{bucket}/{key} does not exist"
            )
        self._check_access(bucket, key, stored.etag)
        return stored.etag

    def _check_access(self, bucket: str, key: str, etag: str) -> None:
        # For access decisions and injected faults this is a GetObject; the response has no body.
        try:
            _retried(
                lambda: self._client.get_object(Bucket=bucket, Key=key, IfNoneMatch=etag)
            )  # fmt: skip
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 304:
                raise JobFailed(
                    f"ClientError: Data download failed:{_error_text(error)}"
                ) from error

    def _no_objects(self, uri: str, bucket: str, tail: str) -> JobFailed:
        return JobFailed(
            f'ClientError: No S3 objects found under S3 URL "{uri}" given in input data source. '
            f"Please ensure that the bucket exists in the selected region ({self._region}), that "
            f'objects exist under that S3 prefix, and that the role "{self._role_arn}" has '
            f'"s3:ListBucket" permissions on bucket "{bucket}".{tail}'
        )


def _retried(call: Callable[[], _Response]) -> _Response:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return call()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise
            if attempt == _ATTEMPTS:
                raise InternalError from error
    raise AssertionError("unreachable")


def _error_text(error: ClientError) -> str:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    named = error.response["Error"]
    return f"{named['Code']} ({status}): {named['Message']}"
