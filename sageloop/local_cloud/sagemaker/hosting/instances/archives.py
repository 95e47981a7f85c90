"""Archives of model data."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zlib
from pathlib import Path

_BROKEN = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)


class BadArchive(Exception):
    """What was downloaded cannot be unpacked."""


def unpack(archive: Path, target: Path) -> int:
    """Unpack an archive into a directory and remove it; returns the bytes of its files.

    Raises :class:`BadArchive`; the directory is gone then.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as opened:
            opened.extractall(target, filter="data")
    except _BROKEN as error:
        shutil.rmtree(target, ignore_errors=True)
        raise BadArchive(f"it is no valid tar.gz archive ({error})") from error
    finally:
        archive.unlink()
    return sum(path.lstat().st_size for path in target.rglob("*") if path.is_file())
