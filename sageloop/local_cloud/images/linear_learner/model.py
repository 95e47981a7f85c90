"""A trained linear model: scores, labels and its model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images import archive, linear_learner
from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.formats.rows import Answer
from sageloop.local_cloud.images.linear_learner import losses
from sageloop.local_cloud.images.linear_learner.hyperparameters import (
    BINARY,
    REGRESSOR,
)

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Model:
    """Coefficients for unscaled features."""

    kind: str
    link: str
    weights: Array
    bias: Array
    threshold: float

    def scores(self, rows: Matrix) -> Array:
        """Scores (rows x outputs): probabilities if the loss is logistic or softmax."""
        plain: Array = rows.astype(np.float64) @ self.weights + self.bias
        if self.link == "logistic":
            return losses.sigmoid(plain)
        return losses.softmax(plain) if self.link == "softmax" else plain

    def labels(self, scores: Array) -> Array:
        """The predicted class of each row of scores."""
        if self.kind == BINARY:
            return np.asarray(scores[:, 0] >= self.threshold, np.intp)
        return np.asarray(np.argmax(scores, axis=1))

    def answers(self, rows: Matrix) -> Sequence[Answer]:
        """Predictions in the format of AWS's responses."""
        scores = self.scores(rows)
        if self.kind == REGRESSOR:
            return [{"score": score} for score in scores[:, 0].tolist()]
        values = scores[:, 0].tolist() if self.kind == BINARY else scores.tolist()
        return [
            {"score": score, "predicted_label": label}
            for score, label in zip(values, self.labels(scores).tolist(), strict=True)
        ]

    def save(self, directory: Path) -> None:
        """Write the model file to a directory."""
        with (directory / linear_learner.MODEL_FILE).open("wb") as file:
            np.savez(
                file, format=np.array(linear_learner.MODEL_FORMAT), kind=np.array(self.kind),
                link=np.array(self.link), weights=self.weights, bias=self.bias,
                threshold=np.array(self.threshold),
            )  # fmt: skip


def load(directory: Path) -> Model:
    """Load the model of a directory. Raises :class:`ValueError` for another model format."""
    arrays = archive.load(directory / linear_learner.MODEL_FILE, linear_learner.MODEL_FORMAT)
    return Model(
        str(arrays["kind"]), str(arrays["link"]), arrays["weights"], arrays["bias"],
        float(arrays["threshold"]),
    )  # fmt: skip
