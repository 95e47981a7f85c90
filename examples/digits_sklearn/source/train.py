"""Trains on digits and reports the accuracy on held-out ones."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.svm import SVC


def read(channel: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels (first column) and grey values of a channel's one CSV file."""
    (file,) = Path(os.environ[f"SM_CHANNEL_{channel}"]).glob("*.csv")
    table = np.loadtxt(file, delimiter=",")
    return table[:, 0].astype(int), table[:, 1:]


def main() -> None:
    """Train, report and save the model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-C", type=float, default=1.0)
    parser.add_argument("--gamma", type=float, default=0.1)
    arguments = parser.parse_args()
    labels, values = read("TRAIN")
    model = SVC(C=arguments.C, gamma=arguments.gamma).fit(values, labels)
    labels, values = read("TEST")
    print(f"test:accuracy={model.score(values, labels):.6f}", flush=True)
    joblib.dump(model, Path(os.environ["SM_MODEL_DIR"]) / "model.joblib")


if __name__ == "__main__":
    main()
