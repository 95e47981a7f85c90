"""Input modes File and FastFile: private copies of objects, or shared read-only files."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from sageloop.local_cloud.sagemaker.training.channels.listing import Item
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage

_READ_ONLY = 0o444


def copy_items(items: Iterable[Item], target: Path, storage: JobStorage) -> None:
    """Copy objects into a host's channel directory (File mode)."""
    for item in items:
        storage.save(item.bucket, item.key, item.place(target))


class SharedBodies:
    """Object bodies stored once for all hosts and jobs that read them (FastFile mode).

    There is no lazy reading: the first job that reads an object copies it completely, later hosts
    and jobs get hard links to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def link_items(self, items: Iterable[Item], target: Path, storage: JobStorage) -> None:
        """Create read-only links to objects in a host's channel directory."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for item in items:
            place = item.place(target)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(self._cached(item, storage), place)

    def _cached(self, item: Item, storage: JobStorage) -> Path:
        etag = storage.authorize(item.bucket, item.key)  # for the role of each job
        named = hashlib.sha256(f"{item.bucket}/{item.key}/{etag}".encode()).hexdigest()
        cached = self._folder / named
        with self._lock:
            if not cached.exists():
                fresh = cached.with_suffix(".new")
                storage.save(item.bucket, item.key, fresh)
                fresh.chmod(_READ_ONLY)
                fresh.rename(cached)
        return cached


def make_read_only(target: Path) -> None:
    """Remove write permission from a channel's files where mounts are not available."""
    for path in target.rglob("*"):
        if path.is_file():
            path.chmod(_READ_ONLY)
