"""A month of flights by an asynchronous endpoint: from no instance to several, and back to none.

The figure is the mean absolute error over the month, from the answers in the bucket, beside the
same trees alone.
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
# Virtual seconds a second: until several instances work, while they do, and while nothing is done.
WAITING, AT_WORK, IDLE = 240, 60, 900

Days = dict[date, list[Flight]]


@cache
def flights() -> Days:
    """The flights of both months by day."""
    return load(FORMER, MONTH)


def month() -> Days:
    """The flights to be scored by day."""
    return {day: each for day, each in flights().items() if day >= MONTH[0]}


def build(folder: Path) -> None:
    """Make the folder of a model: trees that learned from the month before."""
    import xgboost

    former = [f for day, each in flights().items() if day <= FORMER[1] for f in each]
    table = np.array([[f.minutes, *f.features] for f in former], dtype=np.float32)
    settings = {"objective": "reg:squarederror", "max_depth": 6, "eta": 0.1, "seed": 7}
    trees = xgboost.train(settings, xgboost.DMatrix(table[:, 1:], label=table[:, 0]), ROUNDS)
    folder.mkdir(parents=True, exist_ok=True)
    trees.save_model(folder / "flights.json")


def alone(folder: Path, days: Days) -> float:
    """The error of the trees without any cloud, asked for nothing but minutes."""
    import xgboost

    trees = xgboost.Booster()
    trees.load_model(folder / "flights.json")
    every = [f for each in days.values() for f in each]
    rows = np.array([f.features for f in every], dtype=np.float32)
    return error(trees.predict(xgboost.DMatrix(rows)), every)


def error(told: Any, every: list[Flight]) -> float:
    """Mean absolute error in minutes."""
    return float(np.abs(np.asarray(told, dtype=float) - [f.minutes for f in every]).mean())


def body(each: list[Flight]) -> bytes:
    """A day as it is delivered."""
    return "".join(f"{f.row()}\n" for f in each).encode()


@dataclass
class Desk:
    """Where days are handed in, and where notices of them come back.

    Attributes:
        sent: Requests so far.
        scored: Places of answers by day.
        failed: Notices of failures.

    """

    stage: Stage
    sent: int = 0
    scored: dict[date, str] = field(default_factory=dict)
    failed: list[dict[str, Any]] = field(default_factory=list)

    def hand_in(self, day: date, content: bytes) -> None:
        """Upload a day and have it scored, whenever that may be."""
        bucket, key = self.stage.outputs["Bucket"], f"to-score/{day}.csv"
        self.stage.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
        self.stage.cloud.client("sagemaker-runtime").invoke_endpoint_async(
            EndpointName=ENDPOINT, ContentType="text/csv", InputLocation=f"s3://{bucket}/{key}",
            InferenceId=str(day),
        )  # fmt: skip
        self.sent += 1

    def read_notices(self) -> None:
        """Take from both queues what has come."""
        for notice in self._received("ScoredNotices"):
            day = date.fromisoformat(notice["inferenceId"])
            self.scored[day] = notice["responseParameters"]["outputLocation"]
        self.failed += self._received("FailedNotices")

    def read(self, location: str) -> str:
        """An object as text."""
        bucket, _, key = location.removeprefix("s3://").partition("/")
        found = self.stage.cloud.client("s3").get_object(Bucket=bucket, Key=key)
        return str(found["Body"].read().decode())

    def minutes(self, day: date) -> Any:
        """The minutes of a day's flights, as the answer has them in its first column."""
        lines = self.read(self.scored[day]).splitlines()
        return np.loadtxt(lines, delimiter=",", usecols=0, ndmin=1)

    def _received(self, output: str) -> list[dict[str, Any]]:
        sqs, url = self.stage.cloud.client("sqs"), self.stage.outputs[output]
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]


def run(stage: Stage) -> None:
    """Deploy, wait for rest, hand a month in, hand in again what failed, wait for rest."""
    days = month()
    desk, capacity = Desk(stage), Capacity(cloud=stage.cloud, endpoint=ENDPOINT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with stage.step("train the trees"):
            build(folder)
        outside = alone(folder, days)
        stage.deploy(environment={"FLIGHTS_MODEL": str(folder)})
    idle = [rest(stage, capacity)]
    began = stage.cloud.time()
    with stage.step(f"score {len(days)} days"):
        score(desk, capacity, days)
    seconds = stage.cloud.time() - began
    idle.append(rest(stage, capacity))
    told = np.concatenate([desk.minutes(day) for day in days])
    stage.figure(
        Figure(
            name="mean absolute error over the month (minutes)",
            value=error(told, [f for each in days.values() for f in each]),
            outside=outside,
            tolerance=0.001,
            noise="rounding: shares of 32 bits that are added up; seed 7",
        )
    )
    tell(stage, desk, capacity, seconds=seconds, idle=idle)


def rest(stage: Stage, capacity: Capacity) -> float:
    """Let time go by until no instance is left; the virtual seconds that took."""
    stage.cloud.set_rate(IDLE)
    with stage.step("wait until no instance is left"):
        return capacity.await_zero()


def score(desk: Desk, capacity: Capacity, days: Days) -> None:
    """Hand in every day, one of them cut off; that one again as soon as its failure is told."""
    desk.stage.cloud.set_rate(WAITING)
    for day, each in days.items():
        content = body(each)
        desk.hand_in(day, content[: len(content) // 2] if day == CUT_OFF else content)

    def all_told() -> bool:
        if capacity.see() > 1:
            desk.stage.cloud.set_rate(AT_WORK)
        known = len(desk.failed)
        desk.read_notices()
        for notice in desk.failed[known:]:
            again = date.fromisoformat(notice["inferenceId"])
            desk.hand_in(again, body(days[again]))
        return set(desk.scored) == set(days)

    until("an answer for every day", all_told, seconds=180)


def tell(
    stage: Stage, desk: Desk, capacity: Capacity, *, seconds: float, idle: list[float]
) -> None:
    """Report what happened, and fail if it is not what was to happen."""
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
        raise ExampleFailedError(f"{CUT_OFF} alone was to fail: {desk.failed}")
    counts = [count for _, count in capacity.counts]
    if capacity.most < 2:
        raise ExampleFailedError(f"several instances were to work: {counts}")
    if counts.count(0) < 2 or counts[-1] != 0:
        raise ExampleFailedError(f"there was to be no instance before and after: {counts}")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
