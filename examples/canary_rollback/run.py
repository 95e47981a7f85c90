"""A canary that must be rolled back: an alarm detects a challenger with slow code.

The metric is the error of the endpoint's responses after the rollback, beside the error of the
first model without SageMaker.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sageloop.demo.flights import Flight, load
from sageloop.examples.figure import Figure
from sageloop.examples.readings import Readings
from sageloop.examples.rollouts import Moment, Watcher, clock_time
from sageloop.examples.stage import ExampleFailedError, Stage
from sageloop.examples.traffic import Traffic

ENDPOINT = "canary-rollback"
FORMER = (date(2013, 2, 1), date(2013, 2, 28))
LATER = (date(2013, 3, 1), date(2013, 3, 7))
ROUNDS = 60
AT_ONCE = 30
# The alarm's threshold, as in app.py.
SLOW_MS = 300
# Virtual seconds per second during a rollout.
RATE = 20


@cache
def flights(span: tuple[date, date]) -> list[Flight]:
    """The flights of a span of days."""
    days = load(FORMER, LATER)
    return [f for day, each in days.items() if span[0] <= day <= span[1] for f in each]


def build(folder: Path) -> None:
    """Create the folder of a model: the booster and its training flights."""
    import xgboost

    former = flights(FORMER)
    table = np.array([[f.minutes, *f.features] for f in former], dtype=np.float32)
    settings = {"objective": "reg:squarederror", "max_depth": 6, "eta": 0.3, "seed": 7}
    trees = xgboost.train(settings, xgboost.DMatrix(table[:, 1:], label=table[:, 0]), ROUNDS)
    folder.mkdir(parents=True, exist_ok=True)
    trees.save_model(folder / "flights.json")
    (folder / "former.csv").write_text("".join(f"{f.labelled()}\n" for f in former))


def error_without_sagemaker(folder: Path, later: Sequence[Flight]) -> float:
    """The error of the booster without a cloud."""
    import xgboost

    trees = xgboost.Booster()
    trees.load_model(folder / "flights.json")
    rows = np.array([f.features for f in later], dtype=np.float32)
    return error(trees.predict(xgboost.DMatrix(rows)), later)


def served(stage: Stage, later: Sequence[Flight]) -> float:
    """The error of the endpoint's responses."""
    runtime, predicted = stage.cloud.client("sagemaker-runtime"), []
    for body in bodies(later, 500):
        answer = runtime.invoke_endpoint(EndpointName=ENDPOINT, ContentType="text/csv", Body=body)
        predicted += json.loads(answer["Body"].read())
    return error(predicted, later)


def error(predicted: Any, later: Sequence[Flight]) -> float:
    """Mean absolute error in minutes."""
    return float(np.abs(np.asarray(predicted, dtype=float) - [f.minutes for f in later]).mean())


def bodies(later: Sequence[Flight], size: int) -> list[bytes]:
    """Flights as request bodies."""
    return [
        "".join(f"{f.row()}\n" for f in later[start : start + size]).encode()
        for start in range(0, len(later), size)
    ]


def run(stage: Stage) -> None:
    """Deploy the champion, then the challenger under traffic, and observe its rollback."""
    later = flights(LATER)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with stage.step("train the booster"):
            build(folder)
        environment = {"FLIGHTS_MODEL": str(folder), "FLIGHTS_VERSION": "champion"}
        stage.deploy(environment=environment)
        watcher = Watcher(stage.cloud, ENDPOINT, on=lambda text: _turn(stage, text))
        before = watcher.describe()["EndpointConfigName"]
        began = stage.cloud.time()
        traffic = Traffic(stage.cloud, ENDPOINT, bodies(later, AT_ONCE))
        slow = stage.step("deploy the challenger, which is rolled back")
        with traffic.flowing(), watcher.watching(), slow:
            text = refused(stage, {**environment, "FLIGHTS_VERSION": "challenger"})
        stage.cloud.set_rate(1)
        with stage.step("invoke the endpoint"):
            value = served(stage, later)
        outside = error_without_sagemaker(folder, later)
    stage.figure(
        Figure(
            name="mean absolute error after the rollback (minutes)",
            value=value,
            outside=outside,
            tolerance=0.0001,
            noise="rounding of 32-bit numbers; seed 7",
        )
    )
    report_rollback(stage, watcher, traffic, before=before, began=began, text=text)


