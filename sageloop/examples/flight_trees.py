"""XGBoost models of flight times, for examples of other features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sageloop.demo.flights import Flight

_ROUNDS = 60
_SETTINGS = {"objective": "reg:squarederror", "max_depth": 6, "eta": 0.3, "seed": 7}


def learned(former: Sequence[Flight], *, features: int | None = None) -> Any:
    """Train a booster on flights, deterministically.

    ``features`` limits the features to the first ones; by default all are used.
    """
    import xgboost

    table = np.array([[f.minutes, *f.features[:features]] for f in former], dtype=np.float32)
    return xgboost.train(_SETTINGS, xgboost.DMatrix(table[:, 1:], label=table[:, 0]), _ROUNDS)


def keep(trees: Any, folder: Path) -> None:
    """Write a booster in the format of the built-in algorithm."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "xgboost-model").write_bytes(bytes(trees.save_raw("ubj")))


def minutes(trees: Any, later: Sequence[Flight]) -> Any:
    """Predictions of a booster for flights, without a cloud."""
    import xgboost

    rows = np.array([f.features for f in later], dtype=np.float32)
    return trees.predict(xgboost.DMatrix(rows))


def error(predicted: Any, later: Sequence[Flight]) -> float:
    """Mean absolute error in minutes."""
    return float(np.abs(np.asarray(predicted, dtype=float) - [f.minutes for f in later]).mean())


def values(answer: bytes) -> list[float]:
    """The predictions of the built-in algorithm's CSV response."""
    return [float(value) for value in answer.decode().split(",")]
