"""Minutes in the air by a booster."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xgboost


def model_fn(model_dir: str) -> xgboost.Booster:
    """Load the booster."""
    model = xgboost.Booster()
    model.load_model(Path(model_dir) / "flights.json")
    return model


def input_fn(body: str, content_type: str) -> np.ndarray:
    """Parse flights, one a line: carrier, origin, destination, distance, hour, day of the week."""
    if content_type != "text/csv":
        raise ValueError(f"flights must be text/csv, got {content_type}")
    return np.loadtxt(body.splitlines(), delimiter=",", dtype=np.float32, ndmin=2)


def predict_fn(flights: np.ndarray, model: xgboost.Booster) -> list[float]:
    """Predict the minutes of each flight."""
    return model.predict(xgboost.DMatrix(flights)).tolist()


def output_fn(minutes: list[float], accept: str) -> tuple[str, str]:
    """Encode a JSON list, whatever is accepted."""
    del accept
    return json.dumps(minutes), "application/json"
