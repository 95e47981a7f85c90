"""The entry point of the user's code: its kind and the command that runs it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from sageloop.local_cloud.images.script.failures import ClientError

_PLAIN = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*(/[A-Za-z0-9._+-]+)*")


class Kind(StrEnum):
    """The kind of a program."""

    SCRIPT = "script"
    PACKAGE = "package"
    COMMAND = "command"


def checked(name: str | None, code: Path) -> str:
    """A valid program name in the code directory. Raises :class:`ClientError` otherwise."""
    if not name:
        raise ClientError(
            "No program was named: the hyperparameter sagemaker_program must be the path of a "
            "script in the source directory, such as train.py."
        )
    if not _PLAIN.fullmatch(name) or {".", ".."} & set(name.split("/")):
        raise ClientError(
            f"The program {name!r} (hyperparameter sagemaker_program) must be a relative path in "
            "the source directory, of letters, digits and . _ + - / only, such as bin/train.py."
        )
    if not (code / name).resolve().is_relative_to(code.resolve()):
        raise ClientError(f"The program {name!r} is a link that leaves the source directory.")
    return name


def kind_of(name: str, code: Path) -> Kind:
    """A shell script, a package with a ``setup.py``, a Python script or any other command."""
    if name.endswith(".sh"):
        return Kind.COMMAND
    if (code / "setup.py").exists():
        return Kind.PACKAGE
    return Kind.SCRIPT if name.endswith(".py") else Kind.COMMAND


def command(kind: Kind, name: str, arguments: Sequence[str], python: str) -> list[str]:
    """The command that runs a program in a single process."""
    if kind is Kind.COMMAND:
        words = " ".join(shlex.quote(word) for word in arguments)
        return ["/bin/sh", "-c", f"./{shlex.quote(name)} {words}"]
    if kind is Kind.PACKAGE:
        return [python, "-m", name.removesuffix(".py"), *arguments]
    return [python, "--", name, *arguments]
