"""Download of payloads from S3 and upload of responses to S3 with the role of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sageloop.local_cloud.core import moto_bodies
from sageloop.local_cloud.sagemaker.failures import JobFailed
from sageloop.local_cloud.sagemaker.hosting.asynchronous.locations import split_location
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

MAX_PAYLOAD = 1 << 30


class NotDownloaded(Exception):
    """The payload cannot be downloaded; the text is the failure reason of the request."""


class NotUploaded(Exception):
    """A result cannot be uploaded; the text is the failure reason of the request."""


def download(cloud: Cloud, role: str, location: str) -> bytes:
    """The payload of a request, at most 1 GB. Raises :class:`NotDownloaded`."""
    bucket, key = split_location(location)
    stored = moto_bodies.find(cloud.account_id, bucket, key)
    if stored is not None and stored.size > MAX_PAYLOAD:
        raise NotDownloaded(
            f"ClientError: The payload at {location} has {stored.size} bytes, which exceeds the "
            f"limit of {MAX_PAYLOAD}."
        )
    try:
        return b"".join(JobStorage(cloud, role).pieces(bucket, key))
    except JobFailed as error:
        raise NotDownloaded(str(error)) from error


def upload(
    cloud: Cloud, role: str, location: str, body: bytes, *, content_type: str | None,
    kms_key: str | None,
) -> None:  # fmt: skip
    """Write the object of a result or failure. Raises :class:`NotUploaded`."""
    bucket, key = split_location(location)
    try:
        JobStorage(cloud, role).upload(
            bucket, key, body, kms_key=kms_key, content_type=content_type
        )
    except JobFailed as error:
        raise NotUploaded(str(error)) from error
