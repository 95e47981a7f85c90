"""Runs examples one after another, each in a new local cloud."""

from __future__ import annotations

import tempfile
import time as wall
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sageloop.demo.cdk import DEPLOY_ALL, Cdk
from sageloop.examples.catalogue import Example
from sageloop.examples.figure import Figure, Outcome
from sageloop.examples.stage import Deploy, ExampleFailedError, Stage
from sageloop.local_cloud.client import LocalCloud, LocalCloudError


def run_example(
    example: Example, *, log: Callable[[str], None], deploy: Deploy | None = None
) -> Outcome:
    """Run one example in its own local cloud.

    Args:
        example: The example.
        log: Receives lines of progress.
        deploy: Deploys its app; by default with the CDK CLI.

    """
    outcome = Outcome(example=example.name)
    began = wall.monotonic()
    missing = example.missing()
    if missing:
        outcome.problem = "; ".join(missing)
        return outcome
    with tempfile.TemporaryDirectory(prefix="sageloop-example-") as folder:
        work = Path(folder)
        chosen = _with_the_cli(work) if deploy is None else deploy
        try:
            with LocalCloud.start(log=work / "cloud.log", warm=True) as cloud:
                stage = Stage(example.folder, cloud, outcome, deploy=chosen, log=log)
                _run(example, stage, cloud, outcome)
        except Exception as error:
            outcome.problem = f"{type(error).__name__}: {error}"
    outcome.seconds = round(wall.monotonic() - began, 2)
    if outcome.problem is None:
        outcome.problem = _denial(outcome.denied) or _fault(outcome.figures)
    outcome.ok = outcome.problem is None
    return outcome


def _run(example: Example, stage: Stage, cloud: LocalCloud, outcome: Outcome) -> None:
    try:
        example.function()(stage)
    finally:
        with suppress(LocalCloudError):  # the reason why it does not answer is what ended the run
            outcome.denied = cloud.denials()


def _denial(denied: list[str]) -> str | None:
    return f"access policies denied {len(denied)}: {denied[0]}" if denied else None


def _fault(figures: list[Figure]) -> str | None:
    if not figures:
        return "it reported no metric"
    wrong = [
        f"{f.name} is {f.value:g}, without SageMaker {f.outside:g}" for f in figures if not f.holds
    ]
    return "; ".join(wrong) if wrong else None


def _with_the_cli(work: Path) -> Deploy:
    bootstrapped = False

    def deploy(
        folder: Path, cloud: LocalCloud, environment: Mapping[str, str]
    ) -> dict[str, str]:  # fmt: skip
        nonlocal bootstrapped
        cdk = Cdk(folder, cloud, work=work, log=work / "cdk.log")
        first = [] if bootstrapped else [("bootstrap",)]
        for arguments in [*first, DEPLOY_ALL]:
            ended = cdk.run(*arguments, settings="prod", environment=environment)
            if ended.code != 0:
                last_lines = ended.output.strip().splitlines()[-12:]
                raise ExampleFailedError(
                    f"cdk {arguments[0]} ended with {ended.code}: {last_lines}"
                )
            bootstrapped = True
        return outputs(cloud)

    return deploy


def outputs(cloud: LocalCloud) -> dict[str, str]:
    """The outputs of all stacks."""
    stacks: dict[str, Any] = cloud.client("cloudformation").describe_stacks()
    return {
        output["OutputKey"]: output["OutputValue"]
        for stack in stacks["Stacks"]
        for output in stack.get("Outputs", [])
    }
