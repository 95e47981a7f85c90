"""Script mode on several hosts: torchrun, the data parallel library, TensorFlow's workers."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from script_stage import (  # noqa: F401 - fixtures are found by name
    PYTORCH,
    TENSORFLOW,
    script_job,
    world,
)
from training_stage import aws, files_in, messages, run  # noqa: F401

# Each rank adds its own number; all must receive the sum.
REDUCE = """
import json, os
import torch, torch.distributed as dist
{more}
dist.init_process_group("{backend}")
value = torch.tensor([dist.get_rank() + 1.0])
dist.all_reduce(value)
reported = {{"sum": value.item(), "world": dist.get_world_size(),
        "host": os.environ["SM_CURRENT_HOST"], "local": os.environ["LOCAL_RANK"],
        "args": __import__("sys").argv[1:]}}
print("rank", dist.get_rank(), json.dumps(reported), flush=True)
if dist.get_rank() == 0:
    with open(os.environ["SM_MODEL_DIR"] + "/reported.json", "w") as file:
        json.dump(reported, file)
dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.feature("training: PyTorch on several hosts with torchrun")
def test_torchrun_joins_two_hosts(aws: SimpleNamespace) -> None:
    made = script_job(
        aws, "job", {"train.py": REDUCE.format(backend="gloo", more="")}, image=PYTORCH, hosts=2,
        hyperparameters={"sagemaker_torch_distributed_enabled": True, "lr": 0.5},
    )  # fmt: skip

    job = run(aws, made)

    assert job.get("FailureReason") is None
    reported = json.loads(files_in(aws, "out/job/output/model.tar.gz")["reported.json"])
    assert reported == {
        "sum": 3.0,
        "world": 2,
        "host": "algo-1",
        "local": "0",
        "args": ["--lr", "0.5"],
    }
    assert any(line.startswith("rank 1") for line in messages(aws, "job", "algo-2"))


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.feature("training: SageMaker data parallel")
def test_data_parallel_library_is_replaced_by_gloo(aws: SimpleNamespace) -> None:
    more = "import smdistributed.dataparallel.torch.torch_smddp"
    made = script_job(
        aws, "job", {"train.py": REDUCE.format(backend="smddp", more=more)}, image=PYTORCH,
        hyperparameters={
            "sagemaker_distributed_dataparallel_enabled": True,
            "sagemaker_mpi_num_of_processes_per_host": 2,
        },
    )  # fmt: skip

    job = run(aws, made)

    assert job.get("FailureReason") is None
    reported = json.loads(files_in(aws, "out/job/output/model.tar.gz")["reported.json"])
    assert (reported["sum"], reported["world"]) == (3.0, 2)
    assert any("replaces SageMaker's data parallel" in m for m in messages(aws, "job"))


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.feature("training: PyTorch on several hosts with torchrun")
def test_failing_rank_fails_the_job_with_its_error(aws: SimpleNamespace) -> None:
    script = """
import os
if os.environ["SM_CURRENT_HOST"] == "algo-2":
    raise ValueError("host two has no data")
"""
    made = script_job(
        aws, "job", {"train.py": script}, image=PYTORCH, hosts=2,
        hyperparameters={"sagemaker_torch_distributed_enabled": True},
    )  # fmt: skip

    job = run(aws, made)

    assert job["TrainingJobStatus"] == "Failed"
    assert "ValueError: host two has no data" in job["FailureReason"]


@pytest.mark.frameworks
@pytest.mark.feature("training: TensorFlow on several workers")
def test_mirrored_workers_receive_the_cluster_configuration(aws: SimpleNamespace) -> None:
    script = "import os\nprint('TF_CONFIG', os.environ['TF_CONFIG'], flush=True)\n"
    made = script_job(
        aws, "job", {"train.py": script}, image=TENSORFLOW, hosts=2,
        hyperparameters={"sagemaker_multi_worker_mirrored_strategy_enabled": True},
    )  # fmt: skip

    run(aws, made)

    for index, host in enumerate(("algo-1", "algo-2")):
        line = next(m for m in messages(aws, "job", host) if m.startswith("TF_CONFIG "))
        config = json.loads(line.removeprefix("TF_CONFIG "))
        assert config["task"] == {"index": index, "type": "worker"}
        assert len(set(config["cluster"]["worker"])) == 2


# A minimal launcher: records which host starts it, with which command, and which hosts wait.
MPIRUN = """#!{python}
import os, subprocess, sys
if "--version" in sys.argv:
    sys.exit(print("a launcher of a test"))
count, command = int(sys.argv[2]), sys.argv[3:]
ranks = [subprocess.Popen(command, env=dict(os.environ, RANK=str(n))) for n in range(count)]
sys.exit(max(rank.wait() for rank in ranks))
"""


@pytest.fixture
def mpirun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mpirun"
    path.write_text(MPIRUN.format(python=sys.executable))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.feature("training: MPI")
@pytest.mark.usefixtures("mpirun")
def test_first_host_runs_mpi_for_all(aws: SimpleNamespace) -> None:
    script = "import os\nopen(os.environ['SM_MODEL_DIR'] + '/' + os.environ['RANK'], 'w')\n"
    hyperparameters = {"sagemaker_mpi_enabled": True, "sagemaker_mpi_num_of_processes_per_host": 2}

    job = run(
        aws, script_job(aws, "job", {"train.py": script}, hosts=2, hyperparameters=hyperparameters)
    )

    assert job.get("FailureReason") is None
    assert sorted(files_in(aws, "out/job/output/model.tar.gz")) == ["0", "1", "2", "3"]


@pytest.mark.feature("training: MPI")
@pytest.mark.usefixtures("mpirun")
def test_failing_process_of_mpi_fails_the_job(aws: SimpleNamespace) -> None:
    hyperparameters = {"sagemaker_mpi_enabled": True}

    made = script_job(aws, "job", {"train.py": "exit(3)"}, hosts=2, hyperparameters=hyperparameters)
    job = run(aws, made)

    assert job["TrainingJobStatus"] == "Failed"
    assert "ExecuteUserScriptError:\nExitCode 3" in job["FailureReason"]
