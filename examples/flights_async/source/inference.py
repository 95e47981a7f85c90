"""Minutes in the air, and what each feature has to do with them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import xgboost

FEATURES = 6


def model_fn(model_dir: str) -> xgboost.Booster:
    """The trees of a directory."""
    model = xgboost.Booster()
    model.load_model(Path(model_dir) / "flights.json")
    # One request at a time and instance, each on a core of its own.
    model.set_param({"nthread": 1})
    return model


def input_fn(body: str, content_type: str) -> np.ndarray:
    """A day of flights, one a line: carrier, origin, destination, distance, hour, weekday."""
    if content_type != "text/csv":
        raise ValueError(f"flights come as text/csv, got {content_type}")
    for number, line in enumerate(body.splitlines(), start=1):
        found = line.count(",") + 1
        if found != FEATURES:
            raise ValueError(f"line {number} has {found} values, not {FEATURES}: {line!r}")
    return np.loadtxt(body.splitlines(), delimiter=",", dtype=np.float32, ndmin=2)


def predict_fn(flights: np.ndarray, model: xgboost.Booster) -> np.ndarray:
    """Minutes of each flight, then each feature's share of them, then what all have in common.

    Shares (SHAP values) go through every tree once for each way a flight could have taken: that
    is what makes a day so much work.
    """
    shares = model.predict(xgboost.DMatrix(flights), pred_contribs=True)
    return np.column_stack([shares.sum(axis=1), shares])


def output_fn(told: np.ndarray, accept: str) -> tuple[str, str]:
    """One line for each flight, whatever is accepted."""
    del accept
    text = io.StringIO()
    np.savetxt(text, told, fmt="%.5f", delimiter=",")
    return text.getvalue(), "text/csv"
