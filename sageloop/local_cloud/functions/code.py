"""Deployment packages: read from S3 or the request, stored by hash, extracted once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import lzma
import secrets
import shutil
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.core.archives import ArchiveRefused, unpack_zip
from sageloop.local_cloud.core.errors import not_supported
from sageloop.local_cloud.core.wire import Response
from sageloop.local_cloud.functions.errors import invalid

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.core.service import Call
    from sageloop.local_cloud.core.wire import Request

DOWNLOAD_PREFIX = "/_sageloop/lambda/package/"

UNPACKED_LIMIT = 262_144_000
_TOO_LARGE = f"Unzipped size must be smaller than {UNPACKED_LIMIT} bytes"
_BAD_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
# An encrypted member raises RuntimeError, a name that is not text ValueError.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError,
    RuntimeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Package:
    """A zip archive: its hash in Lambda's form (base64), its sizes and its path."""

    sha256: str
    size: int
    unpacked: int
    archive: Path
    folder: Path


class CodeStore:
    """Stores packages in the cloud's work folder."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._root = cloud.work_dir / "lambda"
        self._lock = threading.Lock()
        # The path of a package contains a secret of this cloud, as a presigned URL does.
        self._secret = secrets.token_bytes(32)
        cloud.front.add_route(DOWNLOAD_PREFIX, self._download, admin=False)

    def fetch(self, source: Mapping[str, Any], call: Call) -> Package:
        """The package of a ``FunctionCode`` or layer content, extracted.

        S3 is read as the caller. Raises InvalidParameterValueException.
        """
        for member in ("ImageUri", "SourceKMSKeyArn"):
            if source.get(member):
                raise not_supported("lambda", f"{call.operation} with {member}")
        if source.get("ZipFile") is not None:
            return self.keep(_bytes_of(source["ZipFile"]))
        if not source.get("S3Bucket") or not source.get("S3Key"):
            raise invalid("Please provide a source for function code.")
        return self.keep(self._from_s3(source, call))

    def keep(self, data: bytes) -> Package:
        """Store and extract an archive, unless it is already stored."""
        if not data:
            raise invalid("Uploaded file must be a non-empty zip")
        digest = hashlib.sha256(data)
        name = digest.hexdigest()
        package = Package(
            base64.b64encode(digest.digest()).decode(), len(data), _unpacked_size(data),
            self._root / "packages" / f"{name}.zip", self._root / "code" / name,
        )  # fmt: skip
        with self._lock:
            if not package.folder.exists():
                _unpack_into(package.folder, [data])
                package.archive.parent.mkdir(parents=True, exist_ok=True)
                package.archive.write_bytes(data)
        return package

    def merged(self, layers: Sequence[Package]) -> Path | None:
        """The folder for ``/opt``: layers extracted in order, later ones override."""
        if not layers:
            return None
        name = hashlib.sha256("".join(x.sha256 for x in layers).encode()).hexdigest()
        folder = self._root / "opt" / name
        with self._lock:
            if not folder.exists():
                _unpack_into(folder, [x.archive.read_bytes() for x in layers])
        return folder

    def location(self, package: Package) -> str:
        """A URL of this cloud from which the archive can be downloaded."""
        name = package.archive.name
        return f"{self._cloud.endpoint_url}{DOWNLOAD_PREFIX}{self._signature(name)}/{name}"

    def _signature(self, name: str) -> str:
        return hmac.digest(self._secret, name.encode(), "sha256").hex()

    def _from_s3(self, source: Mapping[str, Any], call: Call) -> bytes:
        members = {"Bucket": source["S3Bucket"], "Key": source["S3Key"]}
        if source.get("S3ObjectVersion"):
            members["VersionId"] = source["S3ObjectVersion"]
        s3 = self._cloud.client("s3", principal=call.principal)
        try:
            object_ = s3.get_object(**members)
            if object_["ContentLength"] >= UNPACKED_LIMIT:
                raise invalid(_TOO_LARGE)
            return bytes(object_["Body"].read())
        except ClientError as error:
            detail = error.response["Error"]
            raise invalid(
                f"Error occurred while GetObject. S3 Error Code: {detail['Code']}. "
                f"S3 Error Message: {detail['Message']}"
            ) from error

    def _download(self, request: Request) -> Response:
        signature, _, name = request.path.removeprefix(DOWNLOAD_PREFIX).partition("/")
        if not hmac.compare_digest(signature.encode(), self._signature(name).encode()):
            return Response(403, {}, b"Access Denied")
        archive = self._root / "packages" / name
        return Response(200, {"Content-Type": "application/zip"}, archive.read_bytes())


def _bytes_of(value: bytes | str) -> bytes:
    return base64.b64decode(value) if isinstance(value, str) else value


def _unpack_into(folder: Path, archives: Sequence[bytes]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix="draft-"))
    try:
        for data in archives:
            _unpack(data, draft)
        draft.chmod(0o755)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _unpack(data: bytes, folder: Path) -> None:
    with _opened(data) as archive:
        unpack_zip(archive, folder, most_bytes=UNPACKED_LIMIT)


def _unpacked_size(data: bytes) -> int:
    with _opened(data) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size >= UNPACKED_LIMIT:
        raise invalid(_TOO_LARGE)
    return size


@contextmanager
def _opened(data: bytes) -> Iterator[zipfile.ZipFile]:
    """The archive. Raises InvalidParameterValueException for an invalid one."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield archive
    except ArchiveRefused as error:
        raise invalid(f"{_BAD_ZIP} ({error})") from error
    except _BROKEN as error:
        raise invalid(_BAD_ZIP) from error
