"""Upload of a training job's artifacts: the model and the output data of all hosts."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sageloop.local_cloud.sagemaker.training.s3 import JobStorage, split_uri

_COMPRESSION = 5


class Artifacts:
    """The S3 locations of a job's artifacts, from its OutputDataConfig."""

    def __init__(self, job: dict[str, Any], storage: JobStorage) -> None:
        self._output = job["OutputDataConfig"]
        self._name = job["TrainingJobName"]
        self._storage = storage
        self._plain = self._output.get("CompressionType", "GZIP") == "NONE"

    @property
    def model_uri(self) -> str:
        """The value of ModelArtifacts.S3ModelArtifacts."""
        tail = "model/" if self._plain else "model.tar.gz"
        return f"{self._output['S3OutputPath'].rstrip('/')}/{self._name}/output/{tail}"

    def upload(self, kind: str, folders: Iterable[Path]) -> None:
        """Upload ``model`` or ``output``, merged from the folders of all hosts."""
        bucket, prefix = split_uri(self._output["S3OutputPath"])
        place = "/".join(part for part in (prefix.rstrip("/"), self._name, "output") if part)
        files = merged(folders)
        bodies = self._files(f"{place}/{kind}", files) if self._plain else [
            (f"{place}/{kind}.tar.gz", packed(files))
        ]  # fmt: skip
        for key, body in bodies:
            self._storage.upload(bucket, key, body, kms_key=self._output.get("KmsKeyId"))

    def _files(self, place: str, files: Mapping[str, Path]) -> Iterable[tuple[str, bytes]]:
        for name, path in files.items():
            if path.is_file():
                yield f"{place}/{name}", path.read_bytes()


def merged(folders: Iterable[Path]) -> dict[str, Path]:
    """The files and folders in several folders, by relative name in order.

    AWS merges the folders of all hosts and does not document which of two files with the same name
    is kept; the local cloud keeps that of the first host.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            files.setdefault(path.relative_to(folder).as_posix(), path)
    return dict(sorted(files.items()))


def packed(files: Mapping[str, Path]) -> bytes:
    """A ``tar.gz`` archive of files and folders under their relative names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=_COMPRESSION) as archive:
        for name, path in files.items():
            archive.add(path, arcname=name, recursive=False)
    return buffer.getvalue()
