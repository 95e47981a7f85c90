"""Archives that are the same bytes on every machine."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

_EXECUTABLE = 0o100


def tar_of(files: Iterable[tuple[str, Path]]) -> bytes:
    """A tar of files by name: sorted, without times and owners, with one of two modes."""
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
    """The content under a gzip header without name and time."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as archive:
        archive.write(content)
    return buffer.getvalue()


def digest(content: bytes) -> str:
    """SHA-256 in hex: of what is packed, for compressors differ from machine to machine."""
    return hashlib.sha256(content).hexdigest()
