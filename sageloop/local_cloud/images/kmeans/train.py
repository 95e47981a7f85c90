"""K-means training program: ``python -m ...kmeans.train`` under the training contract.

Several hosts train one model: their shards are gathered on the first host, which clusters all
rows. Every host receives the centers, and the first host saves them.
"""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np

from sageloop.local_cloud.images import job as platform
from sageloop.local_cloud.images import kmeans, shards
from sageloop.local_cloud.images.formats import media, tables
from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.formats.media import DataError
from sageloop.local_cloud.images.kmeans import clustering
from sageloop.local_cloud.images.kmeans.hyperparameters import Settings, settings

_CLIENT_ERROR = 2  # observed in failure reasons of AWS's built-in algorithms; not documented
_READING = tables.Reading(known=(media.RECORDIO, media.CSV))


def main() -> int:
    """Train once; returns the exit code."""
    return platform.run(_train, client_code=_CLIENT_ERROR)


def _train(job: platform.Job) -> None:
    platform.log(
        "K-means is executed by a local implementation: scikit-learn "
        f"{version('scikit-learn')} (seed 0), not by AWS's implementation"
    )
    values, idle = settings(job.hyperparameters)
    for name in idle:
        platform.log(f"hyperparameter {name} is accepted and has no effect locally")
    job.check_channels("train", "test")
    with job.group() as group:
        rows = {
            name: _rows(job, name, values) for name in ("train", "test") if name in job.channels
        }
        whole = {
            name: shards.gathered(group, job.channels[name], {"rows": part})
            for name, part in rows.items()
        }
        centers = None
        if group.rank == 0:
            _check_enough(whole["train"]["rows"], values)
            centers = {"centers": _fitted(job, whole["train"]["rows"], values)}
        model = group.broadcast(centers)["centers"]
        if group.rank == 0:
            _report(job, whole, model, values)
            _save(job, model)


def _rows(job: platform.Job, name: str, values: Settings) -> Matrix:
    if not tables.has_data(name, job.channels[name], job.data) and len(job.hosts) > 1:
        return np.empty((0, values.feature_dim), np.float32)
    rows = tables.load(name, job.channels[name], job.data, _READING).features
    if rows.shape[1] != values.feature_dim:
        raise DataError(
            f"channel {name} has {rows.shape[1]} features, hyperparameter feature_dim is "
            f"{values.feature_dim} (CSV without a label needs text/csv;label_size=0)"
        )
    if not np.isfinite(rows).all():
        raise DataError(f"channel {name} has missing or infinite values; K-means accepts none")
    return rows


def _check_enough(rows: Matrix, values: Settings) -> None:
    if len(rows) < values.k:
        raise DataError(f"k is {values.k}, but channel train has only {len(rows)} records")


def _fitted(job: platform.Job, rows: Matrix, values: Settings) -> Matrix:
    began = time.monotonic()

    def on_epoch(epoch: int) -> None:
        rate = (epoch + 1) * len(rows) / max(time.monotonic() - began, 1e-9)
        platform.progress(job.host, (epoch + 1) / values.epochs, rate)

    return clustering.fit(rows, values, on_epoch, platform.log)


def _report(job: platform.Job, whole: Any, centers: Matrix, values: Settings) -> None:
    for name, part in whole.items():
        if not len(part["rows"]):
            raise DataError(f"No data found in channel {name}")
        squares = clustering.distances(part["rows"], centers)[1] ** 2
        losses = {"msd": float(squares.mean()), "ssd": float(squares.sum())}
        for metric in values.eval_metrics:
            platform.quality(job.host, name, metric, "loss", losses[metric])


def _save(job: platform.Job, centers: Matrix) -> None:
    with (job.model / kmeans.MODEL_FILE).open("wb") as file:
        np.savez(file, format=np.array(kmeans.MODEL_FORMAT), centers=centers)
    platform.log(f"saved {len(centers)} centers of {centers.shape[1]} features")


if __name__ == "__main__":
    sys.exit(main())
