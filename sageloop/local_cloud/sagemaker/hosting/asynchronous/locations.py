"""S3 locations of requests and results of asynchronous inference."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlparse

from sageloop.local_cloud.core.errors import AwsError

# bucket.s3.region.amazonaws.com or s3.region.amazonaws.com/bucket, the region optional.
_VIRTUAL = re.compile(r"^(?P<bucket>.+)\.s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?$")
_PATH = re.compile(r"^s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?$")


def split_location(location: str) -> tuple[str, str]:
    """Bucket and key of an ``s3://`` or ``https://`` location.

    Raises ``AwsError`` ValidationException if it is not a location in S3.
    """
    parts = urlparse(location)
    path = parts.path.lstrip("/")
    if parts.scheme == "s3" and parts.netloc:
        return parts.netloc, path
    if parts.scheme == "https":
        virtual = _VIRTUAL.match(parts.netloc)
        if virtual is not None:
            return virtual["bucket"], unquote(path)
        if _PATH.match(parts.netloc) and path:
            bucket, _, key = path.partition("/")
            return bucket, unquote(key)
    raise AwsError(
        "ValidationException", f"{location} is not a location in S3 (s3:// or https://)."
    )


def location_under(base: str, extension: str | None, name: str) -> str:
    """The location of a file under a base path, with an extension of that path in between."""
    parts = [base.rstrip("/")]
    if extension is not None:
        parts.append(extension.strip("/"))
    return "/".join([*parts, name])


def failure_name(name: str) -> str:
    """The file name of a failure beside a result: ``x.out`` becomes ``x-error.out``."""
    stem, dot, suffix = name.partition(".")
    return f"{stem}-error{dot}{suffix}"
