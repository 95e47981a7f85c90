"""A shadow test: a challenger answers copies of the champion's requests, and is judged by them.

The figures are the errors of both on the same flights, the challenger's from captured answers only,
beside the same trees alone.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

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


@cache
def flights() -> dict[date, list[Flight]]:
    """All flights that are needed, by day."""
    return load(*LEARNED.values(), LATER)


def within(span: tuple[date, date]) -> list[Flight]:
    """The flights of a span of days."""
    return [f for day, each in flights().items() if span[0] <= day <= span[1] for f in each]


def build(folder: Path) -> None:
    """Make a folder for each model."""
    for name in LEARNED:
        keep(trees(name), folder / name.lower())


@cache
def trees(name: str) -> Any:
    """The trees of a model."""
    return learned(within(LEARNED[name]))


def run(stage: Stage) -> None:
    """Deploy, ask for a week, and judge both by what was captured."""
    later = within(LATER)
    batches = [later[start : start + AT_ONCE] for start in range(0, len(later), AT_ONCE)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with stage.step("train both models"):
            build(folder)
        stage.deploy(environment={"FLIGHTS_MODELS": str(folder)})
    with stage.step(f"ask {len(batches)} times"):
        answered = ask(stage, batches)
    with stage.step("wait for what is captured"):
        stage.cloud.settle()
        told = {name: captured(stage, name) for name in LEARNED}
    for name, answers in told.items():
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
    if any(answered[n] != told["Champion"][n] for n in range(len(batches))):
        raise ExampleFailedError("callers got something else than what was captured")
    report(stage, len(batches))


def ask(stage: Stage, batches: list[list[Flight]]) -> dict[int, list[float]]:
    """Send every request; what the callers got, all of it from the champion."""
    runtime, answers = stage.cloud.client("sagemaker-runtime"), {}
    for number, batch in enumerate(batches):
        answer = runtime.invoke_endpoint(
            EndpointName=ENDPOINT, ContentType="text/csv", Accept="text/csv",
            InferenceId=str(number), Body="\n".join(f.row() for f in batch),
        )  # fmt: skip
        if answer["InvokedProductionVariant"] != "Champion":
            raise ExampleFailedError(f"a caller was answered by {answer}")
        answers[number] = values(answer["Body"].read())
    return answers


def captured(stage: Stage, variant: str) -> dict[int, list[float]]:
    """What a variant answered, by the number of the request, from the store."""
    found = {}
    for line in lines(stage, f"capture/{ENDPOINT}/{variant}/"):
        data = line["captureData"]["endpointOutput"]
        coded = data["data"].encode()
        answer = base64.b64decode(coded) if data["encoding"] == "BASE64" else coded
        found[int(line["eventMetadata"]["inferenceId"])] = values(answer)
    return found


def lines(stage: Stage, prefix: str) -> Iterator[dict[str, Any]]:
    """Every captured line below a prefix."""
    s3, bucket = stage.cloud.client("s3"), stage.outputs["Bucket"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            yield from (json.loads(line) for line in body.splitlines())


def report(stage: Stage, sent: int) -> None:
    """What CloudWatch has of both."""
    facts = {}
    for name in LEARNED:
        readings = Readings(cloud=stage.cloud, endpoint=ENDPOINT, variant=name)
        facts[name] = {
            "invocations": int(readings.of("Invocations")),
            "mean_latency_ms": round(readings.of("ModelLatency", "Average") / 1000, 2),
            "failed": int(readings.of("Invocation5XXErrors")),
        }
    stage.note(requests={"sent": sent, "failed": 0}, variants=facts)
    for name, each in facts.items():
        stage.say(f"{name}: {each}")
    if any(each["invocations"] != sent for each in facts.values()):
        raise ExampleFailedError(f"{sent} were sent, CloudWatch has {facts}")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
