"""An A/B test: the weights of two production variants are shifted under traffic.

The metrics are the errors of both variants' responses, beside those of the same boosters.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any

from sageloop.demo.flights import Flight, load
from sageloop.examples.figure import Figure
from sageloop.examples.flight_trees import error, keep, learned, minutes, values
from sageloop.examples.readings import Readings
from sageloop.examples.stage import ExampleFailedError, Stage
from sageloop.examples.traffic import Traffic
from sageloop.waiting import until

ENDPOINT = "flights-ab"
LEARNED = {
    "Winter": (date(2013, 1, 1), date(2013, 2, 15)),
    "Spring": (date(2013, 2, 15), date(2013, 3, 31)),
}
LATER = (date(2013, 4, 1), date(2013, 4, 14))
AT_ONCE, REQUESTS = 25, 400
SHIFTS = ({"Winter": 0.5, "Spring": 0.5}, {"Winter": 0.0, "Spring": 1.0})


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


@dataclass
class Caller:
    """Invokes the endpoint with a few flights at a time, and records which variant responded."""

    stage: Stage
    batches: list[list[Flight]]
    counts: Counter[str] = field(default_factory=Counter)
    answers: dict[str, list[tuple[int, list[float]]]] = field(default_factory=dict)

    def invoke(self, times: int) -> Counter[str]:
        """Send ``times`` requests; returns the number of responses by variant."""
        runtime, counts = self.stage.cloud.client("sagemaker-runtime"), Counter[str]()
        for number in range(times):
            which = (sum(self.counts.values()) + number) % len(self.batches)
            body = "\n".join(f.row() for f in self.batches[which])
            answer = runtime.invoke_endpoint(
                EndpointName=ENDPOINT, ContentType="text/csv", Accept="text/csv", Body=body
            )
            name = answer["InvokedProductionVariant"]
            counts[name] += 1
            self.answers.setdefault(name, []).append((which, values(answer["Body"].read())))
        self.counts += counts
        return counts

    def errors(self, name: str) -> tuple[float, float]:
        """The error of a variant's responses, and that of the same booster on the same flights."""
        sent = [f for which, _ in self.answers[name] for f in self.batches[which]]
        predicted = [value for _, each in self.answers[name] for value in each]
        return error(predicted, sent), error(minutes(trees(name), sent), sent)


def run(stage: Stage) -> None:
    """Deploy, invoke, shift twice under traffic, and check that a deployment keeps the weights."""
    later = within(LATER)
    batches = [later[start : start + AT_ONCE] for start in range(0, len(later), AT_ONCE)]
    caller = Caller(stage, batches)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with stage.step("train both models"):
            build(folder)
        environment = {"FLIGHTS_MODELS": str(folder)}
        stage.deploy(environment=environment)
        with stage.step(f"send {REQUESTS} requests"):
            shares = [shares_of(caller.invoke(REQUESTS), {"Winter": 0.9, "Spring": 0.1})]
        traffic = []
        for weights in SHIFTS:
            traffic.append(shift(stage, caller, weights))
            with stage.step(f"send {REQUESTS} requests"):
                shares.append(shares_of(caller.invoke(REQUESTS), weights))
        stage.deploy(environment=environment)
    kept = weights_of(stage)
    if kept != SHIFTS[-1]:
        raise ExampleFailedError(f"the deployment reset the weights: {kept}")
    report(stage, caller, traffic, shares=shares, kept=kept)


def shift(stage: Stage, caller: Caller, weights: dict[str, float]) -> Traffic:
    """Change the weights of the variants while four clients send requests."""
    sagemaker = stage.cloud.client("sagemaker")
    bodies = ["\n".join(f.row() for f in each).encode() for each in caller.batches]
    traffic = Traffic(stage.cloud, ENDPOINT, bodies)
    text = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
    with stage.step(f"shift to {text}"), traffic.flowing():
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=ENDPOINT,
            DesiredWeightsAndCapacities=[
                {"VariantName": name, "DesiredWeight": weight} for name, weight in weights.items()
            ],
        )
        until("the new weights", lambda: weights_of(stage) == weights, seconds=60)
        until("requests since", lambda: traffic.sent >= 200, seconds=60)
    if traffic.failures:
        raise ExampleFailedError(f"{len(traffic.failures)} failed: {traffic.failures[0]}")
    return traffic


def weights_of(stage: Stage) -> dict[str, float] | None:
    """The current weights of the endpoint; None while it is being updated."""
    described = stage.cloud.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)
    if described["EndpointStatus"] != "InService":
        return None
    return {v["VariantName"]: float(v["CurrentWeight"]) for v in described["ProductionVariants"]}


def shares_of(counts: Counter[str], weights: dict[str, float]) -> dict[str, Any]:
    """Counts beside weights; fails if a share differs by four standard deviations."""
    total = sum(counts.values())
    for name, weight in weights.items():
        share = counts[name] / total
        if abs(share - weight) > 4 * sqrt(weight * (1 - weight) / total):
            raise ExampleFailedError(f"{name} has weight {weight}, and a share of {share:.3f}")
    return {"weights": weights, "answered": dict(counts)}


def report(
    stage: Stage, caller: Caller, traffic: list[Traffic], *, shares: list[dict[str, Any]],
    kept: dict[str, float],
) -> None:  # fmt: skip
    """Report the figures, and hold CloudWatch's counts against the callers'."""
    for name in LEARNED:
        value, outside = caller.errors(name)
        stage.figure(
            Figure(
                name=f"mean absolute error of {name} (minutes)",
                value=value,
                outside=outside,
                tolerance=0.0001,
                noise="rounding of 32-bit numbers; seed 7",
            )
        )
    stage.cloud.settle()
    answered = sum((each.answered for each in traffic), caller.counts)
    counted = {
        name: int(Readings(cloud=stage.cloud, endpoint=ENDPOINT, variant=name).of("Invocations"))
        for name in LEARNED
    }
    if counted != dict(answered):
        raise ExampleFailedError(f"CloudWatch counted {counted}, callers {dict(answered)}")
    sent = caller.counts.total() + sum(each.sent for each in traffic)
    failed = sum(len(each.failures) for each in traffic)
    stage.note(
        shares=shares,
        requests={"sent": sent, "failed": failed, "by_variant": counted},
        weights_after_unchanged_deploy=kept,
    )
    stage.say(f"{sent} requests, {failed} failed; by variant: {counted}")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
