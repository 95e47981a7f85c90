"""Processes of a job, an endpoint or a function end with it, and no others do."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from deployed import survivors
from hosting_stage import ROLE, Stage, opened, stage
from lambda_stage import Create, client, cloud, create, shared_cloud
from process_stage import HIDE, Mark, mark
from training_stage import aws, program, request, world

from sageloop.local_cloud import images

__all__ = [
    "aws", "client", "cloud", "create", "mark", "opened", "program", "shared_cloud", "stage",
    "world",
]  # fmt: skip

JOB = HIDE + "import signal\nhide('{mark}')\n{then}\n"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.pause()"


def start_job(aws: SimpleNamespace, image: str, name: str, **members: Any) -> None:
    aws.sagemaker.create_training_job(**request(name, image, **members))


@pytest.mark.feature("training: processes of a job end with it")
def test_stopped_job_ends_its_own_processes_only(
    aws: SimpleNamespace, program: Any, mark: Mark
) -> None:
    other = Mark()
    for name, marked in (("one", mark), ("other", other)):
        source = JOB.format(mark=marked, then="signal.pause()")
        start_job(aws, program(source, name), name)
    hidden, others = mark.wait_for(), other.wait_for()

    aws.sagemaker.stop_training_job(TrainingJobName="one")

    assert survivors(hidden) == []
    assert all(p.is_running() for p in others)
    aws.sagemaker.stop_training_job(TrainingJobName="other")
    assert survivors(others) == []
    assert aws.cloud.settle(60) == []


@pytest.mark.feature("training: processes of a job end with it")
def test_completed_job_leaves_no_process(aws: SimpleNamespace, program: Any, mark: Mark) -> None:
    image = program(JOB.format(mark=mark, then="print('done', flush=True)"))
    start_job(aws, image, "job")

    # The hidden process keeps the job's output open: the job ends only when it does.
    assert aws.cloud.settle(60) == []
    assert mark.processes() == []
    job = aws.sagemaker.describe_training_job(TrainingJobName="job")
    assert job["TrainingJobStatus"] == "Completed"


@pytest.mark.feature("training: processes of a job end with it")
def test_job_over_its_maximum_runtime_leaves_no_process(
    aws: SimpleNamespace, program: Any, mark: Mark
) -> None:
    image = program(JOB.format(mark=mark, then="signal.pause()"))
    start_job(aws, image, "job", StoppingCondition={"MaxRuntimeInSeconds": 1})

    assert aws.cloud.settle(60) == []
    assert mark.processes() == []


@pytest.mark.feature("serving: processes of a container end with it")
def test_deleted_endpoint_leaves_no_process(stage: Stage, mark: Mark, tmp_path: Path) -> None:
    server = Path(__file__).with_name("hosting_server.py")
    source = f"{HIDE}\nimport runpy\nhide('{mark}')\nrunpy.run_path({str(server)!r}, run_name='__main__')\n"  # fmt: skip # noqa: E501
    (tmp_path / "serve.py").write_text(source)
    images.register("own/hiding:1", serving=[sys.executable, "-IS", str(tmp_path / "serve.py")])
    try:
        container = {"Image": "own/hiding:1"}
        stage.sagemaker.create_model(
            ModelName="hiding", ExecutionRoleArn=ROLE, PrimaryContainer=container
        )
        stage.config("hiding", "hiding")
        stage.endpoint("hiding")
        hidden = mark.wait_for()
        stage.sagemaker.delete_endpoint(EndpointName=stage.name)
        assert survivors(hidden) == []
    finally:
        images.unregister("own/hiding:1")


FUNCTION = HIDE + "import time\ndef handler(event, _):\n    hide('{mark}')\n    time.sleep(event)\n"


@pytest.mark.feature("functions: processes of a function end with its environment")
def test_deleted_function_ends_its_own_processes_only(
    client: Any, create: Create, mark: Mark
) -> None:
    other = Mark()
    names = [create(FUNCTION.format(mark=each)) for each in (mark, other)]
    for name in names:
        client.invoke(FunctionName=name, Payload=b"0")
    hidden, others = mark.wait_for(), other.wait_for()

    client.delete_function(FunctionName=names[0])

    assert survivors(hidden) == []
    assert all(p.is_running() for p in others)
    client.delete_function(FunctionName=names[1])
    assert survivors(others) == []


@pytest.mark.feature("functions: processes of a function end with its environment")
def test_function_that_times_out_leaves_no_process(client: Any, create: Create, mark: Mark) -> None:
    name = create(FUNCTION.format(mark=mark), Timeout=1)

    client.invoke(FunctionName=name, Payload=b"60")

    assert survivors(mark.processes()) == []


def test_function_that_exits_leaves_no_process(client: Any, create: Create, mark: Mark) -> None:
    source = HIDE + f"def handler(event, _):\n    hide('{mark}')\n    os._exit(1)\n"

    client.invoke(FunctionName=create(source), Payload=b"{}")

    assert survivors(mark.processes()) == []


def test_running_processes_of_a_job_are_its_own(
    aws: SimpleNamespace, program: Any, mark: Mark
) -> None:
    start_job(aws, program(JOB.format(mark=mark, then="signal.pause()")), "job")
    (hidden,) = [p for p in mark.wait_for() if p.cmdline()[0] == "sleep"]
    ((pid, label),) = aws.cloud.processes.running().items()

    # Like a container's first process, it adopts orphans of its program.
    assert label == "training:job"
    assert pid in [parent.pid for parent in hidden.parents()]
    aws.sagemaker.stop_training_job(TrainingJobName="job")
    assert aws.cloud.settle(60) == []
