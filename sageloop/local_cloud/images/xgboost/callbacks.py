"""Training callbacks: metric lines, checkpoints, and the stop on SIGTERM."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from sageloop.local_cloud.images import job as platform
from sageloop.local_cloud.images.xgboost import hyperparameters as hp
from sageloop.local_cloud.images.xgboost.library import collective, xgboost
from sageloop.local_cloud.images.xgboost.metrics import MAXIMISED

_CHECKPOINT = "xgboost-checkpoint"
_KEPT = 5
_AVERAGED = {"macro": "macro", "micro": "micro", "binary": "binary"}


class Monitor(xgboost.callback.TrainingCallback):
    """Logs the metrics of each round, numbered from a checkpoint on; the first worker's only."""

    def __init__(self, first_round: int) -> None:
        super().__init__()
        self._first = first_round

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Log the metrics; never stops the training."""
        if collective.get_rank() == 0:
            fields = [
                f"{data}-{metric}:{values[-1]:.5f}"
                for data, metrics in evals_log.items()
                for metric, values in metrics.items()
            ]
            platform.show(f"[{epoch + self._first}]\t" + "\t".join(fields) + "\n")
        return False


class Checkpoints(xgboost.callback.TrainingCallback):
    """Saves the model of each round and keeps the last five, with the names of AWS's container."""

    def __init__(self, directory: Path, first_round: int) -> None:
        super().__init__()
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._first = first_round

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Write the checkpoint atomically; never stops the training."""
        if collective.get_rank() == 0:
            number = epoch + self._first
            part = self._directory / f"{_CHECKPOINT}.{number}.sagemaker-ignore"
            part.write_bytes(model.save_raw(raw_format="ubj"))
            part.rename(self._directory / f"{_CHECKPOINT}.{number}")
            (self._directory / f"{_CHECKPOINT}.{number - _KEPT}").unlink(missing_ok=True)
        return False


def latest(directory: Path | None) -> tuple[bytes, int]:
    """The newest readable checkpoint and the round after it; ``None`` and 0 without one."""
    if directory is None or not directory.is_dir():
        return b"", 0
    checkpoints = {
        int(path.name.rpartition(".")[2]): path
        for path in directory.iterdir()
        if re.fullmatch(rf"{_CHECKPOINT}\.[0-9]+", path.name)
    }
    for number in sorted(checkpoints, reverse=True):
        content = checkpoints[number].read_bytes()
        try:
            xgboost.Booster().load_model(bytearray(content))
        except xgboost.core.XGBoostError:
            platform.log(
                f"{checkpoints[number].name} cannot be read; trying the previous one", "WARNING"
            )
            continue
        return content, number + 1
    return b"", 0


class Stop(xgboost.callback.TrainingCallback):
    """Ends the training after the round in which any worker received SIGTERM."""

    def __init__(self) -> None:
        super().__init__()
        self._requested = False
        signal.signal(signal.SIGTERM, self._on_signal)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Whether to stop; equal on all workers."""
        if not collective.is_distributed():
            return self._requested
        flag = np.array([int(self._requested)], np.int32)
        return bool(collective.allreduce(flag, collective.Op.MAX)[0])

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self._requested = True


def early_stopping(values: Mapping[str, Any], rounds: int, *, validated: bool) -> Any:
    """Stop if the last metric has not improved for ``rounds`` rounds, and keep the best model."""
    names = hp.metrics(values)
    return xgboost.callback.EarlyStopping(
        rounds=rounds,
        data_name="validation" if validated else "train",
        metric_name=names[-1] if names else None,
        maximize=names[-1].split("@")[0] in MAXIMISED if names else None,
        save_best=True,
    )


def custom_metric(names: Sequence[str]) -> Callable[[Any, Any], list[tuple[str, float]]]:
    """The metrics that the container computes; over several workers, their mean by rows."""

    def evaluate(predicted: Any, matrix: Any) -> list[tuple[str, float]]:
        labels = matrix.get_label()
        values = np.array([_value(name, predicted, labels) for name in names])
        if collective.is_distributed():
            mine = np.append(values, 1.0) * len(labels)
            total = collective.allreduce(mine, collective.Op.SUM)
            values = total[:-1] / max(total[-1], 1.0)
        return list(zip(names, values.tolist(), strict=True))

    return evaluate


def _value(name: str, predicted: Any, labels: Any) -> float:
    from sklearn import metrics

    if name == "mse":
        return float(np.mean((predicted - labels) ** 2))
    if name == "r2":
        return float(metrics.r2_score(labels, predicted))
    classes = _classes(predicted)
    if name == "accuracy":
        return float(np.mean(classes == labels))
    if name == "balanced_accuracy":
        return float(metrics.balanced_accuracy_score(labels, classes))
    kind, _, average = name.partition("_")
    score = {
        "f1": metrics.f1_score, "precision": metrics.precision_score,
        "recall": metrics.recall_score,
    }[kind]  # fmt: skip
    if not average:
        average = "macro" if kind == "f1" else "binary"
    return float(score(labels, classes, average=_AVERAGED[average], zero_division=0))


def _classes(predicted: Any) -> Any:
    if predicted.ndim == 2:
        return np.argmax(predicted, axis=1)
    return predicted if np.any(predicted > 1) else (predicted > 0.5).astype(np.float32)
