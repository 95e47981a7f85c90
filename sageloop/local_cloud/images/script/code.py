"""Fetches the user's code into the code directory."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from sageloop.local_cloud.core.archives import ArchiveRefused, unpack_tar
from sageloop.local_cloud.images.script.failures import ClientError
from sageloop.local_cloud.images.script.training import Training

Say = Callable[[str], None]


def bring(training: Training, say: Say) -> None:
    """Fill the code directory from an archive in S3, a local archive, a directory or a file.

    A directory that is not empty is left unchanged, as on AWS: a custom image may contain its
    code. Raises :class:`ClientError`.
    """
    code, source = training.code, training.module_directory
    code.mkdir(parents=True, exist_ok=True)
    if any(code.iterdir()):
        say(f"{code} is not empty: the code in it is used, {source} is not fetched")
    elif source.startswith("s3://"):
        from sageloop.local_cloud.images.script import s3

        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "sourcedir.tar.gz"
            s3.download(source, archive, training.environment)
            _extract(archive, code, source, say)
    else:
        _bring_local(training.local_path(source), code, say)


def _bring_local(source: Path, code: Path, say: Say) -> None:
    if source == code:
        return
    if source.is_dir():
        shutil.copytree(source, code, dirs_exist_ok=True)
    elif not source.is_file():
        raise ClientError(
            f"There is no code at {source} (hyperparameter sagemaker_submit_directory)."
        )
    elif tarfile.is_tarfile(source):
        _extract(source, code, str(source), say)
    else:
        shutil.copy2(source, code)


def _extract(archive: Path, target: Path, description: str, say: Say) -> None:
    def inside(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        try:
            return tarfile.data_filter(member, path)
        except tarfile.FilterError as error:
            say(f"skipped member of the code archive: {error}")
            return None

    try:
        with tarfile.open(archive, "r:gz") as opened:
            unpack_tar(opened, target, admit=inside)
    except (tarfile.TarError, EOFError, OSError, ArchiveRefused) as error:
        raise ClientError(f"{description} is not a code archive (.tar.gz): {error}") from error
