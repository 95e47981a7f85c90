"""Reproducible archives."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from aws_cdk import AssetHashType, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from .policies import allow

_EXECUTABLE = 0o100


def tar_of(files: Iterable[tuple[str, Path]]) -> bytes:
    """A tar archive of files by name: sorted, without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in sorted(files):
            body = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            entry.mode = 0o755 if path.stat().st_mode & _EXECUTABLE else 0o644
            archive.addfile(entry, io.BytesIO(body))
    return buffer.getvalue()


def gzipped(content: bytes) -> bytes:
    """The content as gzip, without name and time in the header."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as archive:
        archive.write(content)
    return buffer.getvalue()


def digest(content: bytes) -> str:
    """SHA-256 of the uncompressed content: compressors differ between machines."""
    return hashlib.sha256(content).hexdigest()


def archive_asset(
    scope: Construct, prefix: str, name: str, files: Iterable[tuple[str, Path]]
) -> assets.Asset:
    """Files as an archived asset of the stack, shared by equal contents.

    Args:
        scope: Any construct of the stack.
        prefix: Prefix of the construct id; the suffix is a hash of the content.
        name: Name of the archive.
        files: Names and paths.

    """
    content = tar_of(files)
    hashed = digest(content)
    stack = Stack.of(scope)
    construct_id = f"{prefix}{hashed[:16]}"
    existing = stack.node.try_find_child(construct_id)
    if isinstance(existing, assets.Asset):
        return existing
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / name
        archive.write_bytes(gzipped(content))
        return assets.Asset(
            stack, construct_id, path=str(archive), asset_hash=hashed,
            asset_hash_type=AssetHashType.CUSTOM,
        )  # fmt: skip


def read_statements(asset: assets.Asset) -> list[iam.PolicyStatement]:
    """Statements that allow a role to read an asset."""
    key = asset.s3_object_key
    return [
        allow(["s3:ListBucket"], [asset.bucket.bucket_arn], {"StringEquals": {"s3:prefix": key}}),
        allow(["s3:GetObject"], [asset.bucket.arn_for_objects(key)]),
    ]
