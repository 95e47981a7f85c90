"""Checkpoints: downloaded to each host at the start, uploaded when they change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from sageloop.local_cloud.sagemaker.failures import JobFailed
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage, split_uri

log = logging.getLogger(__name__)

# Wall seconds between two scans of the checkpoint folders: file changes raise no event.
_SCAN_SECONDS = 1.0

_Stamp = tuple[int, int]


class CheckpointSync:
    """Synchronizes an S3 prefix with the checkpoint folders of all hosts.

    At the start the objects under the prefix are copied to each folder. Afterwards new and changed
    files are uploaded, and files that a host removes are deleted from S3. Objects that others write
    under the prefix are not downloaded.
    """

    def __init__(self, storage: JobStorage, uri: str, folders: Sequence[Path]) -> None:
        self._storage = storage
        self._uri = uri
        self._bucket, prefix = split_uri(uri)
        self._prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
        self._uploaded: dict[Path, dict[str, _Stamp]] = {folder: {} for folder in folders}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="checkpoints", daemon=True)

    def restore(self) -> None:
        """Copy the objects under the prefix to each host."""
        bucket = self._bucket
        keys = self._storage.keys(f"s3://{bucket}/{self._prefix}", needed=False)
        for folder, uploaded in self._uploaded.items():
            for key in keys:
                self._storage.save(bucket, key, folder / key[len(self._prefix) :])
            uploaded.update(_stamps(folder))

    def start(self) -> None:
        """Scan the folders in the background."""
        self._thread.start()

    def finish(self) -> None:
        """Stop scanning and upload the remaining changes. Raises :class:`JobFailed` on failure."""
        self.abandon()
        self._upload_changes()

    def abandon(self) -> None:
        """Stop scanning without uploading the remaining changes."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_SCAN_SECONDS):
            try:
                self._upload_changes()
            except (JobFailed, OSError) as error:
                # finish() uploads again, and fails the job if that is still not possible.
                log.warning("checkpoints to %s: %s", self._uri, error)

    def _upload_changes(self) -> None:
        for folder, uploaded in self._uploaded.items():
            now = _stamps(folder)
            for name in sorted(uploaded.keys() - now.keys()):
                self._storage.delete(self._bucket, self._prefix + name)
                del uploaded[name]
            for name, stamp in sorted(now.items()):
                if uploaded.get(name) != stamp:
                    self._put(folder / name, name)
                    uploaded[name] = stamp

    def _put(self, path: Path, name: str) -> None:
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            return  # renamed or removed since the scan: the next scan handles it
        self._storage.upload(self._bucket, self._prefix + name, body)


def _stamps(folder: Path) -> dict[str, _Stamp]:
    stamps = {}
    for path in folder.rglob("*"):
        try:
            state = path.stat()
        except FileNotFoundError:
            continue
        if path.is_file():
            stamps[path.relative_to(folder).as_posix()] = (state.st_size, state.st_mtime_ns)
    return stamps


class NoCheckpoints:
    """A job without a CheckpointConfig."""

    def start(self) -> None:
        """Do nothing: there are no folders to scan."""

    def finish(self) -> None:
        """Do nothing: there are no files to upload."""
