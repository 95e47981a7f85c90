"""Trees that say how long flights are in the air, for examples that are about something else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sageloop.demo.flights import Flight

_ROUNDS = 60
_SETTINGS = {"objective": "reg:squarederror", "max_depth": 6, "eta": 0.3, "seed": 7}


def learned(former: Sequence[Flight], *, features: int | None = None) -> Any:
    """A booster that learned from flights; the same ones make the same trees.

    ``features`` is how many of a flight's features it sees, from the first on; by default all.
    """
    import xgboost

    table = np.array([[f.minutes, *f.features[:features]] for f in former], dtype=np.float32)
    return xgboost.train(_SETTINGS, xgboost.DMatrix(table[:, 1:], label=table[:, 0]), _ROUNDS)


def keep(trees: Any, folder: Path) -> None:
    """Write a booster as the built-in algorithm leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "xgboost-model").write_bytes(bytes(trees.save_raw("ubj")))


def minutes(trees: Any, later: Sequence[Flight]) -> Any:
    """What a booster says of flights, without any cloud."""
    import xgboost

    rows = np.array([f.features for f in later], dtype=np.float32)
    return trees.predict(xgboost.DMatrix(rows))


def error(told: Any, later: Sequence[Flight]) -> float:
    """Mean absolute error in minutes."""
    return float(np.abs(np.asarray(told, dtype=float) - [f.minutes for f in later]).mean())


def values(answer: bytes) -> list[float]:
    """The numbers that the built-in algorithm answers as CSV."""
    return [float(value) for value in answer.decode().split(",")]
