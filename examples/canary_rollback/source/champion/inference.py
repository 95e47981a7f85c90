"""Minutes in the air by boosted trees."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xgboost


def model_fn(model_dir: str) -> xgboost.Booster:
    """The trees of a directory."""
    model = xgboost.Booster()
    model.load_model(Path(model_dir) / "flights.json")
    return model


def input_fn(body: str, content_type: str) -> np.ndarray:
    """Flights, one a line: carrier, origin, destination, distance, hour, day of the week."""
    if content_type != "text/csv":
        raise ValueError(f"flights come as text/csv, got {content_type}")
    return np.loadtxt(body.splitlines(), delimiter=",", dtype=np.float32, ndmin=2)


def predict_fn(flights: np.ndarray, model: xgboost.Booster) -> list[float]:
    """Minutes of each flight."""
    return model.predict(xgboost.DMatrix(flights)).tolist()


def output_fn(minutes: list[float], accept: str) -> tuple[str, str]:
    """A JSON list, whatever is accepted."""
    del accept
    return json.dumps(minutes), "application/json"
