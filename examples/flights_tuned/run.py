"""Flights by a tuned XGBoost: a Bayesian search over depth, learning rate and subsampling.

The metric is the error of the best trial on the last week of March, beside that of XGBoost without
SageMaker and with the hyperparameters of the best trial.
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


def error_without_sagemaker(train: bytes, later: bytes, hyperparameters: dict[str, str]) -> float:
    """The error of XGBoost without SageMaker, with hyperparameters."""
    import xgboost

    def matrix(body: bytes) -> xgboost.DMatrix:
        rows = np.loadtxt(body.decode().splitlines(), delimiter=",", dtype=np.float32)
        return xgboost.DMatrix(rows[:, 1:], label=rows[:, 0])

    settings = {
        "objective": "reg:squarederror", "eval_metric": "mae", "seed": 7,
        "max_depth": int(hyperparameters["max_depth"]), "eta": float(hyperparameters["eta"]),
        "subsample": float(hyperparameters["subsample"]),
    }  # fmt: skip
    history: dict[str, dict[str, list[float]]] = {}
    held_out = matrix(later)
    xgboost.train(
        settings, matrix(train), 60, evals=[(held_out, "validation")], evals_result=history,
        verbose_eval=False,
    )  # fmt: skip
    return history["validation"]["mae"][-1]


def run(stage: Stage) -> None:
    """Deploy, upload, wait for the tuning job that the upload starts, and compare."""
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
        raise ExampleFailedError(f"expected 12 completed trials, got {tried}")
    hyperparameters = best["TunedHyperParameters"]
    stage.figure(
        Figure(
            name="mean absolute error of the best trial (minutes)",
            value=float(best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]),
            outside=error_without_sagemaker(train, later, hyperparameters),
            tolerance=0.001,
            noise="rounding of the metric in the log; seed 7",
        )
    )
    stage.note(best=best["TrainingJobName"], hyperparameters=hyperparameters)
