"""Upload of outputs to S3, at the end of a job or continuously."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sageloop.local_cloud.sagemaker.failures import JobFailed
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage, split_uri

log = logging.getLogger(__name__)
# Wall seconds between two scans of a directory: file changes raise no event.
_EVERY_SECONDS = 0.5


class Upload:
    """One output of one host: uploads each new or changed file; symbolic links are skipped."""

    def __init__(
        self, storage: JobStorage, folder: Path, output: Mapping[str, Any], kms_key: str | None
    ) -> None:
        self._storage = storage
        self._folder = folder
        self._bucket, self._prefix = split_uri(output["S3Output"]["S3Uri"])
        self._kms_key = kms_key
        self._sent: dict[Path, tuple[int, int]] = {}
        self.continuous = output["S3Output"]["S3UploadMode"] == "Continuous"

    def send(self) -> None:
        """Upload new and changed files. Raises :class:`JobFailed` if an upload fails."""
        for path in regular_files(self._folder):
            try:
                stamp = path.stat()
                state = (stamp.st_mtime_ns, stamp.st_size)
                if self._sent.get(path) == state:
                    continue
                key = self._key(path.relative_to(self._folder).as_posix())
                self._storage.upload(self._bucket, key, path.read_bytes(), kms_key=self._kms_key)
            except FileNotFoundError:
                continue  # the program removed the file after it was listed
            self._sent[path] = state

    def _key(self, relative: str) -> str:
        return "/".join(part for part in (self._prefix.rstrip("/"), relative) if part)


class ContinuousUpload:
    """Uploads outputs with ``S3UploadMode`` Continuous while the containers run."""

    def __init__(self, uploads: list[Upload]) -> None:
        self._uploads = [upload for upload in uploads if upload.continuous]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="processing outputs", daemon=True)

    def __enter__(self) -> None:
        if self._uploads:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._uploads:
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            for upload in self._uploads:
                try:
                    upload.send()
                except JobFailed as failure:
                    # The last upload, at the end of the job, reports the failure to the user.
                    log.warning("an output could not be uploaded yet: %s", failure.reason)


def regular_files(folder: Path) -> Iterator[Path]:
    """The regular files below a folder in order; symbolic links are skipped."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            yield from regular_files(path)
        elif path.is_file():
            yield path
