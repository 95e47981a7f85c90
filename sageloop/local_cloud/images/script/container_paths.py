"""Paths of a container as paths of this machine."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

INSIDE = PurePosixPath("/opt/ml")


def local_path(base: Path, path: str) -> Path:
    """A container path as a path of this machine, where ``/opt/ml`` is ``base``."""
    container_path = PurePosixPath(path)
    return (
        base / container_path.relative_to(INSIDE)
        if container_path.is_relative_to(INSIDE)
        else Path(container_path)
    )
