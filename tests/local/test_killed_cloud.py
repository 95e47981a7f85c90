"""A killed cloud leaves no process, at any moment."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from deployed import family, function_template, survivors
from process_stage import HIDE, Mark, create_function, create_role, mark
from script_stage import PYTORCH, script_job
from training_stage import BUCKET

from sageloop.local_cloud.client import LocalCloud

__all__ = ["mark"]

# A worker of torchrun already has its own session; this one hides in addition.
RANK = HIDE + "import signal, sys\nhide(sys.argv[-1])\nsignal.pause()\n"
BUSY = HIDE + "import signal\ndef handler(event, _):\n    hide(event['mark'])\n    signal.pause()\n"
CREATING = HIDE + (
    "import signal\ndef handler(event, _):\n"
    "    hide(event['ResourceProperties']['Mark'])\n    signal.pause()\n"
)


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    made = LocalCloud.start()
    yield made
    with suppress(ProcessLookupError):
        os.kill(pid_of(made), signal.SIGKILL)


def pid_of(cloud: LocalCloud) -> int:
    assert cloud.pid is not None
    return cloud.pid


def kill(cloud: LocalCloud, more: list[psutil.Process]) -> list[str]:
    """Kill the cloud's process; returns its descendants that still run a moment later."""
    everything = [*family(pid_of(cloud)), *more]
    os.kill(pid_of(cloud), signal.SIGKILL)
    return survivors(everything, seconds=30)


def in_background(call: Any, **members: Any) -> None:
    def run() -> None:
        with suppress(ClientError, BotoCoreError):
            call(**members)

    threading.Thread(target=run, daemon=True).start()


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.feature("faults: no process outlives a cloud that is killed")
def test_cloud_killed_during_torchrun_leaves_no_process(cloud: LocalCloud, mark: Mark) -> None:
    create_role(cloud)
    aws = SimpleNamespace(s3=cloud.client("s3"))
    aws.s3.create_bucket(Bucket=BUCKET)
    cloud.client("sagemaker").create_training_job(
        **script_job(
            aws,
            "job",
            {"train.py": RANK},
            image=PYTORCH,
            hyperparameters={"sagemaker_torch_distributed_enabled": True, "mark": mark.text},
        )
    )
    marked = mark.wait_for()

    assert kill(cloud, marked) == []


@pytest.mark.slow
@pytest.mark.feature("faults: no process outlives a cloud that is killed")
def test_cloud_killed_during_invocations_leaves_no_process(cloud: LocalCloud, mark: Mark) -> None:
    create_role(cloud)
    create_function(cloud, "busy", BUSY)
    for _ in range(20):
        in_background(
            cloud.client("lambda").invoke, FunctionName="busy",
            Payload=json.dumps({"mark": mark.text}),
        )  # fmt: skip
    marked = mark.wait_for(20)

    assert kill(cloud, marked) == []


@pytest.mark.slow
@pytest.mark.feature("faults: no process outlives a cloud that is killed")
def test_cloud_killed_during_a_deployment_leaves_no_process(cloud: LocalCloud, mark: Mark) -> None:
    token = {"Fn::GetAtt": ["Function", "Arn"]}
    custom = {"Type": "Custom::Slow", "Properties": {"ServiceToken": token, "Mark": mark.text}}
    cloud.client("cloudformation").create_stack(
        StackName="slow", TemplateBody=json.dumps(function_template(CREATING, Slow=custom)),
        Capabilities=["CAPABILITY_IAM"],
    )  # fmt: skip
    marked = mark.wait_for()

    assert kill(cloud, marked) == []


def supervisors(cloud: LocalCloud) -> list[psutil.Process]:
    """The outer and the inner supervisor."""
    (outer,) = psutil.Process(pid_of(cloud)).children()
    return [outer, next(p for p in outer.children() if p.cmdline() == outer.cmdline())]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [[0], [1], [0, 1]], ids=["outer", "inner", "both"])
def test_killed_supervisor_ends_its_processes_and_is_replaced(
    cloud: LocalCloud, mark: Mark, killed: list[int]
) -> None:
    create_role(cloud)
    create_function(cloud, "busy", BUSY)
    create_function(cloud, "echo", "def handler(event, _):\n    return event\n")
    client = cloud.client("lambda")
    in_background(client.invoke, FunctionName="busy", Payload=json.dumps({"mark": mark.text}))
    marked = mark.wait_for()
    everything = [p for p in family(pid_of(cloud)) if p.pid != cloud.pid]
    both = supervisors(cloud)

    for number in killed:
        # The end of one ends the other, which may be gone before it is killed.
        with suppress(psutil.NoSuchProcess):
            both[number].kill()

    assert survivors([*everything, *marked], seconds=30) == []
    answer = client.invoke(FunctionName="echo", Payload=b'"again"')
    assert answer["Payload"].read() == b'"again"'


@pytest.mark.slow
def test_stopped_cloud_leaves_no_process(cloud: LocalCloud, mark: Mark) -> None:
    create_role(cloud)
    create_function(cloud, "busy", BUSY)
    in_background(
        cloud.client("lambda").invoke, FunctionName="busy", Payload=json.dumps({"mark": mark.text})
    )
    marked = mark.wait_for()
    everything = [*family(pid_of(cloud)), *marked]

    cloud.stop()

    assert survivors(everything, seconds=5) == []
