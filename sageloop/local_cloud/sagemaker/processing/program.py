"""The local program that runs a processing container, and the paths of its files."""

from __future__ import annotations

import fnmatch
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sageloop.local_cloud import images
from sageloop.local_cloud.core.errors import AwsError

# Images whose containers are Python with libraries: the local Python interpreter runs them.
_PYTHON_IMAGES = tuple(
    f"{registry}{name}:*"
    for registry in ("*/", "")
    for name in ("pytorch-inference", "tensorflow-inference")
)
_OPT_ML = "/opt/ml"


def command_of(specification: Mapping[str, Any]) -> list[str] | None:
    """The command line of an AppSpecification; ``None`` if the image has no local program.

    As in Docker, ContainerEntrypoint replaces the program of the image, and ContainerArguments
    follow it.
    """
    image = specification["ImageUri"]
    arguments = list(specification.get("ContainerArguments", ()))
    entrypoint = specification.get("ContainerEntrypoint")
    if entrypoint is not None:
        return [*entrypoint, *arguments] if _is_known(image) else None
    program = images.processing_command(image)
    return None if program is None else [*program, *arguments]


def check_image(specification: Mapping[str, Any], allow: frozenset[str]) -> bool:
    """Whether a job with this AppSpecification can run on this machine.

    Raises ``AwsError`` if it cannot and ``image:<uri>`` is not in ``allow``.
    """
    if command_of(specification) is not None:
        return True
    image = specification["ImageUri"]
    if f"image:{image}" in allow:
        return False
    if _is_known(image):
        raise AwsError(
            "ValidationException",
            f"the image {image} has no processing program on this machine; specify "
            "AppSpecification.ContainerEntrypoint",
        )
    known = sorted({*_PYTHON_IMAGES, *images.known_images()})
    raise AwsError(
        "ValidationException",
        f"the image {image} has no program on this machine (images with a program: "
        f"{', '.join(known)}). To store its jobs without executing them: "
        f"--allow image:{image}",
    )


def relocated(command: Sequence[str], base: Path) -> list[str]:
    """The command line for a machine without private mounts.

    Without a private ``/opt/ml``, words of the command line below ``/opt/ml`` are replaced by paths
    below ``base``; the program gets ``base`` in ``SAGEMAKER_BASE_DIR``.
    """
    return [
        f"{base}{word[len(_OPT_ML):]}" if word == _OPT_ML or word.startswith(f"{_OPT_ML}/")
        else word
        for word in command
    ]  # fmt: skip


def python_folder(folder: Path) -> Path:
    """A folder in which ``python`` and ``python3`` run the local interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        path.chmod(0o755)
    return folder


def _is_known(image: str) -> bool:
    commands = (
        images.training_command(image), images.serving_command(image),
        images.processing_command(image),
    )  # fmt: skip
    return any(command is not None for command in commands) or any(
        fnmatch.fnmatchcase(image, pattern) for pattern in _PYTHON_IMAGES
    )
