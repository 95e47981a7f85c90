"""The images that can run on this machine, as a table of local programs.

An image is run as a container is: the program is called with ``train`` or ``serve``, finds
its files under ``/opt/ml`` (or ``SAGEMAKER_BASE_DIR``) and, serving, listens on
``SAGEMAKER_BIND_TO_PORT``. No image is ever pulled.
"""

from __future__ import annotations

import fnmatch
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """What stands in for an image: how it trains, how it serves; ``None`` if it cannot."""

    pattern: str
    training: tuple[str, ...] | None
    serving: tuple[str, ...] | None


def _module(name: str) -> tuple[str, ...]:
    # Isolated: neither the caller's directory nor PYTHON* variables reach the program.
    return (sys.executable, "-I", "-m", f"{__name__}.{name}")


_BUILT_IN = (
    Program("*/sagemaker-xgboost:*", _module("xgboost.train"), _module("xgboost.serve")),
    Program("sagemaker-xgboost:*", _module("xgboost.train"), _module("xgboost.serve")),
)
_lock = threading.Lock()
_registered: list[Program] = []


def register(
    image_pattern: str, command: Sequence[str] | None = None, *,
    training: Sequence[str] | None = None, serving: Sequence[str] | None = None,
) -> None:  # fmt: skip
    """Let images whose URI matches a shell pattern run as a local program.

    ``command`` is run with ``train`` or ``serve`` appended, as ``docker run image train``;
    ``training`` and ``serving`` are whole command lines and win over it. The latest
    registration that matches counts, before the built-in ones.
    """
    if command is None and training is None and serving is None:
        raise ValueError(f"register({image_pattern!r}) needs command, training or serving")
    made = Program(
        image_pattern,
        _line(training, command, "train"),
        _line(serving, command, "serve"),
    )
    with _lock:
        _registered.append(made)


def unregister(image_pattern: str) -> None:
    """Forget what was registered under exactly this pattern."""
    with _lock:
        _registered[:] = [p for p in _registered if p.pattern != image_pattern]


def training_command(image: str) -> list[str] | None:
    """The command line that trains for an image, or ``None`` if it has no local program."""
    for program in _programs():
        if program.training is not None and fnmatch.fnmatchcase(image, program.pattern):
            return list(program.training)
    return None


def serving_command(image: str) -> list[str] | None:
    """The command line that serves for an image, or ``None`` if it has no local program."""
    for program in _programs():
        if program.serving is not None and fnmatch.fnmatchcase(image, program.pattern):
            return list(program.serving)
    return None


def is_xgboost(image: str) -> bool:
    """Whether an image is the built-in XGBoost algorithm's."""
    return any(fnmatch.fnmatchcase(image, p.pattern) for p in _BUILT_IN)


def known_images() -> list[str]:
    """Patterns of the images that have a local program, for error messages."""
    return sorted({p.pattern for p in _programs()})


def _programs() -> list[Program]:
    with _lock:
        return [*reversed(_registered), *_BUILT_IN]


def _line(
    whole: Sequence[str] | None, command: Sequence[str] | None, verb: str
) -> tuple[str, ...] | None:
    if whole is not None:
        return tuple(whole)
    return None if command is None else (*command, verb)
