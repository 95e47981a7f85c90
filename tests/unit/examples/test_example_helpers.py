"""What examples of serving share: archives, deployments with variables, what is told of them."""

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


def test_equal_files_make_equal_archives() -> None:
    files = {"code/inference.py": b"pass\n", "digits.npz": b"\0"}

    one, other = packed(files), packed(dict(reversed(files.items())))

    assert one == other
    with tarfile.open(fileobj=io.BytesIO(one)) as archive:
        assert archive.getnames() == sorted(files)


def test_variables_reach_the_deployment_and_its_outputs_come_back() -> None:
    seen: list[Mapping[str, str]] = []

    def deploy(_: Path, __: Any, variables: Mapping[str, str]) -> dict[str, str]:
        seen.append(variables)
        return {"Bucket": "data"}

    made = stage(deploy, outcome := Outcome(example="none"))

    assert made.deploy(environment={"MODEL": "old"}) == made.outputs == {"Bucket": "data"}
    made.deploy()
    assert seen == [{"MODEL": "old"}, {}]
    assert [step["name"] for step in outcome.steps] == ["deploy", "deploy"]


def test_a_deployment_that_fails_fails_the_example_with_its_reason() -> None:
    def deploy(*_: Any) -> dict[str, str]:
        raise DeploymentError("the endpoint rolled back")

    with pytest.raises(ExampleFailedError, match="the endpoint rolled back"):
        stage(deploy, Outcome(example="none")).deploy()


def test_moments_are_told_by_the_clock() -> None:
    assert clock_time(3661.9) == "01:01:01"
