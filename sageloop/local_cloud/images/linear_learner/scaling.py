"""Standardization of features and labels to mean 0 and deviation 1, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.linear_learner.hyperparameters import Settings

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Scaling:
    """Means to subtract and deviations to divide by; zeros and ones without scaling."""

    mean: Array
    deviation: Array
    label_mean: float
    label_deviation: float

    def rows(self, features: Matrix) -> Array:
        """Scaled features with a last column of ones for the bias."""
        made = np.empty((len(features), features.shape[1] + 1))
        np.subtract(features, self.mean, out=made[:, :-1])
        made[:, :-1] /= self.deviation
        made[:, -1] = 1.0
        return made

    def targets(self, labels: Matrix) -> Array:
        """Scaled labels."""
        scaled: Array = (labels.astype(np.float64) - self.label_mean) / self.label_deviation
        return scaled

    def back(self, coefficients: Array) -> tuple[Array, Array]:
        """Weights and bias for unscaled features and labels."""
        weights = coefficients[:-1] / self.deviation[:, None]
        bias = coefficients[-1] - self.mean @ weights
        return weights * self.label_deviation, bias * self.label_deviation + self.label_mean


def scaling(features: Matrix, labels: Matrix, settings: Settings) -> Scaling:
    """Compute the scaling of the settings from ``num_point_for_scaler`` evenly spaced rows."""
    count = min(len(features), settings.num_point_for_scaler)
    chosen = np.linspace(0, len(features) - 1, count).astype(np.intp)
    rows, targets = features[chosen].astype(np.float64), labels[chosen].astype(np.float64)
    columns = features.shape[1]
    return Scaling(
        rows.mean(axis=0) if settings.unbias_data else np.zeros(columns),
        _deviation(rows) if settings.normalize_data else np.ones(columns),
        float(targets.mean()) if settings.unbias_label else 0.0,
        float(_deviation(targets[:, None])[0]) if settings.normalize_label else 1.0,
    )


def _deviation(rows: Array) -> Array:
    deviation = rows.std(axis=0)
    return np.where(deviation > 0, deviation, 1.0)
