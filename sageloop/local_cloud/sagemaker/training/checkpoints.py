"""Checkpoints both ways: down to every host at the start, up as they change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from sageloop.local_cloud.sagemaker.failures import JobFailed
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage, split_uri

log = logging.getLogger(__name__)

# Wall seconds between looks at a container's files: its writing is no event of ours.
_SCAN_SECONDS = 1.0

_Stamp = tuple[int, int]


class CheckpointSync:
    """Keeps one prefix and the checkpoint folders of all hosts together.

    Whole at the start: the prefix is copied to every folder. Then one way only: files that
    are new or changed go up, files that a host removes are removed from S3; what others put
    under the prefix is not fetched.
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
        """Copy what lies under the prefix to every host."""
        bucket = self._bucket
        keys = self._storage.keys(f"s3://{bucket}/{self._prefix}", needed=False)
        for folder, uploaded in self._uploaded.items():
            for key in keys:
                self._storage.save(bucket, key, folder / key[len(self._prefix) :])
            uploaded.update(_stamps(folder))

    def start(self) -> None:
        """Watch the folders in the background."""
        self._thread.start()

    def finish(self) -> None:
        """Stop watching and bring up what is left. Raises :class:`JobFailed` if that fails."""
        self.abandon()
        self._upload_changes()

    def abandon(self) -> None:
        """Stop watching and leave the rest as it is."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_SCAN_SECONDS):
            try:
                self._upload_changes()
            except (JobFailed, OSError) as error:
                # The last look tries again, and fails the job if it still cannot be.
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
            return  # renamed or removed meanwhile: the next look sees it
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
    """Stands for the checkpoints of a job that keeps none."""

    def start(self) -> None:
        """Nothing to watch."""

    def finish(self) -> None:
        """Nothing to bring up."""
