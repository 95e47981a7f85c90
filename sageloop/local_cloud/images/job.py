"""A training job as a built-in algorithm's program sees it: its files, its hosts, its log."""

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
    """The algorithm refuses what it was given."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the platform wrote for the program."""

    base: Path
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Mapping[str, str]]
    host: str
    hosts: tuple[str, ...]

    @property
    def data(self) -> Path:
        """The folder of the channels."""
        return self.base / "input" / "data"

    @property
    def model(self) -> Path:
        """Where the model goes."""
        return self.base / "model"

    def checkpoints(self) -> Path | None:
        """Where checkpoints go and come from; ``None`` if the job keeps none."""
        config = self.base / "input" / "config" / "checkpointconfig.json"
        if not config.is_file():
            return None
        told = PurePosixPath(json.loads(config.read_text()).get("LocalPath", "/opt/ml/checkpoints"))
        if told.is_relative_to(_CONTAINER_BASE):
            return self.base / told.relative_to(_CONTAINER_BASE)
        return Path(told)

    def check_channels(self, required: str, *optional: str) -> None:
        """Raises :class:`DataError` if the required channel is missing or one is not known."""
        known = (required, *optional)
        if required not in self.channels:
            raise DataError(
                f"Missing required channel: {required} (given: {sorted(self.channels)})"
            )
        unknown = sorted(set(self.channels) - set(known))
        if unknown:
            raise DataError(f"Extraneous channel found: {unknown[0]} (known: {', '.join(known)})")

    def group(self) -> Group:
        """The hosts that train together. Raises :class:`GroupError` if they cannot meet."""
        return Group.meet(self.host, self.hosts, os.environ)


def read(base: Path) -> Job:
    """A job from its configuration files."""
    config = base / "input" / "config"
    host, hosts = "algo-1", ("algo-1",)
    resources = config / "resourceconfig.json"
    if resources.is_file():
        told = json.loads(resources.read_text())
        host, hosts = told["current_host"], tuple(sorted(told["hosts"]))
    return Job(
        base,
        json.loads((config / "hyperparameters.json").read_text()),
        json.loads((config / "inputdataconfig.json").read_text()),
        host,
        hosts,
    )


def run(train: Callable[[Job], None], *, client_code: int) -> int:
    """Train once; returns the exit code, with the reason in the failure file if it is not 0.

    ``client_code`` is returned for what the caller of the job did wrong.
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
    """A line in the form of the built-in algorithms' logs."""
    stamp = time.strftime("%m/%d/%Y %H:%M:%S")
    show(f"[{stamp} {level} {threading.get_ident()}] {text}\n")


def show(text: str) -> None:
    """Text on standard output, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def quality(host: str, data: str, metric: str, kind: str, value: float, **at: Any) -> None:
    """A metric's line; ``kind`` is ``loss`` or ``score`` and ``at`` comes first (``epoch=0``)."""
    where = "".join(f"{name}={number}, " for name, number in at.items())
    log(f"#quality_metric: host={host}, {where}{data} {metric} <{kind}>={value!r}")


def progress(host: str, done: float, rows_a_second: float) -> None:
    """The lines that tell how far (0 to 1) and how fast the training is."""
    log(f"#progress_metric: host={host}, completed {100 * done:g} %")
    log(f"#throughput_metric: host={host}, train throughput={rows_a_second!r} records/second")


def _failed(base: Path, error: Exception, code: int) -> int:
    failure = base / "output" / "failure"
    failure.parent.mkdir(parents=True, exist_ok=True)
    failure.write_text(str(error))
    log(f"{type(error).__name__}: {error}", "ERROR")
    return code
