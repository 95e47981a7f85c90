"""Linear learner training program: ``python -m ...linear_learner.train``.

Several hosts train one model: their shards are gathered on the first host, which trains it.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images import job as platform
from sageloop.local_cloud.images import shards
from sageloop.local_cloud.images.exchange import Arrays
from sageloop.local_cloud.images.formats import media, tables
from sageloop.local_cloud.images.formats.media import DataError
from sageloop.local_cloud.images.linear_learner import fitting, losses, metrics
from sageloop.local_cloud.images.linear_learner import hyperparameters as hp
from sageloop.local_cloud.images.linear_learner.hyperparameters import Settings
from sageloop.local_cloud.images.linear_learner.model import Model
from sageloop.local_cloud.images.linear_learner.scaling import Scaling, scaling

Array = npt.NDArray[Any]
_CLIENT_ERROR = 2  # observed in failure reasons of AWS's built-in algorithms; not documented
_CHANNELS = ("train", "validation", "test")
_READING = tables.Reading(known=(media.RECORDIO, media.CSV), labelled=True)


def main() -> int:
    """Train once; returns the exit code."""
    return platform.run(_train, client_code=_CLIENT_ERROR)


def _train(job: platform.Job) -> None:
    import scipy

    platform.log(
        "Linear learner is executed by a local implementation: numpy "
        f"{np.__version__} and scipy {scipy.__version__}, not by AWS's implementation"
    )
    settings, idle = hp.settings(job.hyperparameters)
    _log_settings(settings, idle)
    job.check_channels(*_CHANNELS)
    with job.group() as group:
        mine = {name: _table(job, name, settings) for name in _CHANNELS if name in job.channels}
        tables_ = {
            name: shards.gathered(group, job.channels[name], table) for name, table in mine.items()
        }
        if group.rank == 0:
            _Training(job, settings, tables_).run()
        # The other hosts wait, which keeps the job running until the model is saved.
        group.broadcast({} if group.rank == 0 else None)


def _log_settings(settings: Settings, idle: list[str]) -> None:
    for name in idle:
        platform.log(f"hyperparameter {name} is accepted and has no effect locally")
    if settings.optimizer == hp.EXACT:
        platform.log(
            "optimizer auto: L-BFGS over all data; an epoch is up to "
            f"{fitting.ITERATIONS_AN_EPOCH} iterations"
        )


def _table(job: platform.Job, name: str, settings: Settings) -> Arrays:
    if not tables.has_data(name, job.channels[name], job.data) and len(job.hosts) > 1:
        if settings.feature_dim is None:
            raise DataError(f"host {job.host} has no data in channel {name}, and no feature_dim")
        return {"features": np.empty((0, settings.feature_dim)), "labels": np.empty(0)}
    table = tables.load(name, job.channels[name], job.data, _READING)
    columns = table.features.shape[1]
    if settings.feature_dim not in (None, columns):
        raise DataError(
            f"channel {name} has {columns} features, hyperparameter feature_dim is "
            f"{settings.feature_dim}"
        )
    labels = np.empty(0) if table.labels is None else table.labels
    if not (np.isfinite(table.features).all() and np.isfinite(labels).all()):
        raise DataError(
            f"channel {name} has missing or infinite values; the linear learner accepts none"
        )
    _check_labels(name, labels, settings)
    return {"features": table.features, "labels": labels}


def _check_labels(name: str, labels: Array, settings: Settings) -> None:
    if settings.predictor_type == hp.REGRESSOR:
        return
    wrong = labels[(labels % 1 != 0) | (labels < 0) | (labels >= settings.num_classes)]
    if len(wrong):
        raise DataError(
            f"channel {name} has label {wrong[0]:g}; a {settings.predictor_type} accepts the "
            f"whole numbers from 0 to {settings.num_classes - 1}"
        )


class _Training:
    """The training of one model: records the losses of epochs and keeps the best coefficients."""

    def __init__(self, job: platform.Job, settings: Settings, data: dict[str, Arrays]) -> None:
        self._job, self._settings, self._data = job, settings, data
        widths = {name: table["features"].shape[1] for name, table in data.items()}
        if len(set(widths.values())) > 1:
            raise DataError(f"channels have different numbers of features: {widths}")
        for name, table in data.items():
            if not len(table["labels"]):
                raise DataError(f"No data found in channel {name}")
        train = data["train"]
        self._scaling = scaling(train["features"], train["labels"], settings)
        self._loss = losses.loss_of(settings)
        self._problems = {n: _problem(t, self._scaling, settings) for n, t in data.items()}
        self._monitored = "validation" if "validation" in data else "train"
        self._best: tuple[float, Array] | None = None
        self._stalled = 0
        self._rate = 0.0
        self._began = time.monotonic()

    def run(self) -> None:
        """Train, report and save."""
        fitting.fit(self._problems["train"], self._on_epoch)
        if self._best is None:
            raise DataError("the training ended before its first epoch")
        model = self._model(self._best[1])
        platform.progress(self._job.host, 1.0, self._rate)  # early stopping may skip epochs
        self._report(model, self._best[1])
        model.save(self._job.model)
        platform.log(f"saved a {model.kind} of {len(model.weights)} features")

    def _on_epoch(self, epoch: int, at: Array) -> bool:
        mean_losses: dict[str, float] = {}
        for name in ("train", "validation"):
            if name in self._problems:
                mean_losses[name] = fitting.mean_loss(self._problems[name], at)
                platform.quality(
                    self._job.host, name, self._loss.logged, "loss", mean_losses[name], epoch=epoch
                )
        examples = (epoch + 1) * len(self._data["train"]["labels"])
        rate = examples / max(time.monotonic() - self._began, 1e-9)
        platform.progress(self._job.host, (epoch + 1) / self._settings.epochs, rate)
        self._rate = rate
        return self._continues(mean_losses[self._monitored], at)

    def _continues(self, loss: float, at: Array) -> bool:
        if not np.isfinite(loss):
            raise DataError(f"the loss became {loss}; is learning_rate too high?")
        before = np.inf if self._best is None else self._best[0]
        if loss < before or self._monitored == "train":
            self._best = min(loss, before), at
        gained = before - loss > self._settings.early_stopping_tolerance * abs(loss)
        self._stalled = 0 if gained else self._stalled + 1
        if self._stalled >= self._settings.early_stopping_patience:
            platform.log("Early stop condition met. Stopping training.")
            return False
        return True

    def _model(self, at: Array) -> Model:
        weights, bias = self._scaling.back(at)
        neutral = 0.5 if self._loss.link == "logistic" else 0.0
        model = Model(self._settings.predictor_type, self._loss.link, weights, bias, neutral)
        if model.kind != hp.BINARY:
            return model
        table = self._data[self._monitored]
        most = self._settings.num_calibration_samples
        scores = model.scores(table["features"][:most])[:, 0]
        labels = table["labels"][:most]
        cut = metrics.threshold(self._settings, scores, labels, neutral)
        return Model(model.kind, model.link, weights, bias, cut)

    def _report(self, model: Model, at: Array) -> None:
        for name, table in self._data.items():
            loss = fitting.mean_loss(self._problems[name], at)
            platform.quality(self._job.host, name, self._loss.logged, "loss", loss)
            scores = model.scores(table["features"])
            labels = model.labels(scores)
            for metric, kind, value in metrics.of(self._settings, scores, labels, table["labels"]):
                platform.quality(self._job.host, name, metric, kind, value)


def _problem(table: Arrays, scale: Scaling, settings: Settings) -> fitting.Problem:
    classes = settings.num_classes if settings.predictor_type == hp.MULTICLASS else 1
    return fitting.Problem(
        scale.rows(table["features"]), scale.targets(table["labels"]),
        _weights(table["labels"], settings), classes, losses.loss_of(settings), settings,
    )  # fmt: skip


def _weights(labels: Array, settings: Settings) -> Array:
    if settings.predictor_type == hp.MULTICLASS and settings.balance_multiclass_weights:
        counts = np.bincount(labels.astype(np.intp), minlength=settings.num_classes)
        weights: Array = (len(labels) / np.maximum(counts, 1))[labels.astype(np.intp)]
        return weights
    weights = np.ones(len(labels))
    if settings.predictor_type == hp.BINARY:
        positive = labels == 1
        mult = settings.positive_example_weight_mult
        if mult is None:
            mult = float((~positive).sum() / max(positive.sum(), 1))
        weights[positive] = mult
    return weights


if __name__ == "__main__":
    sys.exit(main())
