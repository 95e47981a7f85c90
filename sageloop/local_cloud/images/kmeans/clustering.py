"""Web-scale k-means: extra centers fitted on mini-batches are reduced to k by Lloyd's algorithm.

https://docs.aws.amazon.com/sagemaker/latest/dg/algo-kmeans-tech-notes.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.kmeans.hyperparameters import Settings

_SEED = 0
_PART = 4096  # rows whose distances are computed together: they stay in the processor's cache
Log = Callable[[str], None]


def fit(rows: Matrix, settings: Settings, on_epoch: Callable[[int], None], log: Log) -> Matrix:
    """Fit k centers to the rows; ``rows`` has at least k. The seed is 0."""
    random = np.random.default_rng(_SEED)
    many = min(len(rows), settings.k * settings.extra_center_factor)
    centers = _initial(rows, many, settings.init_method).astype(np.float64)
    weights = np.zeros(many)
    for epoch in range(settings.epochs):
        order = random.permutation(len(rows))
        for start in range(0, len(rows), settings.mini_batch_size):
            batch = rows[order[start : start + settings.mini_batch_size]]
            weights *= _decay(len(batch), settings.half_life_time_size)
            _follow(centers, weights, batch)
        on_epoch(epoch)
    return _reduced(centers, weights, settings, log)


def distances(rows: Matrix, centers: Matrix) -> tuple[npt.NDArray[np.intp], npt.NDArray[Any]]:
    """The index of the nearest center of each row, and the Euclidean distance to it."""
    nearest = np.zeros(len(rows), np.intp)
    least = np.full(len(rows), np.inf)
    for start in range(0, len(rows), _PART):
        part = slice(start, start + _PART)
        exact = rows[part].astype(np.float64)
        for number, center in enumerate(centers.astype(np.float64)):
            squares = ((exact - center) ** 2).sum(axis=1)
            closer = squares < least[part]
            nearest[part][closer] = number
            least[part][closer] = squares[closer]
    return nearest, np.sqrt(least)


def _initial(rows: Matrix, many: int, method: str) -> Any:
    if method == "kmeans++":
        from sageloop.local_cloud.images.kmeans.library import kmeans_plusplus

        return kmeans_plusplus(rows, many, random_state=_SEED)[0]
    return rows[np.random.default_rng(_SEED).choice(len(rows), many, replace=False)]


def _decay(points: int, half_life: int) -> float:
    return 1.0 if half_life == 0 else float(0.5 ** (points / half_life))


def _follow(centers: npt.NDArray[Any], weights: npt.NDArray[Any], batch: Matrix) -> None:
    """Move each center to the mean of all rows to which it was nearest."""
    nearest, _ = distances(batch, centers)
    counts = np.bincount(nearest, minlength=len(centers))
    sums = np.zeros_like(centers)
    np.add.at(sums, nearest, batch)
    assigned = counts > 0
    total = weights[assigned] + counts[assigned]
    centers[assigned] = (centers[assigned] * weights[assigned, None] + sums[assigned]) / total[
        :, None
    ]
    weights[assigned] = total


def _reduced(
    centers: npt.NDArray[Any], weights: npt.NDArray[Any], settings: Settings, log: Log
) -> Matrix:
    # Serving, and hosts that only send their rows, do not import scikit-learn.
    from sageloop.local_cloud.images.kmeans.library import KMeans

    best: Any = None
    used = weights > 0
    if used.sum() < settings.k:
        used[:] = True
    for trial in range(settings.local_lloyd_num_trials):
        lloyd = KMeans(
            settings.k,
            init="random" if settings.local_lloyd_init_method == "random" else "k-means++",
            n_init=1,
            max_iter=settings.local_lloyd_max_iter,
            tol=settings.local_lloyd_tol,
            random_state=_SEED + trial,
        ).fit(centers[used], sample_weight=np.maximum(weights[used], 1e-12))
        log(
            f"local kmeans attempt #{trial}. Current mean square distance "
            f"{lloyd.inertia_ / max(weights.sum(), 1e-12):.6f}"
        )
        if best is None or lloyd.inertia_ < best.inertia_:
            best = lloyd
    reduced: Matrix = best.cluster_centers_.astype(np.float32)
    return reduced