def refused(stage: Stage, environment: dict[str, str]) -> str:
    """Deploy a version that is rolled back; returns the reason of the failed deployment."""
    try:
        stage.deploy(environment=environment)
    except ExampleFailedError as failed:
        # The endpoint's message within the output of the CDK CLI.
        match = re.search(r"endpoint \S+ rolled back: [^\"]*", str(failed))
        if match is None:
            raise
        return match[0].strip()
    raise ExampleFailedError("the challenger was deployed: no rollback occurred")


def _turn(stage: Stage, text: str) -> None:
    # The bake of ten minutes runs on a fast clock; instances start and stop in real time.
    stage.cloud.set_rate(RATE if "Baking" in text else 1)


def report_rollback(
    stage: Stage, watcher: Watcher, traffic: Traffic, *, before: str, began: float, text: str
) -> None:
    """Report the events of the rollback, and fail if one is missing."""
    described, trips = watcher.describe(), watcher.trips(began)
    after, offered = described["EndpointConfigName"], watcher.offered
    readings = Readings(cloud=stage.cloud, endpoint=ENDPOINT)
    if offered is None or not trips:
        raise ExampleFailedError(f"no rollout was observed, or no alarm went to ALARM: {text}")
    trip = trips[0]
    story = [*watcher.moments, Moment(at=trip.at, text=f"alarm {trip.alarm}: {trip.reason}")]
    lines = [f"{clock_time(m.at)} {m.text}" for m in sorted(story, key=lambda m: m.at)]
    facts: dict[str, Any] = {
        "endpoint_config": {"before": before, "after": after, "offered": offered},
        "rolled_back": after == before != offered,
        "why": f"alarm {trip.alarm}: {trip.reason}",
        "failure_reason": described.get("FailureReason"),
        "endpoint_status": described["EndpointStatus"],
        "deployment": text,
        "stack_status": _stack_status(stage),
        "requests": {
            "sent": traffic.sent,
            "failed": len(traffic.failures),
            "by_configuration": {
                config: int(readings.of("Invocations", config=config))
                for config in (before, offered)
            },
        },
        "mean_latency_ms": {
            config: round(readings.of("ModelLatency", "Average", config=config) / 1000, 1)
            for config in (before, offered)
        },
        "story": lines,
    }
    stage.note(**facts)
    for line in lines:
        stage.say(f"  {line}")
    _check(stage, facts, traffic)


def _stack_status(stage: Stage) -> str:
    (stack,) = stage.cloud.client("cloudformation").describe_stacks(StackName=ENDPOINT)["Stacks"]
    return str(stack["StackStatus"])


def _check(stage: Stage, facts: dict[str, Any], traffic: Traffic) -> None:
    counted = facts["requests"]["by_configuration"]
    configs = facts["endpoint_config"]
    if not counted[configs["offered"]]:
        raise ExampleFailedError(f"the canary received no traffic: {counted}")
    if not facts["rolled_back"] or facts["endpoint_status"] != "InService":
        raise ExampleFailedError(f"the challenger was not rolled back: {configs}")
    if facts["mean_latency_ms"][configs["offered"]] < SLOW_MS:
        raise ExampleFailedError(f"the canary was not the challenger: {facts['mean_latency_ms']}")
    if facts["stack_status"] != "UPDATE_ROLLBACK_COMPLETE":
        raise ExampleFailedError(f"the stack is {facts['stack_status']}")
    if traffic.failures:
        raise ExampleFailedError(f"{len(traffic.failures)} failed: {traffic.failures[0]}")
    stage.say(
        f"rolled back: {configs['before']} still serves, not {configs['offered']}, which had "
        f"answered {counted[configs['offered']]} of {traffic.sent} requests; none failed"
    )


if __name__ == "__main__":
    build(Path(sys.argv[1]))
