"""Parts of processing jobs that need no cloud."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sageloop.local_cloud.sagemaker.processing import program, requests
from sageloop.local_cloud.sagemaker.processing.layout import HostDirectory
from sageloop.local_cloud.sagemaker.processing.uploads import regular_files
from sageloop.local_cloud.sagemaker.training.cluster import HostPlan

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def test_entrypoint_replaces_program_and_keeps_arguments() -> None:
    specification = {
        "ImageUri": XGBOOST, "ContainerEntrypoint": ["python3", "/opt/ml/processing/x.py"],
        "ContainerArguments": ["--a"],
    }  # fmt: skip
    assert program.command_of(specification) == ["python3", "/opt/ml/processing/x.py", "--a"]
    assert program.command_of({"ImageUri": XGBOOST}) is None
    assert program.command_of(specification | {"ImageUri": "who/knows:1"}) is None


def test_command_line_is_relocated_without_mounts() -> None:
    command = ["python3", "/opt/ml/processing/x.py", "--in=/opt/ml", "/opt/mls", "/opt/ml"]
    assert program.relocated(command, Path("/job/ml")) == [
        "python3", "/job/ml/processing/x.py", "--in=/opt/ml", "/opt/mls", "/job/ml",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["python", "python3"])
def test_python_runs_the_local_interpreter(tmp_path: Path, name: str) -> None:
    interpreter = program.python_folder(tmp_path) / name
    result = subprocess.run(
        [str(interpreter), "-c", "import sys; print(sys.executable, sys.argv[1])", "a b"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.strip() == f"{sys.executable} a b"


def test_first_instance_preference_is_used() -> None:
    def instances_of_cluster(**cluster: object) -> tuple[str, int]:
        return requests.instances_of({"ProcessingResources": {"ClusterConfig": cluster}})

    assert instances_of_cluster(InstanceType="ml.m5.large") == ("ml.m5.large", 1)
    listed = [{"InstanceType": "ml.c5.xlarge"}, {"InstanceType": "ml.m5.large"}]
    assert instances_of_cluster(InstanceCount=3, InstancePreferences=listed) == ("ml.c5.xlarge", 3)


def test_exit_message_is_truncated_to_a_kilobyte(tmp_path: Path) -> None:
    directory = HostDirectory(HostPlan(1, "ml.m5.large", "g"), tmp_path)
    assert directory.message() == ""
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "message").write_text("x" * 3000)
    assert len(directory.message()) == 1024
    assert directory.path("/opt/ml/processing/a/b") == tmp_path / "processing" / "a" / "b"


def test_symbolic_links_are_not_uploaded(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "real").write_text("1")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "file-link").symlink_to("a/real")
    assert list(regular_files(tmp_path)) == [tmp_path / "a" / "real"]
