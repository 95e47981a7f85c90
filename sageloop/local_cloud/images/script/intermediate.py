"""Uploads files of ``/opt/ml/output/intermediate`` to S3 while the script runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from sageloop.local_cloud.images.script.failures import ClientError
from sageloop.local_cloud.images.script.training import Training

_SECONDS = 1.0
Say = Callable[[str], None]


class Intermediate:
    """Uploads new and changed files each second, and once more at the end.

    Inactive unless the hyperparameter ``sagemaker_s3_output`` is an S3 URI.
    """

    def __init__(self, training: Training, say: Say) -> None:
        self._training = training
        self._say = say
        self._folder = training.base / "output" / "intermediate"
        self._sent: dict[Path, tuple[int, int]] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._target = _target(training)

    def __enter__(self) -> Self:
        if self._target is not None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._pass()

    def _watch(self) -> None:
        while not self._over.wait(_SECONDS):
            self._pass()

    def _pass(self) -> None:
        from sageloop.local_cloud.images.script import s3

        for path in sorted(p for p in self._folder.rglob("*") if p.is_file()):
            try:
                known = path.stat()
                state = (known.st_mtime_ns, known.st_size)
                if self._sent.get(path) != state:
                    name = path.relative_to(self._folder).as_posix()
                    s3.upload(path, f"{self._target}/{name}", self._training.environment)
                    self._sent[path] = state
            except FileNotFoundError:
                continue  # deleted concurrently
            except ClientError as error:
                self._say(f"intermediate output: {error}")


def _target(training: Training) -> str | None:
    uri = training.platform.get("sagemaker_s3_output")
    if not uri or str(uri).startswith("file:"):
        return None
    if not str(uri).startswith("s3://"):
        raise ClientError(f"sagemaker_s3_output must be an S3 URI (s3://...), got {uri!r}")
    job = training.environment.get("TRAINING_JOB_NAME", "")
    return "/".join([str(uri).rstrip("/"), *([job] if job else []), "output/intermediate"])
