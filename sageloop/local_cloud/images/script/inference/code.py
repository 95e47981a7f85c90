"""The user's code for inference and what it requires, brought to where it runs."""

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
    """The directory of the user's code; it may not exist if none was given.

    An archive, in S3 or not, is unpacked into ``/opt/ml/code``; without
    ``SAGEMAKER_SUBMIT_DIRECTORY`` the model's own ``code`` directory counts. Raises
    :class:`SettingError` if what is named is not there.
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
    found = settings.here(source.removeprefix("file://"))
    if found.is_dir():
        return found
    if found.is_file():
        return _unpacked(found, target, source)
    raise SettingError(f"{_VARIABLE} is {source}, where there is no code")


def python(settings: Settings, code: Path, environment: Mapping[str, str], say: Say) -> str:
    """The interpreter that has what the code's ``requirements.txt`` names.

    It is kept with the cloud, or with the instance if the model is isolated: then only what is
    already there satisfies a requirement, since nothing can be fetched.
    """
    cache = environment.get("SAGELOOP_CACHE_DIR")
    if settings.isolated:
        os.environ["PIP_NO_INDEX"] = "1"
    if settings.isolated or cache is None:
        # With the instance, so that what another model had fetched is not found in it.
        cache = str(settings.base / ".cache")
    # A cached environment outlives the context, as it must: the server goes on in it.
    known = {"SAGELOOP_CACHE_DIR": cache, "AWS_ENDPOINT_URL": ""}
    with python_for(Kind.SCRIPT, code, known, say) as interpreter:
        return interpreter


def _unpacked(archive: Path, target: Path, told: str) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as opened:
            unpack_tar(opened, target)
    except (tarfile.TarError, EOFError, OSError, ArchiveRefused) as error:
        raise SettingError(f"{told} is no archive of code (.tar.gz): {error}") from error
    return target
