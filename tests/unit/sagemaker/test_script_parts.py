"""Parts of script mode that need no cloud."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sageloop.local_cloud import images
from sageloop.local_cloud.images.frameworks import PYTORCH
from sageloop.local_cloud.images.script import (
    distribution,
    entry,
    environments,
    failures,
    training,
    variables,
)
from sageloop.local_cloud.images.script.entry import Kind

REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
PYTORCH_IMAGE = f"{REGISTRY}/pytorch-training:2.8.0-cpu-py312"
XGBOOST = f"{REGISTRY}/sagemaker-xgboost:1.7-1"


def job(hyperparameters: dict[str, str] | None = None, **algorithm: Any) -> dict[str, Any]:
    hyperparameters = {} if hyperparameters is None else hyperparameters
    return {"HyperParameters": hyperparameters, "AlgorithmSpecification": algorithm}


def read(tmp_path: Path, hyperparameters: dict[str, str], **resources: Any) -> training.Training:
    config = tmp_path / "input" / "config"
    config.mkdir(parents=True)
    cluster = {"current_host": "algo-1", "hosts": ["algo-1"]} | resources
    for name, content in {
        "hyperparameters": hyperparameters, "inputdataconfig": {}, "resourceconfig": cluster,
    }.items():  # fmt: skip
        (config / f"{name}.json").write_text(json.dumps(content))
    return training.read({"SAGEMAKER_BASE_DIR": str(tmp_path)})


def test_xgboost_image_runs_the_algorithm_without_a_program() -> None:
    built_in = images.training_command(XGBOOST, job({"num_round": "1"}))
    scripted = images.training_command(XGBOOST, job({"sagemaker_program": "train.py"}))

    assert built_in is not None
    assert built_in[-1].endswith("xgboost.train")
    assert scripted is not None
    assert scripted[-3:] == [
        "sageloop.local_cloud.images.script", "--framework=xgboost", "train",
    ]  # fmt: skip


def test_image_digest_is_accepted() -> None:
    image = f"{REGISTRY}/pytorch-training@sha256:{'0' * 64}"

    assert images.training_command(image) == images.training_command(PYTORCH_IMAGE)


def test_entry_point_is_used_for_known_images_only() -> None:
    request = job(ContainerEntrypoint=["/bin/bash"], ContainerArguments=["-c", "exit 3"])

    command = images.training_command(PYTORCH_IMAGE, request)

    assert command is not None
    assert command[-3:] == ["/bin/bash", "-c", "exit 3"]
    assert images.training_command("unknown/image:1", request) is None


def test_built_in_algorithms_have_metric_definitions() -> None:
    def names(image: str) -> set[str]:
        return {d["Name"] for d in images.metric_definitions(f"{REGISTRY}/{image}")}

    assert "validation:rmse" in names("sagemaker-xgboost:1.7-1")
    assert "test:msd" in names("kmeans:1")
    assert "validation:objective_loss" in names("linear-learner:1")
    assert names("pytorch-training:2.8.0") == set()


@pytest.mark.parametrize("name", ["", "/bin/sh", "-c", "../train.py", "a b.py", "x/./y.py", "a;b"])
def test_program_outside_the_source_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(failures.ClientError, match="sagemaker_program"):
        entry.checked(name, tmp_path)


def test_link_outside_the_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.py").symlink_to("/etc/passwd")

    with pytest.raises(failures.ClientError, match="leaves the source directory"):
        entry.checked("train.py", tmp_path)


def test_torch_job_gets_master_address_and_port(tmp_path: Path) -> None:
    hosts = ["algo-1", "algo-2"]
    settings = read(
        tmp_path, {"sagemaker_torch_distributed_enabled": "true"}, hosts=hosts,
        instance_groups=[{"instance_group_name": "homogeneousCluster", "hosts": hosts}],
    )  # fmt: skip
    environment = {
        "SAGELOOP_HOST_ADDRESSES": '{"algo-1": "127.0.0.1"}',
        "SAGELOOP_MASTER_PORT": "41234",
    }
    settings = replace(settings, environment=environment)

    program = distribution.Program("train.py", Kind.SCRIPT, ["--lr", "1"], "python")
    launch = distribution.launch(settings, program, PYTORCH)

    line = " ".join(launch.command)
    assert "--nnodes 2 --nproc_per_node 1 --master_addr 127.0.0.1 --master_port 41234" in line
    assert line.endswith("--node_rank 0 train.py --lr 1")


def test_hyperparameter_with_hyphen_is_set_in_both_spellings(tmp_path: Path) -> None:
    settings = read(tmp_path, {"a-b": "1", "a_b": "2"})

    environment_variables = variables.variables(settings)

    assert (environment_variables["SM_HP_A-B"], environment_variables["SM_HP_A_B"]) == ("1", "2")


def test_environment_name_depends_on_requirements(tmp_path: Path) -> None:
    def key(text: str) -> str:
        (tmp_path / "requirements.txt").write_text(text)
        return environments._key(Kind.SCRIPT, tmp_path)

    plain = key("tiny==1\n")
    (tmp_path / "train.py").write_text("print()")
    assert key("tiny==1\n") == plain
    assert key("tiny==2\n") != plain
    # Local files are part of the key if the requirements refer to a path.
    local = key("./tiny-1.whl\n")
    (tmp_path / "tiny-1.whl").write_text("other")
    assert key("./tiny-1.whl\n") != local


def test_overlay_environment_has_base_packages(tmp_path: Path) -> None:
    python = environments.overlay(tmp_path / "environment")

    prefix = subprocess.run(
        [python, "-c", "import sys, boto3; print(sys.prefix)"], capture_output=True, text=True,
        check=True,
    ).stdout.strip()  # fmt: skip

    assert prefix == str(tmp_path / "environment") != sys.prefix
