"""Flights by a tuned XGBoost: a Bayesian search over depth, learning rate and subsampling.

The figure is the error of the best trial on the last week of March, beside XGBoost alone with
the hyperparameters that the search came to.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from sageloop.demo.flights import load
from sageloop.examples.figure import Figure
from sageloop.examples.stage import ExampleFailedError, Stage

JOB = "flights-tuned"
DATA = "datasets/flights/"
TRAIN, LATER = (date(2013, 2, 1), date(2013, 3, 24)), (date(2013, 3, 25), date(2013, 3, 31))


def csv(span: tuple[date, date]) -> bytes:
    """The flights of a span of days, label first."""
    days = load(span).values()
    return "".join(f"{flight.labelled()}\n" for flights in days for flight in flights).encode()


def alone(train: bytes, later: bytes, found: dict[str, str]) -> float:
    """The error of XGBoost by itself with these hyperparameters."""
    import xgboost

    def matrix(body: bytes) -> xgboost.DMatrix:
        rows = np.loadtxt(body.decode().splitlines(), delimiter=",", dtype=np.float32)
        return xgboost.DMatrix(rows[:, 1:], label=rows[:, 0])

    settings = {
        "objective": "reg:squarederror", "eval_metric": "mae", "seed": 7,
        "max_depth": int(found["max_depth"]), "eta": float(found["eta"]),
        "subsample": float(found["subsample"]),
    }  # fmt: skip
    told: dict[str, dict[str, list[float]]] = {}
    held_out = matrix(later)
    xgboost.train(
        settings, matrix(train), 60, evals=[(held_out, "validation")], evals_result=told,
        verbose_eval=False,
    )  # fmt: skip
    return told["validation"]["mae"][-1]


def run(stage: Stage) -> None:
    """Deploy, upload, wait for the search that the data started, compare."""
    train, later = csv(TRAIN), csv(LATER)
    bucket = stage.deploy()["Bucket"]
    stage.upload(
        bucket,
        {
            f"{DATA}train/flights.csv": train,
            f"{DATA}validation/flights.csv": later,
            f"{DATA}ready": b"complete",
        },
    )
    search = stage.tuning_job(JOB)
    best = search["BestTrainingJob"]
    tried = search["TrainingJobStatusCounters"]["Completed"]
    if tried != 12:
        raise ExampleFailedError(f"12 trials were to complete, {tried} did")
    found = best["TunedHyperParameters"]
    stage.figure(
        Figure(
            name="mean absolute error of the best trial (minutes)",
            value=float(best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]),
            outside=alone(train, later, found),
            tolerance=0.001,
            noise="rounding of the metric in the log; seed 7",
        )
    )
    stage.note(best=best["TrainingJobName"], found=found)
