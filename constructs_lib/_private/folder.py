"""Files of a folder for an archive."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from aws_cdk import CopyOptions, IgnoreMode, IgnoreStrategy

from .errors import ConfigurationError


def files_in(root: Path, exclude: Sequence[str], *, where: str) -> Iterator[tuple[str, Path]]:
    """Names and paths of a folder's files, sorted.

    Args:
        root: The folder, resolved.
        exclude: Patterns in Git's way; one that begins with ``!`` takes files in again.
        where: Name in error messages.

    Raises:
        ConfigurationError: If a link leaves the folder or points to a folder, or an entry is
            neither a file nor a link to one.

    """
    options = CopyOptions(exclude=list(exclude), ignore_mode=IgnoreMode.GIT)
    ignored = IgnoreStrategy.from_copy_options(options, str(root))
    for directory, folders, names in os.walk(root):
        at = Path(directory)
        folders[:] = sorted(f for f in folders if not ignored.completely_ignores(str(at / f)))
        for folder in folders:
            if (at / folder).is_symlink():
                message = f"{_relative(root, at / folder)!r} is a link to a folder; copy it"
                raise ConfigurationError("LinkNotAllowed", where, message)
        for name in sorted(names):
            path = at / name
            if not ignored.ignores(str(path)):
                _check_file(root, path, where)
                yield _relative(root, path), path


def is_inside(root: Path, path: Path) -> bool:
    """Whether a path, its links followed, lies in a folder."""
    return path.resolve().is_relative_to(root)


def _check_file(root: Path, path: Path, where: str) -> None:
    if path.is_symlink() and not is_inside(root, path):
        message = f"{_relative(root, path)!r} is a link that leaves the folder"
        raise ConfigurationError("LinkLeavesFolder", where, message)
    if not path.is_file():
        message = f"{_relative(root, path)!r} is neither a file nor a link to one"
        raise ConfigurationError("FileNotAllowed", where, message)


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
