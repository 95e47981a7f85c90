"""Extracts archives within limits and within the target folder.

Uses the standard library only: programs inside containers extract archives with it too.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

# SageMaker gives an instance a volume of 30 GB unless the request sets its size. AWS documents no
# limit of the number of files; extracting this many takes a minute on a laptop.
MOST_BYTES = 30 * 1024**3
MOST_FILES = 250_000
# Disk space that an extraction leaves free.
_RESERVE = 512 * 1024**2
_LONGEST_LINK = 4096

Filter = Callable[[tarfile.TarInfo, str], tarfile.TarInfo | None]


class ArchiveRefused(Exception):
    """An archive exceeds a limit or has a member outside its folder."""


def unpack_tar(
    archive: tarfile.TarFile, target: Path, *, most_bytes: int = MOST_BYTES,
    most_files: int = MOST_FILES, admit: Filter = tarfile.data_filter,
) -> int:  # fmt: skip
    """Extract a tar archive into a folder; returns the bytes of its files.

    ``admit`` is a filter of :mod:`tarfile`; the default refuses members outside the folder and
    special files. Raises :class:`ArchiveRefused` before a limit is exceeded, and ``tarfile``'s
    errors.
    """
    size = 0
    target.mkdir(parents=True, exist_ok=True)
    for count, member in enumerate(archive, 1):
        size += member.size if member.isreg() else 0
        if count > most_files:
            raise ArchiveRefused(f"it has more than {most_files} files")
        if size > most_bytes:
            raise ArchiveRefused(f"it decompresses to more than {most_bytes} bytes")
        check_room(target, member.size)
        archive.extract(member, target, filter=admit)
    return size


def check_room(target: Path, size: int) -> None:
    """Raise :class:`ArchiveRefused` if ``size`` more bytes would fill the disk."""
    if size and shutil.disk_usage(target).free - size < _RESERVE:
        raise ArchiveRefused(f"this machine's disk has no room for {size} bytes more")


def unpack_zip(archive: zipfile.ZipFile, target: Path, *, most_bytes: int) -> int:
    """Extract a zip archive, including symbolic links and modes; returns the bytes of its files.

    Raises :class:`ArchiveRefused` before a limit is exceeded or anything is written outside the
    folder, and ``zipfile``'s errors for an invalid archive.
    """
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    if size > most_bytes:
        raise ArchiveRefused(f"it decompresses to more than {most_bytes} bytes")
    check_room(target, size)
    root = target.resolve()
    for member in members:
        _unpack_member(archive, member, root)
    return size


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, root: Path) -> None:
    name = member.filename
    parts = Path(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name or not parts:
        raise ArchiveRefused(f"{name!r} is outside the archive")
    path = root.joinpath(*parts)
    # A link that an earlier member created may be in the member's path.
    if not path.parent.resolve().is_relative_to(root):
        raise ArchiveRefused(f"{name!r} is outside the archive")
    mode = member.external_attr >> 16
    if member.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    if stat.S_ISLNK(mode):
        _link(path, archive.open(member).read(_LONGEST_LINK).decode(), root)
        return
    with archive.open(member) as source, path.open("wb") as file:
        # `zipfile` writes at most the size that the member's header declares.
        shutil.copyfileobj(source, file)
    if mode & 0o777:
        path.chmod(mode & 0o777 | 0o600)


def _link(path: Path, leads_to: str, root: Path) -> None:
    aim = Path(os.path.normpath(path.parent.resolve() / leads_to))
    if leads_to.startswith("/") or not aim.resolve().is_relative_to(root):
        raise ArchiveRefused(f"the link {path.name!r} points outside the archive")
    path.symlink_to(leads_to)
