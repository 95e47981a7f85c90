"""Extraction of model data archives."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zlib
from pathlib import Path

from sageloop.local_cloud.core.archives import MOST_BYTES, ArchiveRefused, unpack_tar

_BROKEN = (
    tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, ArchiveRefused,
)  # fmt: skip


class BadArchive(Exception):
    """A downloaded archive that cannot be extracted."""


def unpack(archive: Path, target: Path, *, most_bytes: int = MOST_BYTES) -> int:
    """Extract an archive into a directory and delete it; return the total size of its files.

    Raises :class:`BadArchive` if it is invalid or its files exceed ``most_bytes``; the directory is
    then removed.
    """
    try:
        with tarfile.open(archive, "r:*") as opened:
            return unpack_tar(opened, target, most_bytes=most_bytes)
    except _BROKEN as error:
        shutil.rmtree(target, ignore_errors=True)
        raise BadArchive(f"it is not a valid tar.gz archive ({error})") from error
    finally:
        archive.unlink()
