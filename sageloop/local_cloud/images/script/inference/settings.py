"""Settings of an inference container, read from its environment variables."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sageloop.local_cloud.images.script.container_paths import INSIDE, local_path

_JSON = "application/json"
_TIMEOUTS = ("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", "SAGEMAKER_MODEL_SERVER_TIMEOUT")


class SettingError(Exception):
    """A variable of the container's environment is invalid, or its code does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The variables that AWS's inference toolkits read.

    ``base`` is the directory that the container knows as ``/opt/ml``; ``program`` and
    ``submitted`` are ``SAGEMAKER_PROGRAM`` and ``SAGEMAKER_SUBMIT_DIRECTORY``. ``timeout`` (wall
    seconds) limits one request, ``None``: no limit. ``isolated`` containers have no network.
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
        """The directory of the model's files."""
        return self.base / "model"

    @property
    def module(self) -> str:
        """The name of the module with the user's functions."""
        return ("inference.py" if self.program is None else self.program).removesuffix(".py")

    def local_path(self, path: str) -> Path:
        """A container path as a path of this machine, where ``/opt/ml`` may differ."""
        return local_path(self.base, path)


def read(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises :class:`SettingError` for an invalid number."""
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
    base = environment.get("SAGEMAKER_BASE_DIR")
    inside = Path(INSIDE)
    if base is None or _same(inside / "model", Path(base) / "model"):
        return inside
    return Path(base)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _number(environment: Mapping[str, str], name: str, usual: int, *, least: int = 1) -> int:
    text = environment.get(name)
    if text is None:
        return usual
    if not text.isdigit() or int(text) < least:
        raise SettingError(f"{name} must be a whole number of at least {least}, got {text!r}")
    return int(text)
