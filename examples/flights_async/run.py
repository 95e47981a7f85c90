"""A month of flights by an asynchronous endpoint: from zero instances to several, and to zero.

The metric is the mean absolute error over the month, from the results in S3, beside that of the
same booster.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sageloop.demo.flights import Flight, load
from sageloop.examples.capacity import Capacity
from sageloop.examples.figure import Figure
from sageloop.examples.rollouts import clock_time
from sageloop.examples.stage import ExampleFailedError, Stage
from sageloop.waiting import until

ENDPOINT = "flights-async"
FORMER = (date(2013, 5, 1), date(2013, 5, 31))
MONTH = (date(2013, 6, 1), date(2013, 6, 30))
CUT_OFF = date(2013, 6, 15)
ROUNDS = 80
# Virtual seconds per second: until several instances run, while they run, and while idle.
WAITING, AT_WORK, IDLE = 240, 60, 900

Days = dict[date, list[Flight]]


@cache
def flights() -> Days:
    """The flights of both months by day."""
    return load(FORMER, MONTH)


def month() -> Days:
    """The flights to score, by day."""
    return {day: each for day, each in flights().items() if day >= MONTH[0]}


def build(folder: Path) -> None:
    """Create the folder of a model: a booster trained on the previous month."""
    import xgboost

    former = [f for day, each in flights().items() if day <= FORMER[1] for f in each]
    table = np.array([[f.minutes, *f.features] for f in former], dtype=np.float32)
    settings = {"objective": "reg:squarederror", "max_depth": 6, "eta": 0.1, "seed": 7}
    trees = xgboost.train(settings, xgboost.DMatrix(table[:, 1:], label=table[:, 0]), ROUNDS)
    folder.mkdir(parents=True, exist_ok=True)
    trees.save_model(folder / "flights.json")


def error_without_sagemaker(folder: Path, days: Days) -> float:
    """The error of the booster without a cloud."""
    import xgboost

    trees = xgboost.Booster()
    trees.load_model(folder / "flights.json")
    every = [f for each in days.values() for f in each]
    rows = np.array([f.features for f in every], dtype=np.float32)
    return error(trees.predict(xgboost.DMatrix(rows)), every)


def error(predicted: Any, every: list[Flight]) -> float:
    """Mean absolute error in minutes."""
    return float(np.abs(np.asarray(predicted, dtype=float) - [f.minutes for f in every]).mean())


def body(each: list[Flight]) -> bytes:
    """The flights of a day as a request body."""
    return "".join(f"{f.row()}\n" for f in each).encode()


@dataclass
class Desk:
    """Submits days and receives the notifications of their results.

    Attributes:
        sent: Number of requests.
        scored: Locations of results by day.
        failed: Notifications of errors.

    """

    stage: Stage
    sent: int = 0
    scored: dict[date, str] = field(default_factory=dict)
    failed: list[dict[str, Any]] = field(default_factory=list)

    def submit(self, day: date, content: bytes) -> None:
        """Upload a day and invoke the endpoint asynchronously."""
        bucket, key = self.stage.outputs["Bucket"], f"to-score/{day}.csv"
        self.stage.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
        self.stage.cloud.client("sagemaker-runtime").invoke_endpoint_async(
            EndpointName=ENDPOINT, ContentType="text/csv", InputLocation=f"s3://{bucket}/{key}",
            InferenceId=str(day),
        )  # fmt: skip
        self.sent += 1

    def read_notices(self) -> None:
        """Receive the notifications of both queues."""
        for notice in self._received("ScoredNotices"):
            day = date.fromisoformat(notice["inferenceId"])
            self.scored[day] = notice["responseParameters"]["outputLocation"]
        self.failed += self._received("FailedNotices")

    def read(self, location: str) -> str:
        """An object as text."""
        bucket, _, key = location.removeprefix("s3://").partition("/")
        stored = self.stage.cloud.client("s3").get_object(Bucket=bucket, Key=key)
        return str(stored["Body"].read().decode())

    def minutes(self, day: date) -> Any:
        """The minutes of a day's flights: the first column of its result."""
        lines = self.read(self.scored[day]).splitlines()
        return np.loadtxt(lines, delimiter=",", usecols=0, ndmin=1)

    def _received(self, output: str) -> list[dict[str, Any]]:
        sqs, url = self.stage.cloud.client("sqs"), self.stage.outputs[output]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]


