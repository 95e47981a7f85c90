"""Objects in S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def list_keys(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Key and ETag of every object with a prefix that is not empty."""
    request = {"Bucket": bucket, "Prefix": prefix}
    while True:
        response = s3.list_objects_v2(**request)
        for item in response.get("Contents", []):
            if int(item.get("Size", 0)):
                yield item["Key"], item.get("ETag", "")
        if not response.get("IsTruncated"):
            return
        request["ContinuationToken"] = response["NextContinuationToken"]


def read_text(s3: Any, bucket: str, key: str) -> str:
    """The text of an object."""
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode()
