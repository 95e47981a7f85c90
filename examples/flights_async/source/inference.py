"""Minutes in the air, with the contribution of each feature."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import xgboost

FEATURES = 6


def model_fn(model_dir: str) -> xgboost.Booster:
    """Load the booster."""
    model = xgboost.Booster()
    model.load_model(Path(model_dir) / "flights.json")
    # One request at a time, which may use all cores of the instance.
    model.set_param({"nthread": 1})
    return model


def input_fn(body: str, content_type: str) -> np.ndarray:
    """Parse a day of flights, one a line: carrier, origin, destination, distance, hour, weekday."""
    if content_type != "text/csv":
        raise ValueError(f"flights must be text/csv, got {content_type}")
    for number, line in enumerate(body.splitlines(), start=1):
        count = line.count(",") + 1
        if count != FEATURES:
            raise ValueError(f"line {number} has {count} values, not {FEATURES}: {line!r}")
    return np.loadtxt(body.splitlines(), delimiter=",", dtype=np.float32, ndmin=2)


def predict_fn(flights: np.ndarray, model: xgboost.Booster) -> np.ndarray:
    """Predict the minutes of each flight, then its SHAP values, then the base value.

    SHAP values evaluate every tree for each subset of features, which makes a day an expensive
    request.
    """
    shares = model.predict(xgboost.DMatrix(flights), pred_contribs=True)
    return np.column_stack([shares.sum(axis=1), shares])


def output_fn(rows: np.ndarray, accept: str) -> tuple[str, str]:
    """Encode one line for each flight, whatever is accepted."""
    del accept
    text = io.StringIO()
    np.savetxt(text, rows, fmt="%.5f", delimiter=",")
    return text.getvalue(), "text/csv"
