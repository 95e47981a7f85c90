"""Archives of model data."""

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
    """What was downloaded cannot be unpacked."""


def unpack(archive: Path, target: Path, *, most_bytes: int = MOST_BYTES) -> int:
    """Unpack an archive into a directory and remove it; returns the bytes of its files.

    Raises :class:`BadArchive`, if it has more than ``most_bytes`` too; the directory is gone then.
    """
    try:
        with tarfile.open(archive, "r:*") as opened:
            return unpack_tar(opened, target, most_bytes=most_bytes)
    except _BROKEN as error:
        shutil.rmtree(target, ignore_errors=True)
        raise BadArchive(f"it is no valid tar.gz archive ({error})") from error
    finally:
        archive.unlink()
