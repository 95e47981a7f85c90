"""Fetches the user's inference code and installs its requirements."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from sageloop.local_cloud.core.archives import ArchiveRefused, unpack_tar
from sageloop.local_cloud.images.script import s3
from sageloop.local_cloud.images.script.entry import Kind
from sageloop.local_cloud.images.script.environments import python_for
from sageloop.local_cloud.images.script.inference.settings import (
    SettingError,
    Settings,
)

Say = Callable[[str], None]
_VARIABLE = "SAGEMAKER_SUBMIT_DIRECTORY"


def bring(settings: Settings, environment: Mapping[str, str]) -> Path:
    """The directory of the user's code; it may not exist if no code is configured.

    An archive, in S3 or local, is unpacked into ``/opt/ml/code``; without
    ``SAGEMAKER_SUBMIT_DIRECTORY`` it is the model's ``code`` directory. Raises
    :class:`SettingError` if the configured code does not exist.
    """
    source, target = settings.submitted, settings.base / "code"
    if source is None:
        return settings.model_dir / "code"
    if source.startswith("s3://"):
        if settings.isolated:
            raise SettingError(
                f"{_VARIABLE} is {source}, but a model with network isolation reaches no S3: put "
                "the code into the model's archive under code/"
            )
        archive = settings.base / "sourcedir.tar.gz"
        s3.download(source, archive, environment)
        return _unpacked(archive, target, source)
    path = settings.local_path(source.removeprefix("file://"))
    if path.is_dir():
        return path
    if path.is_file():
        return _unpacked(path, target, source)
    raise SettingError(f"{_VARIABLE} is {source}, which does not exist")


def python(settings: Settings, code: Path, environment: Mapping[str, str], say: Say) -> str:
    """The interpreter that has the requirements of the code's ``requirements.txt``.

    The environment is cached with the cloud, or with the instance if the model has network
    isolation: then only installed packages satisfy a requirement, since none can be fetched.
    """
    cache = environment.get("SAGELOOP_CACHE_DIR")
    if settings.isolated:
        os.environ["PIP_NO_INDEX"] = "1"
    if settings.isolated or cache is None:
        # With the instance: packages that another model fetched must not satisfy the requirements.
        cache = str(settings.base / ".cache")
    # The cached environment must outlive the context: the server continues in it.
    known = {"SAGELOOP_CACHE_DIR": cache, "AWS_ENDPOINT_URL": ""}
    with python_for(Kind.SCRIPT, code, known, say) as interpreter:
        return interpreter


def _unpacked(archive: Path, target: Path, description: str) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as opened:
            unpack_tar(opened, target)
    except (tarfile.TarError, EOFError, OSError, ArchiveRefused) as error:
        raise SettingError(f"{description} is not a code archive (.tar.gz): {error}") from error
    return target
