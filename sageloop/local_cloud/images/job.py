"""A training job of a built-in algorithm: its files, hosts and log."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sageloop.local_cloud.images.exchange import Group, GroupError
from sageloop.local_cloud.images.formats.media import DataError
from sageloop.local_cloud.images.rules import HyperparameterError

_CONTAINER_BASE = PurePosixPath("/opt/ml")


class TrainingError(Exception):
    """The algorithm refuses the job's data or hyperparameters."""


@dataclass(frozen=True, slots=True)
class Job:
    """The job's configuration, as the platform wrote it under ``/opt/ml``."""

    base: Path
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Mapping[str, str]]
    host: str
    hosts: tuple[str, ...]

    @property
    def data(self) -> Path:
        """The directory of the channels."""
        return self.base / "input" / "data"

    @property
    def model(self) -> Path:
        """The directory of the model's files."""
        return self.base / "model"

    def checkpoints(self) -> Path | None:
        """The directory of checkpoints; ``None`` if the job has no checkpoint configuration."""
        config = self.base / "input" / "config" / "checkpointconfig.json"
        if not config.is_file():
            return None
        path = PurePosixPath(json.loads(config.read_text()).get("LocalPath", "/opt/ml/checkpoints"))
        if path.is_relative_to(_CONTAINER_BASE):
            return self.base / path.relative_to(_CONTAINER_BASE)
        return Path(path)

    def check_channels(self, required: str, *optional: str) -> None:
        """Raise :class:`DataError` if the required channel is missing or a channel is unknown."""
        known = (required, *optional)
        if required not in self.channels:
            raise DataError(
                f"Missing required channel: {required} (given: {sorted(self.channels)})"
            )
        unknown = sorted(set(self.channels) - set(known))
        if unknown:
            raise DataError(f"Extraneous channel found: {unknown[0]} (known: {', '.join(known)})")

    def group(self) -> Group:
        """Connect the hosts of the job. Raises :class:`GroupError` if they cannot connect."""
        return Group.meet(self.host, self.hosts, os.environ)


def read(base: Path) -> Job:
    """Read a job from its configuration files under ``base``."""
    config = base / "input" / "config"
    host, hosts = "algo-1", ("algo-1",)
    resources = config / "resourceconfig.json"
    if resources.is_file():
        resource_config = json.loads(resources.read_text())
        host, hosts = resource_config["current_host"], tuple(sorted(resource_config["hosts"]))
    return Job(
        base,
        json.loads((config / "hyperparameters.json").read_text()),
        json.loads((config / "inputdataconfig.json").read_text()),
        host,
        hosts,
    )


def run(train: Callable[[Job], None], *, client_code: int) -> int:
    """Train once; returns the exit code, with the reason in the failure file if it is not 0.

    ``client_code`` is the exit code for errors of the job's owner.
    """
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", str(_CONTAINER_BASE)))
    try:
        train(read(base))
    except (DataError, HyperparameterError, TrainingError) as error:
        return _failed(base, error, client_code)
    except GroupError as error:
        return _failed(base, error, 1)
    return 0


def log(text: str, level: str = "INFO") -> None:
    """Write a line in the format of the built-in algorithms' logs."""
    stamp = time.strftime("%m/%d/%Y %H:%M:%S")
    show(f"[{stamp} {level} {threading.get_ident()}] {text}\n")


def show(text: str) -> None:
    """Write text to standard output and flush it."""
    sys.stdout.write(text)
    sys.stdout.flush()


def quality(host: str, data: str, metric: str, kind: str, value: float, **at: Any) -> None:
    """Log a quality metric; ``kind`` is ``loss`` or ``score``, ``at`` precedes it (``epoch=0``)."""
    where = "".join(f"{name}={number}, " for name, number in at.items())
    log(f"#quality_metric: host={host}, {where}{data} {metric} <{kind}>={value!r}")


def progress(host: str, completed: float, rows_a_second: float) -> None:
    """Log the progress (``completed``, 0 to 1) and the throughput of the training."""
    log(f"#progress_metric: host={host}, completed {100 * completed:g} %")
    log(f"#throughput_metric: host={host}, train throughput={rows_a_second!r} records/second")


def _failed(base: Path, error: Exception, code: int) -> int:
    failure = base / "output" / "failure"
    failure.parent.mkdir(parents=True, exist_ok=True)
    failure.write_text(str(error))
    log(f"{type(error).__name__}: {error}", "ERROR")
    return code
