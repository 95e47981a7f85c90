"""S3 access from a container: one signed request for each object."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from sageloop.local_cloud.images.script.failures import ClientError

_ENDPOINTS = ("S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_SECONDS = 60


def download(uri: str, target: Path, environment: Mapping[str, str]) -> None:
    """Fetch ``s3://bucket/key`` into a file. Raises :class:`ClientError`."""
    with _answer("GET", uri, environment) as answer, target.open("wb") as file:
        shutil.copyfileobj(answer, file)


def upload(source: Path, uri: str, environment: Mapping[str, str]) -> None:
    """Write a file to ``s3://bucket/key``. Raises :class:`ClientError`."""
    _answer("PUT", uri, environment, source.read_bytes()).close()


def _answer(
    method: str, uri: str, environment: Mapping[str, str], body: bytes | None = None
) -> Any:
    request = _signed(method, uri, environment, body)
    # There is no proxy between a local container and its cloud.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        message = error.read().decode(errors="replace")
        raise ClientError(f"{method} of {uri} was refused: {error.code} {message}") from error
    except OSError as error:
        raise ClientError(
            f"{uri} could not be reached: {error}. A job with network isolation has no S3: its "
            "code must come as a channel"
        ) from error


def _signed(
    method: str, uri: str, environment: Mapping[str, str], body: bytes | None
) -> urllib.request.Request:
    # Only the signer of botocore: a client takes longer to load than many scripts run.
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    region = environment.get("AWS_REGION", environment.get("AWS_DEFAULT_REGION", "us-east-1"))
    # An explicit type: urllib's default would declare the body as a form.
    headers = {} if body is None else {"Content-Type": "application/octet-stream"}
    made = AWSRequest(method, _url(uri, region, environment), headers=headers, data=body)
    key = environment.get("AWS_ACCESS_KEY_ID")
    if key is not None:
        secret = environment.get("AWS_SECRET_ACCESS_KEY", "")
        credentials = Credentials(key, secret, environment.get("AWS_SESSION_TOKEN"))
        S3SigV4Auth(credentials, "s3", region).add_auth(made)
    return urllib.request.Request(made.url, data=body, headers=dict(made.headers), method=method)  # noqa: S310


def _url(uri: str, region: str, environment: Mapping[str, str]) -> str:
    parts = urlsplit(uri)
    path = quote(parts.path.lstrip("/"))
    for name in _ENDPOINTS:
        if environment.get(name):
            return f"{environment[name].rstrip('/')}/{parts.netloc}/{path}"
    return f"https://{parts.netloc}.s3.{region}.amazonaws.com/{path}"
