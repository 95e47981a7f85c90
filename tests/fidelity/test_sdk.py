"""The SageMaker SDK v3 trains, unmodified, in a local cloud that it knows by its variables."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kinds_stage import trust_of
from test_toolkit import wheel
from toolkit_layout import ROOT

from sageloop.local_cloud.client import LocalCloud

PYTHON = ROOT / ".venv-sdk" / "bin" / "python"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312"
SCRIPT = """
import argparse, json, os, sageloop_sdk_tiny, torch
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--learning-rate", type=float)
parser.add_argument("--shuffle")
given = parser.parse_args()
with open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "numbers.txt")) as file:
    numbers = torch.tensor([float(line) for line in file])
told = {"mean": numbers.mean().item(), "given": vars(given), "host": os.environ["SM_CURRENT_HOST"]}
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as file:
    json.dump(told, file)
"""


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as started:
        yield started


@pytest.mark.feature("fidelity: the SageMaker SDK trains unmodified")
def test_model_trainer_trains_a_script_on_the_local_cloud(
    cloud: LocalCloud, tmp_path: Path, require: Any
) -> None:
    require(PYTHON)
    name, source = "sageloop_sdk_tiny", tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text(SCRIPT)
    (source / "requirements.txt").write_text(f"./{name}-1.0-py3-none-any.whl\n")
    (source / f"{name}-1.0-py3-none-any.whl").write_bytes(wheel(name))
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="sagemaker-sdk-data")
    s3.put_object(Bucket="sagemaker-sdk-data", Key="train/numbers.txt", Body=b"1\n2\n6\n")
    iam = cloud.client("iam")
    trust = trust_of("sagemaker.amazonaws.com")
    role = iam.create_role(RoleName="sdk", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    full = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    iam.attach_role_policy(RoleName="sdk", PolicyArn=full)
    program = str(Path(__file__).with_name("sdk_trains.py"))

    done = subprocess.run(
        [PYTHON, program, IMAGE, role, str(source), "s3://sagemaker-sdk-data/train/", "sdk"],
        env=cloud.access.environment(inherited={}),
        capture_output=True, text=True, check=False, timeout=170,
    )  # fmt: skip

    # What the job installed is gone with it.
    assert importlib.util.find_spec(name) is None
    told = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    assert told, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    job = json.loads(told[0].removeprefix("TOLD "))
    assert job["status"] == "Completed"
    bucket, _, key = job["model"].removeprefix("s3://").partition("/")
    archive = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        model = json.loads(opened.extractfile("model.json").read())  # type: ignore[union-attr]
    given = {"epochs": 2, "learning_rate": 0.5, "shuffle": "true"}
    assert model == {"mean": 3.0, "given": given, "host": "algo-1"}
