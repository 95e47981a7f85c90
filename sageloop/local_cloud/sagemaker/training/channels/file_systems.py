"""Network file systems (EFS, FSx for Lustre), each represented by a local directory."""

from __future__ import annotations

import threading
from pathlib import Path, PurePosixPath
from typing import Any

from sageloop.local_cloud.sagemaker.failures import JobFailed


class FileSystems:
    """Local directories by file system id.

    Example::

        cloud.services.sagemaker.file_systems.register("fs-0123abcd", Path("data"))
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Path] = {}

    def register(self, file_system_id: str, path: str | Path) -> None:
        """Use a local directory as a file system. Raises ``ValueError`` if it is no directory."""
        directory = Path(path).resolve()
        if not directory.is_dir():
            raise ValueError(f"file system {file_system_id}: {directory} is not a directory")
        with self._lock:
            self._known[file_system_id] = directory

    def unregister(self, file_system_id: str) -> None:
        """Remove a file system; unknown ids are ignored."""
        with self._lock:
            self._known.pop(file_system_id, None)

    def __contains__(self, file_system_id: object) -> bool:
        with self._lock:
            return file_system_id in self._known

    def directory(self, source: dict[str, Any]) -> Path:
        """The local directory of a FileSystemDataSource.

        Raises :class:`JobFailed` if it does not exist or is outside its file system.
        """
        with self._lock:
            root = self._known.get(source["FileSystemId"])
        inside = PurePosixPath(source["DirectoryPath"]).as_posix().lstrip("/")
        resolved = None if root is None else (root / inside).resolve()
        if (
            root is None
            or resolved is None
            or not (resolved.is_dir() and resolved.is_relative_to(root))
        ):
            raise JobFailed(
                f"ClientError: Unable to mount file system: {source['FileSystemId']} directory "
                f"path: {source['DirectoryPath']}. No such directory."
            )
        return resolved
