"""Model artifacts: fetched from S3 as the model's role, unpacked once, shared read-only."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


class ArtifactError(Exception):
    """A model's data cannot be had; the text is what DescribeEndpoint shows."""


class Artifacts:
    """Directories of unpacked model data, by location and content."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._root = cloud.work_dir / "sagemaker" / "artifacts"
        self._guard = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def directory(self, container: Mapping[str, Any], role: str) -> Path | None:
        """Where a container's model data lies unpacked; ``None`` if it has none.

        Raises :class:`ArtifactError` in AWS's words.
        """
        source = container.get("ModelDataSource", {}).get("S3DataSource")
        if source is not None:
            return self._of_source(source, role)
        url = container.get("ModelDataUrl")
        return None if url is None else self._archive(url, role)

    def _of_source(self, source: Mapping[str, Any], role: str) -> Path:
        if source.get("CompressionType", "None") == "Gzip":
            return self._archive(source["S3Uri"], role)
        return self._plain(source["S3Uri"], role, prefix=source["S3DataType"] == "S3Prefix")

    def _archive(self, url: str, role: str) -> Path:
        body, etag = self._fetch(url, role)
        target = self._root / _digest(url, etag)
        with self._lock(target.name):
            if not target.exists():
                draft = target.with_suffix(".new")
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir(parents=True)
                _unpack(body, draft, url)
                draft.rename(target)
        return target

    def _plain(self, url: str, role: str, *, prefix: bool) -> Path:
        bucket, key = _parts(url)
        keys = self._keys(bucket, key, role, url) if prefix else [key]
        fetched = {k: self._fetch(f"s3://{bucket}/{k}", role) for k in keys}
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

    def _keys(self, bucket: str, prefix: str, role: str, url: str) -> list[str]:
        try:
            pages = self._s3(role).get_paginator("list_objects_v2")
            found = [
                item["Key"]
                for page in pages.paginate(Bucket=bucket, Prefix=prefix)
                for item in page.get("Contents", [])
                if not item["Key"].endswith("/")
            ]
        except (ClientError, BotoCoreError) as error:
            raise _unreachable(url) from error
        if not found:
            raise _unreachable(url)
        return found

    def _fetch(self, url: str, role: str) -> tuple[bytes, str]:
        bucket, key = _parts(url)
        try:
            answer = self._s3(role).get_object(Bucket=bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            raise _unreachable(url) from error
        return answer["Body"].read(), answer["ETag"]

    def _s3(self, role: str) -> Any:
        return self._cloud.client("s3", principal=role)

    def _lock(self, name: str) -> threading.Lock:
        with self._guard:
            return self._locks[name]


def _unpack(body: bytes, target: Path, url: str) -> None:
    packed = target.with_suffix(".tar.gz")
    packed.write_bytes(body)
    try:
        with tarfile.open(packed, "r:*") as archive:
            archive.extractall(target, filter="data")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise ArtifactError(
            f"Failed to extract model data archive from URL {url}: it is no valid tar.gz archive "
            f"({error})"
        ) from error
    finally:
        packed.unlink()


def _write(root: Path, relative: str, body: bytes) -> None:
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ArtifactError(f"the key {relative!r} leads out of the model directory")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def _parts(url: str) -> tuple[str, str]:
    split = urlsplit(url)
    return split.netloc, split.path.lstrip("/")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _unreachable(url: str) -> ArtifactError:
    return ArtifactError(
        f'Failed to download model data for container "container_1" from URL: "{url}". Please '
        "ensure that there is an object located at the URL and that the role passed to "
        "CreateModel has permissions to download the model."
    )
