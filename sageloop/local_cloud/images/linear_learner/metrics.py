"""Metrics of a linear model, and the threshold of a binary classifier's score.

https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images.linear_learner.hyperparameters import (
    BINARY,
    REGRESSOR,
    Settings,
)

Array = npt.NDArray[Any]
Metric = tuple[str, Literal["loss", "score"], float]


def of(settings: Settings, scores: Array, labels: Array, expected: Array) -> list[Metric]:
    """The metrics under their names in the log."""
    if settings.predictor_type == REGRESSOR:
        error = scores[:, 0] - expected
        return [
            ("mse", "loss", float(np.mean(error**2))),
            ("absolute_loss", "loss", float(np.mean(abs(error)))),
        ]
    if settings.predictor_type == BINARY:
        return _binary(settings, labels, expected)
    return _multiclass(settings, scores, labels, expected.astype(np.intp))


def threshold(settings: Settings, scores: Array, expected: Array, neutral: float) -> float:
    """The smallest score that is classified as 1, by the criterion of the settings."""
    criterion = settings.binary_classifier_model_selection_criteria
    if criterion == "loss_function" or len(np.unique(scores)) == 1:
        return neutral
    cuts, hits, false = _cuts(scores, expected)
    positives = max(float(expected.sum()), 1.0)
    precision = np.divide(hits, hits + false, out=np.ones_like(hits), where=hits + false > 0)
    recall = hits / positives
    if criterion == "accuracy":
        worth = hits - false
    elif criterion == "precision_at_target_recall":
        worth = np.where(recall >= settings.target_recall, precision, -1.0 + recall)
    elif criterion == "recall_at_target_precision":
        worth = np.where(precision >= settings.target_precision, recall, -1.0 + precision)
    else:
        worth = _f(precision, recall, settings.f_beta)
    best = np.flatnonzero(worth >= worth.max() - 1e-12)
    return float(cuts[best[np.argmin(abs(cuts[best] - neutral))]])


def _cuts(scores: Array, expected: Array) -> tuple[Array, Array, Array]:
    """Thresholds between distinct scores, with the true and false positives of each."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(expected[order], dtype=np.float64)
    false = np.arange(1, len(scores) + 1) - hits
    last = np.flatnonzero(np.diff(ranked))
    cuts = (ranked[last] + ranked[last + 1]) / 2
    none, all_ = np.nextafter(ranked[0], np.inf), ranked[-1]
    return (
        np.concatenate([[none], cuts, [all_]]),
        np.concatenate([[0.0], hits[last], hits[-1:]]),
        np.concatenate([[0.0], false[last], false[-1:]]),
    )


def _binary(settings: Settings, labels: Array, expected: Array) -> list[Metric]:
    precision, recall = _precision_recall(labels == 1, expected == 1)
    f = float(_f(np.float64(precision), np.float64(recall), settings.f_beta))
    return [
        ("binary_classification_accuracy", "score", float(np.mean(labels == expected))),
        (f"binary_f_{settings.f_beta:.3f}", "score", f),
        ("precision", "score", precision),
        ("recall", "score", recall),
    ]


def _multiclass(settings: Settings, scores: Array, labels: Array, expected: Array) -> list[Metric]:
    k = min(settings.accuracy_top_k, scores.shape[1])
    own = scores[np.arange(len(expected)), expected]
    rank = (scores > own[:, None]).sum(axis=1)
    pairs = [_precision_recall(labels == c, expected == c) for c in np.union1d(labels, expected)]
    precisions, recalls = np.array(pairs).T
    return [
        ("multiclass_accuracy", "score", float(np.mean(labels == expected))),
        (f"multiclass_top_k_accuracy_{settings.accuracy_top_k}", "score", float(np.mean(rank < k))),
        ("dcg", "score", float(np.mean(1 / np.log2(rank + 2)))),
        ("macro_recall", "score", float(recalls.mean())),
        ("macro_precision", "score", float(precisions.mean())),
        (
            f"macro_f_{settings.f_beta:.3f}", "score",
            float(_f(precisions, recalls, settings.f_beta).mean()),
        ),
    ]  # fmt: skip


def _precision_recall(predicted: Array, true: Array) -> tuple[float, float]:
    hits = float((predicted & true).sum())
    return hits / max(float(predicted.sum()), 1.0), hits / max(float(true.sum()), 1.0)


def _f(precision: Any, recall: Any, beta: float) -> Any:
    below = beta**2 * precision + recall
    return np.where(
        below > 0, (1 + beta**2) * precision * recall / np.where(below > 0, below, 1), 0
    )
