"""A shadow test: a challenger receives copies of the champion's requests.

The metrics are the errors of both on the same flights, the challenger's from captured data only,
beside those of the same boosters. Then a challenger that fails does not affect callers.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import time as wall
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from botocore.exceptions import ClientError

from sageloop.demo.flights import Flight, load
from sageloop.examples.figure import Figure
from sageloop.examples.flight_trees import error, keep, learned, minutes, values
from sageloop.examples.readings import Readings
from sageloop.examples.stage import ExampleFailedError, Stage

ENDPOINT = "flights-shadow"
LEARNED = {
    "Champion": (date(2013, 1, 1), date(2013, 1, 31)),
    "Challenger": (date(2013, 2, 15), date(2013, 3, 31)),
}
LATER = (date(2013, 4, 1), date(2013, 4, 7))
AT_ONCE = 25
# Virtual seconds per second while the new fleet bakes.
RATE = 20
METRICS = ("Invocations", "InvocationModelErrors")


@cache
def flights() -> dict[date, list[Flight]]:
    """All required flights, by day."""
    return load(*LEARNED.values(), LATER)


def within(span: tuple[date, date]) -> list[Flight]:
    """The flights of a span of days."""
    return [f for day, each in flights().items() if span[0] <= day <= span[1] for f in each]


def build(folder: Path) -> None:
    """Create a folder for each model."""
    for name in LEARNED:
        keep(trees(name), folder / name.lower())


@cache
def trees(name: str) -> Any:
    """The booster of a model."""
    return learned(within(LEARNED[name]))


def unreadable(folder: Path) -> None:
    """Create a challenger without weekdays, the last column of every request.

    Missing columns would not fail: XGBoost treats them as missing values, as in AWS's container.
    """
    former = within(LEARNED["Challenger"])
    keep(learned(former, features=len(former[0].features) - 1), folder / "challenger")


@dataclass
class Callers:
    """The responses to callers by request number, and their latencies."""

    answers: dict[int, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)


def run(stage: Stage) -> None:
    """Deploy, send a week of flights, compare the captured data; then with a failing shadow."""
    later = within(LATER)
    batches = [later[start : start + AT_ONCE] for start in range(0, len(later), AT_ONCE)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {"FLIGHTS_MODELS": str(folder)}
        with stage.step("train both models"):
            build(folder)
        stage.deploy(environment=environment)
        first = send_all(stage, batches)
        compare(stage, batches, first)
        before = counts(stage)
        unreadable(folder)
        stage.cloud.set_rate(RATE)
        stage.deploy(environment=environment)
        stage.cloud.set_rate(1)
    second = send_all(stage, batches)
    stage.cloud.settle()
    after = counts(stage)
    if second.answers != first.answers:
        raise ExampleFailedError("a failing shadow changed the responses to callers")
    since = {name: {m: after[name][m] - before[name][m] for m in METRICS} for name in LEARNED}
    report(stage, {"a good challenger": (first, before), "one that fails": (second, since)})
    failed = {name: counted["InvocationModelErrors"] for name, counted in since.items()}
    if failed != {"Champion": 0, "Challenger": len(batches)}:
        raise ExampleFailedError(
            f"expected every request of the challenger to fail, and no other: {failed}"
        )


def compare(stage: Stage, batches: list[list[Flight]], callers: Callers) -> None:
    """Report the errors of both models from captured data."""
    later = [flight for batch in batches for flight in batch]
    with stage.step("wait for captured data"):
        stage.cloud.settle()
        responses = {name: captured(stage, name) for name in LEARNED}
    for name, answers in responses.items():
        if sorted(answers) != list(range(len(batches))):
            raise ExampleFailedError(f"of {len(batches)} requests {name} has {len(answers)}")
        stage.figure(
            Figure(
                name=f"mean absolute error of {name} (minutes)",
                value=error(np.concatenate([answers[n] for n in range(len(batches))]), later),
                outside=error(minutes(trees(name), later), later),
                tolerance=0.0001,
                noise="rounding of 32-bit numbers; seed 7",
            )
        )
    if callers.answers != responses["Champion"]:
        raise ExampleFailedError("responses to callers differ from captured ones")


def send_all(stage: Stage, batches: list[list[Flight]]) -> Callers:
    """Send every request; all responses come from the champion."""
    runtime, callers = stage.cloud.client("sagemaker-runtime"), Callers()
    with stage.step(f"send {len(batches)} requests"):
        for number, batch in enumerate(batches):
            began = wall.perf_counter()
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName=ENDPOINT, ContentType="text/csv", Accept="text/csv",
                    InferenceId=str(number), Body="\n".join(f.row() for f in batch),
                )  # fmt: skip
                predicted = values(answer["Body"].read())
            except ClientError as error:
                callers.failures.append(str(error))
                continue
            if answer["InvokedProductionVariant"] != "Champion":
                raise ExampleFailedError(f"a caller received a response of {answer}")
            callers.answers[number] = predicted
            callers.milliseconds.append((wall.perf_counter() - began) * 1000)
    if callers.failures:
        raise ExampleFailedError(f"{len(callers.failures)} failed: {callers.failures[0]}")
    return callers


def captured(stage: Stage, variant: str) -> dict[int, list[float]]:
    """The captured responses of a variant by request number."""
    answers = {}
    for line in lines(stage, f"capture/{ENDPOINT}/{variant}/"):
        data = line["captureData"]["endpointOutput"]
        coded = data["data"].encode()
        answer = base64.b64decode(coded) if data["encoding"] == "BASE64" else coded
        answers[int(line["eventMetadata"]["inferenceId"])] = values(answer)
    return answers


def lines(stage: Stage, prefix: str) -> Iterator[dict[str, Any]]:
    """Every captured line below a prefix."""
    s3, bucket = stage.cloud.client("s3"), stage.outputs["Bucket"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            yield from (json.loads(line) for line in body.splitlines())


def counts(stage: Stage) -> dict[str, dict[str, int]]:
    """CloudWatch's counts of each variant."""
    readings = {
        name: Readings(cloud=stage.cloud, endpoint=ENDPOINT, variant=name) for name in LEARNED
    }
    return {name: {m: int(each.of(m)) for m in METRICS} for name, each in readings.items()}


def report(stage: Stage, times: dict[str, tuple[Callers, dict[str, dict[str, int]]]]) -> None:
    """Report the results of callers beside CloudWatch's counts of both variants."""
    for beside, (callers, counted) in times.items():
        sent = len(callers.answers) + len(callers.failures)
        waited = round(median(callers.milliseconds), 2)
        requests = {"sent": sent, "failed": len(callers.failures), "median_ms": waited}
        stage.note(**{beside: {"requests": requests, "variants": counted}})
        stage.say(f"beside {beside}: {requests}, {counted}")
        if any(each["Invocations"] != sent for each in counted.values()):
            raise ExampleFailedError(f"{sent} requests were sent, CloudWatch counted {counted}")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