def run(stage: Stage) -> None:
    """Deploy, wait for zero instances, submit a month, resubmit failures, wait for zero again."""
    days = month()
    desk, capacity = Desk(stage), Capacity(cloud=stage.cloud, endpoint=ENDPOINT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with stage.step("train the booster"):
            build(folder)
        outside = error_without_sagemaker(folder, days)
        stage.deploy(environment={"FLIGHTS_MODEL": str(folder)})
    idle = [rest(stage, capacity)]
    began = stage.cloud.time()
    with stage.step(f"score {len(days)} days"):
        score(desk, capacity, days)
    seconds = stage.cloud.time() - began
    idle.append(rest(stage, capacity))
    predicted = np.concatenate([desk.minutes(day) for day in days])
    stage.figure(
        Figure(
            name="mean absolute error over the month (minutes)",
            value=error(predicted, [f for each in days.values() for f in each]),
            outside=outside,
            tolerance=0.001,
            noise="rounding: shares of 32 bits that are added up; seed 7",
        )
    )
    report(stage, desk, capacity, seconds=seconds, idle=idle)


def rest(stage: Stage, capacity: Capacity) -> float:
    """Advance the clock until there is no instance; returns the elapsed virtual seconds."""
    stage.cloud.set_rate(IDLE)
    with stage.step("wait until there is no instance"):
        return capacity.await_zero()


def score(desk: Desk, capacity: Capacity, days: Days) -> None:
    """Submit every day, one of them truncated; resubmit it after the error notification."""
    desk.stage.cloud.set_rate(WAITING)
    for day, each in days.items():
        content = body(each)
        desk.submit(day, content[: len(content) // 2] if day == CUT_OFF else content)

    def all_notified() -> bool:
        if capacity.see() > 1:
            desk.stage.cloud.set_rate(AT_WORK)
        known = len(desk.failed)
        desk.read_notices()
        for notice in desk.failed[known:]:
            again = date.fromisoformat(notice["inferenceId"])
            desk.submit(again, body(days[again]))
        return set(desk.scored) == set(days)

    until("a result for every day", all_notified, seconds=180)


def report(
    stage: Stage, desk: Desk, capacity: Capacity, *, seconds: float, idle: list[float]
) -> None:
    """Report the events, and fail if one is missing."""
    activities = [f"{clock_time(m.at)} {m.text}" for m in capacity.activities()]
    facts: dict[str, Any] = {
        "requests": {
            "sent": desk.sent, "scored": len(desk.scored), "failed": len(desk.failed),
        },
        "failures": [
            {
                "day": notice["inferenceId"],
                "notice": notice["failureReason"],
                "file": desk.read(notice["responseParameters"]["failureLocation"]).splitlines()[0],
            }
            for notice in desk.failed
        ],
        "minutes_to_score": round(seconds / 60, 1),
        "minutes_until_none_left": [round(each / 60, 1) for each in idle],
        "instances": [f"{clock_time(at)} {count}" for at, count in capacity.counts],
        "most_instances": capacity.most,
        "largest_backlog": capacity.largest("ApproximateBacklogSize"),
        "largest_backlog_per_instance": capacity.largest("ApproximateBacklogSizePerInstance"),
        "activities": activities,
    }  # fmt: skip
    stage.note(**facts)
    for line in activities:
        stage.say(f"  {line}")
    stage.say(
        f"{desk.sent} requests: {len(desk.scored)} scored, {len(desk.failed)} failed, "
        f"by 0 to {capacity.most} instances"
    )
    _check(desk, capacity)


def _check(desk: Desk, capacity: Capacity) -> None:
    if [notice["inferenceId"] for notice in desk.failed] != [str(CUT_OFF)]:
        raise ExampleFailedError(f"{CUT_OFF} was expected as the only failure: {desk.failed}")
    counts = [count for _, count in capacity.counts]
    if capacity.most < 2:
        raise ExampleFailedError(f"expected several instances: {counts}")
    if counts.count(0) < 2 or counts[-1] != 0:
        raise ExampleFailedError(f"expected no instance before and after: {counts}")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
