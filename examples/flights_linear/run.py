"""Flights by a linear learner, the baseline for other models.

The metric is the root mean squared error on the last week of March, beside that of least squares
on the same rows.
"""

from __future__ import annotations

import math
from datetime import date

import numpy as np

from sageloop.demo.flights import Flight, load
from sageloop.examples.datasets import as_csv
from sageloop.examples.figure import Figure
from sageloop.examples.stage import Stage

JOB = "flights-linear"
DATA = "datasets/flights/"
TRAIN, TEST = (date(2013, 1, 1), date(2013, 3, 24)), (date(2013, 3, 25), date(2013, 3, 31))


def row(flight: Flight) -> list[float]:
    """The label, then the features of a linear model: distance, origin, time."""
    origin, distance, hour, weekday = flight.features[1], *flight.features[3:]
    return [flight.minutes, distance, hour, *(float(origin == n) for n in range(2)), weekday]


def table(span: tuple[date, date]) -> np.ndarray:
    """The rows of a span of days."""
    return np.array([row(flight) for flights in load(span).values() for flight in flights])


def run(stage: Stage) -> None:
    """Deploy, upload, wait for the job that the upload starts, and compare."""
    train, test = table(TRAIN), table(TEST)
    bucket = stage.deploy()["Bucket"]
    stage.upload(
        bucket,
        {
            f"{DATA}train/flights.csv": as_csv(train.tolist()),
            f"{DATA}test/flights.csv": as_csv(test.tolist()),
            f"{DATA}ready": b"complete",
        },
    )
    job = stage.training_job(JOB)
    ones = np.ones((len(train), 1))
    weights, *_ = np.linalg.lstsq(np.hstack([train[:, 1:], ones]), train[:, 0], rcond=None)
    answers = np.hstack([test[:, 1:], np.ones((len(test), 1))]) @ weights
    best = math.sqrt(float(np.mean((answers - test[:, 0]) ** 2)))
    stage.figure(
        Figure(
            name="root mean squared error on later days (minutes)",
            value=math.sqrt(stage.metric(job, "test:mse")),
            outside=best,
            tolerance=0.05 * best,
            noise="stopping point of the optimizer, at most a twentieth",
        )
    )
    stage.note(flights={"train": len(train), "test": len(test)})
