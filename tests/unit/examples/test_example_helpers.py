"""Helpers of the serving examples: archives, deployments with variables, and reports."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sageloop.examples.archives import packed
from sageloop.examples.figure import Outcome
from sageloop.examples.rollouts import clock_time
from sageloop.examples.stage import ExampleFailedError, Stage
from sageloop.local_cloud.assembly import DeploymentError


def stage(deploy: Any, outcome: Outcome) -> Stage:
    cloud: Any = None
    return Stage(Path("examples/none"), cloud, outcome, deploy=deploy, log=lambda _: None)


def test_equal_files_have_equal_archives() -> None:
    files = {"code/inference.py": b"pass\n", "digits.npz": b"\0"}

    one, other = packed(files), packed(dict(reversed(files.items())))

    assert one == other
    with tarfile.open(fileobj=io.BytesIO(one)) as archive:
        assert archive.getnames() == sorted(files)


def test_deployment_receives_variables_and_returns_outputs() -> None:
    received: list[Mapping[str, str]] = []

    def deploy(_: Path, __: Any, variables: Mapping[str, str]) -> dict[str, str]:
        received.append(variables)
        return {"Bucket": "data"}

    made = stage(deploy, outcome := Outcome(example="none"))

    assert made.deploy(environment={"MODEL": "old"}) == made.outputs == {"Bucket": "data"}
    made.deploy()
    assert received == [{"MODEL": "old"}, {}]
    assert [step["name"] for step in outcome.steps] == ["deploy", "deploy"]


def test_failed_deployment_fails_the_example_with_its_reason() -> None:
    def deploy(*_: Any) -> dict[str, str]:
        raise DeploymentError("the endpoint rolled back")

    with pytest.raises(ExampleFailedError, match="the endpoint rolled back"):
        stage(deploy, Outcome(example="none")).deploy()


def test_times_are_formatted_in_utc() -> None:
    assert clock_time(3661.9) == "01:01:01"
