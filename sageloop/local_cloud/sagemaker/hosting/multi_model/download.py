"""Download of a target model's archive from S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.core.errors import AwsError

_PIECE = 1 << 20


def fetch(s3: Any, bucket: str, key: str, archive: Path) -> None:
    """Download an object. Raises ``AwsError`` with AWS's message if that is not possible."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        archive.parent.mkdir(parents=True, exist_ok=True)
        with archive.open("wb") as written:
            for piece in body.iter_chunks(_PIECE):
                written.write(piece)
    except (ClientError, BotoCoreError) as error:
        raise AwsError(
            "ValidationError",
            f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that "
            "there is an object located at the URL and that the role passed to CreateModel has "
            "permissions to download the model.",
        ) from error
