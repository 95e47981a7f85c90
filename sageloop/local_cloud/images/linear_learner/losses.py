"""Loss functions of scores and targets: their values and their gradients by the score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images.linear_learner.hyperparameters import Settings

Array = npt.NDArray[Any]
# Values (one a row) and gradients (in the scores' shape) of scores (rows x outputs) and targets.
Both = Callable[[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss function and the name of its objective in the log."""

    logged: str
    link: str
    both: Both


def loss_of(settings: Settings) -> Loss:
    """The loss function that the settings select, with its parameters."""
    eps, delta, q = settings.loss_insensitivity, settings.huber_delta, settings.quantile
    if settings.loss == "softmax_loss":
        return Loss("multiclass_cross_entropy_objective", "softmax", _softmax)
    if settings.loss == "logistic":
        return Loss("binary_classification_cross_entropy_objective", "logistic", _one(_logistic))
    of: dict[str, tuple[str, Callable[[Array, Array], tuple[Array, Array]]]] = {
        "hinge_loss": ("hinge_loss_objective", lambda s, y: _hinge(s, y, settings.margin)),
        "squared_loss": ("mse_objective", lambda s, y: ((s - y) ** 2, 2 * (s - y))),
        "absolute_loss": ("absolute_loss_objective", lambda s, y: (abs(s - y), np.sign(s - y))),
        "eps_insensitive_squared_loss": (
            "eps_insensitive_squared_loss_objective", lambda s, y: _dead_squared(s - y, eps),
        ),
        "eps_insensitive_absolute_loss": (
            "eps_insensitive_absolute_loss_objective", lambda s, y: _dead(s - y, eps),
        ),
        "quantile_loss": ("quantile_loss_objective", lambda s, y: _quantile(s - y, q)),
        "huber_loss": ("huber_loss_objective", lambda s, y: _huber(s - y, delta)),
    }  # fmt: skip
    logged, one = of[settings.loss]
    return Loss(logged, "identity", _one(one))


def sigmoid(scores: Array) -> Array:
    """1 / (1 + exp(-score)), without overflow."""
    shares: Array = np.exp(-np.logaddexp(0.0, -scores))
    return shares


def softmax(scores: Array) -> Array:
    """The softmax of each row."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _one(both: Both) -> Both:
    def of_column(scores: Array, targets: Array) -> tuple[Array, Array]:
        values, slopes = both(scores[:, 0], targets)
        return values, slopes[:, None]

    return of_column


def _logistic(scores: Array, targets: Array) -> tuple[Array, Array]:
    return np.logaddexp(0.0, scores) - targets * scores, sigmoid(scores) - targets


def _softmax(scores: Array, targets: Array) -> tuple[Array, Array]:
    shares, rows = softmax(scores), np.arange(len(scores))
    classes = targets.astype(np.intp)
    values = -np.log(np.maximum(shares[rows, classes], 1e-300))
    slopes = shares
    slopes[rows, classes] -= 1
    return values, slopes


def _hinge(scores: Array, targets: Array, margin: float) -> tuple[Array, Array]:
    signs = 2 * targets - 1
    short = margin - signs * scores
    return np.maximum(short, 0), np.where(short > 0, -signs, 0.0)


def _dead(error: Array, eps: float) -> tuple[Array, Array]:
    beyond = np.maximum(abs(error) - eps, 0)
    return beyond, np.sign(error) * (beyond > 0)


def _dead_squared(error: Array, eps: float) -> tuple[Array, Array]:
    beyond = np.maximum(abs(error) - eps, 0)
    return beyond**2, 2 * np.sign(error) * beyond


def _quantile(error: Array, q: float) -> tuple[Array, Array]:
    return np.where(error < 0, -q * error, (1 - q) * error), np.where(error < 0, -q, 1 - q)


def _huber(error: Array, delta: float) -> tuple[Array, Array]:
    near = abs(error) <= delta
    values = np.where(near, error**2 / 2, delta * (abs(error) - delta / 2))
    return values, np.clip(error, -delta, delta)
