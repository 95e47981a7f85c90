"""Trains: ``python -m ...xgboost.train`` under the training container contract."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import xgboost

from sageloop.local_cloud.sagemaker.containers.xgboost import data
from sageloop.local_cloud.sagemaker.containers.xgboost import hyperparameters as hp

MODEL_FILE = "xgboost-model"
_THREADS = 2


def main() -> int:
    """Train once; the exit code is 1 with the reason in the failure file if it cannot be."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        _train(base)
    except (data.DataError, hp.HyperparameterError, xgboost.core.XGBoostError) as error:
        failure = base / "output" / "failure"
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(str(error))
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _train(base: Path) -> None:
    config = base / "input" / "config"
    values = hp.typed(json.loads((config / "hyperparameters.json").read_text()))
    channels = json.loads((config / "inputdataconfig.json").read_text())
    if "train" not in channels:
        raise data.DataError(f"Missing required channel: train (given: {sorted(channels)})")
    weighted = values.get("csv_weights", 0) == 1
    matrices = {
        name: _matrix(base / "input" / "data" / name, channels[name], weighted=weighted)
        for name in ("train", "validation")
        if name in channels
    }
    _check_width(matrices)
    booster = _boosted(values, matrices)
    raw = booster.save_raw(raw_format="ubj")
    (base / "model" / MODEL_FILE).write_bytes(raw)
    _print(f"Saved a model of {booster.num_boosted_rounds()} rounds\n")


def _boosted(values: dict[str, Any], matrices: dict[str, Any]) -> Any:
    custom = [m for m in values.get("eval_metric", ()) if m in hp.CUSTOM_METRICS]
    callbacks: list[Any] = [xgboost.callback.EvaluationMonitor(logger=_print)]
    rounds = values.get("early_stopping_rounds")
    if rounds is not None:
        callbacks.append(_early_stopping(values, rounds, matrices))
    if values.get("save_model_on_termination") == "true":
        callbacks.append(_on_termination())
    return xgboost.train(
        hp.booster_parameters(values, threads=min(_THREADS, os.cpu_count() or 1)),
        matrices["train"],
        num_boost_round=values["num_round"],
        evals=[(matrix, name) for name, matrix in matrices.items()],
        custom_metric=_metric(custom) if custom else None,
        callbacks=callbacks,
        verbose_eval=False,
    )


def _early_stopping(values: dict[str, Any], rounds: int, matrices: dict[str, Any]) -> Any:
    metrics = values.get("eval_metric")
    return xgboost.callback.EarlyStopping(
        rounds=rounds,
        data_name="validation" if "validation" in matrices else "train",
        metric_name=metrics[-1] if metrics else None,
        maximize=metrics[-1].split("@")[0] in hp.MAXIMISED if metrics else None,
        save_best=True,
    )


def _on_termination() -> Any:
    asked = []

    def on_signal(_: int, __: FrameType | None) -> None:
        asked.append(True)

    class Stop(xgboost.callback.TrainingCallback):
        """Ends the training after the round in which SIGTERM came."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            """Whether to stop."""
            return bool(asked)

    signal.signal(signal.SIGTERM, on_signal)
    return Stop()


def _metric(names: list[str]) -> Callable[[Any, Any], list[tuple[str, float]]]:
    def evaluate(predicted: Any, matrix: Any) -> list[tuple[str, float]]:
        truth = matrix.get_label()
        told = {
            "mse": lambda: float(np.mean((predicted - truth) ** 2)),
            "accuracy": lambda: float(np.mean(_classes(predicted) == truth)),
        }
        return [(name, told[name]()) for name in names]

    return evaluate


def _classes(predicted: Any) -> Any:
    if predicted.ndim == 2:
        return np.argmax(predicted, axis=1)
    return predicted if np.any(predicted > 1) else (predicted > 0.5).astype(np.float32)


def _matrix(directory: Path, channel: dict[str, str], *, weighted: bool) -> Any:
    media = data.check_format(channel.get("ContentType", data.LIBSVM[0]))
    files = data.files_under(directory)
    if not files:
        raise data.DataError(f"No data found in channel {directory.name}")
    texts = [text for text in (_read(path) for path in files) if text.strip()]
    if not texts:
        raise data.DataError(f"Channel {directory.name} has only empty files")
    if media == data.CSV:
        return _of_csv(data.parse_csv("\n".join(text.strip("\n") for text in texts)), weighted)
    labels, features = data.parse_libsvm("\n".join(texts), labelled=True)
    return xgboost.DMatrix(features, label=labels, missing=np.nan)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        raise data.DataError(f"{path.name} is not text; is its ContentType right?") from None


def _of_csv(rows: data.Matrix, weighted: bool) -> Any:
    first = 2 if weighted else 1
    if rows.shape[1] <= first:
        raise data.DataError(
            f"CSV rows have {rows.shape[1]} columns; the label comes first"
            f"{', then the weight' if weighted else ''}, then at least one feature"
        )
    weight = rows[:, 1] if weighted else None
    return xgboost.DMatrix(rows[:, first:], label=rows[:, 0], weight=weight, missing=np.nan)


def _check_width(matrices: dict[str, Any]) -> None:
    widths = {name: matrix.num_col() for name, matrix in matrices.items()}
    if len(set(widths.values())) > 1:
        raise data.DataError(f"channels have different numbers of features: {widths}")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
