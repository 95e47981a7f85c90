"""What a job leaves: the model and the output data of all its hosts, in S3."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sageloop.local_cloud.sagemaker.training.s3 import JobStorage, split_uri

_COMPRESSION = 5


class Artifacts:
    """Where one job's artifacts go, as its OutputDataConfig says."""

    def __init__(self, job: dict[str, Any], storage: JobStorage) -> None:
        self._output = job["OutputDataConfig"]
        self._name = job["TrainingJobName"]
        self._storage = storage
        self._plain = self._output.get("CompressionType", "GZIP") == "NONE"

    @property
    def model_uri(self) -> str:
        """ModelArtifacts.S3ModelArtifacts."""
        tail = "model/" if self._plain else "model.tar.gz"
        return f"{self._output['S3OutputPath'].rstrip('/')}/{self._name}/output/{tail}"

    def upload(self, kind: str, folders: Iterable[Path]) -> None:
        """Store ``model`` or ``output`` from the folders of all hosts, merged."""
        bucket, prefix = split_uri(self._output["S3OutputPath"])
        place = "/".join(part for part in (prefix.rstrip("/"), self._name, "output") if part)
        found = merged(folders)
        bodies = self._files(f"{place}/{kind}", found) if self._plain else [
            (f"{place}/{kind}.tar.gz", packed(found))
        ]  # fmt: skip
        for key, body in bodies:
            self._storage.upload(bucket, key, body, kms_key=self._output.get("KmsKeyId"))

    def _files(self, place: str, found: Mapping[str, Path]) -> Iterable[tuple[str, bytes]]:
        for name, path in found.items():
            if path.is_file():
                yield f"{place}/{name}", path.read_bytes()


def merged(folders: Iterable[Path]) -> dict[str, Path]:
    """What lies in several folders, by relative name in order.

    AWS merges the hosts' folders and leaves open which of two files of one name stays; here
    it is the first host's.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            found.setdefault(path.relative_to(folder).as_posix(), path)
    return dict(sorted(found.items()))


def packed(found: Mapping[str, Path]) -> bytes:
    """A ``tar.gz`` of files and folders under their relative names."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=_COMPRESSION) as archive:
        for name, path in found.items():
            archive.add(path, arcname=name, recursive=False)
    return made.getvalue()
