"""Model artifacts: downloaded with the role of the model, extracted once, shared read-only."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time as wall
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.access.caller import SessionOrigin
from sageloop.local_cloud.sagemaker.hosting.instances.archives import BadArchive, unpack

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


_PIECE = 1 << 20


class ArtifactError(Exception):
    """Model data is not available; the text is the FailureReason of the endpoint."""


class Artifacts:
    """Directories of extracted model data, by location and content."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._root = cloud.work_dir / "sagemaker" / "artifacts"
        self._guard = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def directory(
        self, container: Mapping[str, Any], role: str, seconds: float | None = None,
        origin: SessionOrigin | None = None,
    ) -> Path | None:  # fmt: skip
        """The directory of a container's extracted model data; ``None`` if it has none.

        The download may take ``seconds`` of wall time, and comes from the VPC of ``origin``. Raises
        :class:`ArtifactError`, with AWS's message where it is known.
        """
        source = container.get("ModelDataSource", {}).get("S3DataSource")
        url = container.get("ModelDataUrl") if source is None else source["S3Uri"]
        if url is None:
            return None
        fetch = _Download(
            self._cloud.client("s3", principal=role, origin=origin), url,
            str(container.get("ContainerHostname", "container-1")), seconds,
        )  # fmt: skip
        if source is None or source.get("CompressionType", "None") == "Gzip":
            return self._archive(url, fetch)
        return self._plain(url, fetch, prefix=source["S3DataType"] == "S3Prefix")

    def _archive(self, url: str, fetch: _Download) -> Path:
        body, etag = fetch(*_parts(url))
        target = self._root / _digest(url, etag)
        with self._lock(target.name):
            if not target.exists():
                draft = target.with_suffix(".new")
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir(parents=True)
                _unpack(body, draft, url)
                draft.rename(target)
        return target

    def _plain(self, url: str, fetch: _Download, *, prefix: bool) -> Path:
        bucket, key = _parts(url)
        keys = fetch.keys(bucket, key) if prefix else [key]
        fetched = {k: fetch(bucket, k) for k in keys}
        target = self._root / _digest(url, *sorted(etag for _, etag in fetched.values()))
        with self._lock(target.name):
            if not target.exists():
                draft = target.with_suffix(".new")
                shutil.rmtree(draft, ignore_errors=True)
                for name, (body, _) in fetched.items():
                    relative = name.removeprefix(key) if prefix else name.rsplit("/", 1)[-1]
                    _write(draft, relative.lstrip("/"), body)
                draft.rename(target)
        return target

    def _lock(self, name: str) -> threading.Lock:
        with self._guard:
            return self._locks[name]


class _Download:
    """Downloads the model data of one container from S3 with its role, within a time limit."""

    def __init__(self, s3: Any, url: str, container: str, seconds: float | None) -> None:
        self._s3 = s3
        self._url = url
        self._container = container
        self._seconds = seconds
        self._until = None if seconds is None else wall.monotonic() + seconds

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The objects under a prefix, at least one."""
        try:
            batches = self._s3.get_paginator("list_objects_v2")
            names = [
                item["Key"]
                for batch in batches.paginate(Bucket=bucket, Prefix=prefix)
                for item in batch.get("Contents", [])
                if not item["Key"].endswith("/")
            ]
        except (ClientError, BotoCoreError) as error:
            raise self._unreachable() from error
        if not names:
            raise self._unreachable()
        return names

    def __call__(self, bucket: str, key: str) -> tuple[bytes, str]:
        """The content and the ETag of an object."""
        try:
            response = self._s3.get_object(Bucket=bucket, Key=key)
            body = b"".join(map(self._in_time, response["Body"].iter_chunks(_PIECE)))
        except (ClientError, BotoCoreError) as error:
            raise self._unreachable() from error
        self._in_time(b"")
        return body, response["ETag"]

    def _in_time(self, piece: bytes) -> bytes:
        if self._until is not None and wall.monotonic() > self._until:
            raise ArtifactError(
                f'Downloading model data for container "{self._container}" from URL: '
                f'"{self._url}" took longer than ModelDataDownloadTimeoutInSeconds '
                f"({self._seconds})."
            )
        return piece

    def _unreachable(self) -> ArtifactError:
        return ArtifactError(
            f'Failed to download model data for container "{self._container}" from URL: '
            f'"{self._url}". Please ensure that there is an object located at the URL and that the '
            "role passed to CreateModel has permissions to download the model."
        )


def _unpack(body: bytes, target: Path, url: str) -> None:
    packed = target.with_suffix(".tar.gz")
    packed.write_bytes(body)
    try:
        unpack(packed, target)
    except BadArchive as error:
        raise ArtifactError(
            f"Failed to extract model data archive from URL {url}: {error}"
        ) from error


def _write(root: Path, relative: str, body: bytes) -> None:
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ArtifactError(f"the key {relative!r} is outside the model directory")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def _parts(url: str) -> tuple[str, str]:
    split = urlsplit(url)
    return split.netloc, split.path.lstrip("/")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
