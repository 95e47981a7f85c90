"""What an inference container's environment says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

INSIDE = PurePosixPath("/opt/ml")
_JSON = "application/json"
_TIMEOUTS = ("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", "SAGEMAKER_MODEL_SERVER_TIMEOUT")


class SettingError(Exception):
    """A variable of the container's environment makes no sense, or its code is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The variables that AWS's inference toolkits read.

    ``base`` is what the container sees as ``/opt/ml``; ``program`` and ``submitted`` are
    ``SAGEMAKER_PROGRAM`` and ``SAGEMAKER_SUBMIT_DIRECTORY`` as given. ``timeout`` (wall seconds)
    is how long a worker may take for one request, ``None`` if nothing was said. ``isolated``
    containers have no network.
    """

    base: Path
    program: str | None = None
    submitted: str | None = None
    accept: str = _JSON
    workers: int = 1
    timeout: float | None = None
    isolated: bool = False
    log_level: int = logging.INFO

    @property
    def model_dir(self) -> Path:
        """Where the model lies."""
        return self.base / "model"

    @property
    def module(self) -> str:
        """The module that is asked for the user's functions."""
        return ("inference.py" if self.program is None else self.program).removesuffix(".py")

    def here(self, path: str) -> Path:
        """A path as it is on this machine, where ``/opt/ml`` may be another directory."""
        told = PurePosixPath(path)
        return self.base / told.relative_to(INSIDE) if told.is_relative_to(INSIDE) else Path(told)


def read(environment: Mapping[str, str]) -> Settings:
    """The settings. Raises :class:`SettingError` for a number that is none."""
    timeout = next((name for name in _TIMEOUTS if environment.get(name)), None)
    return Settings(
        base=_base(environment),
        program=environment.get("SAGEMAKER_PROGRAM"),
        submitted=environment.get("SAGEMAKER_SUBMIT_DIRECTORY"),
        accept=environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", _JSON),
        workers=_number(environment, "SAGEMAKER_MODEL_SERVER_WORKERS", 1),
        timeout=None if timeout is None else float(_number(environment, timeout, 60)),
        isolated="AWS_ENDPOINT_URL" not in environment,
        log_level=_number(environment, "SAGEMAKER_CONTAINER_LOG_LEVEL", logging.INFO, least=0),
    )


def _base(environment: Mapping[str, str]) -> Path:
    given = environment.get("SAGEMAKER_BASE_DIR")
    inside = Path(INSIDE)
    if given is None or _same(inside / "model", Path(given) / "model"):
        return inside
    return Path(given)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _number(environment: Mapping[str, str], name: str, usual: int, *, least: int = 1) -> int:
    given = environment.get(name)
    if given is None:
        return usual
    if not given.isdigit() or int(given) < least:
        raise SettingError(f"{name} must be a whole number of at least {least}, got {given!r}")
    return int(given)
