"""Script mode: user code in the framework images."""

from __future__ import annotations

import importlib.util
import json
import os
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from script_stage import (  # noqa: F401 - fixtures are found by name
    PYTORCH,
    SKLEARN,
    TENSORFLOW,
    script_job,
    sourcedir,
    world,
)
from training_stage import (  # noqa: F401 - fixtures are found by name
    BUCKET,
    XGBOOST,
    aws,
    channel,
    csv,
    files_in,
    messages,
    refusal,
    request,
    run,
)

from sageloop.local_cloud import images

DUMP = """
import json, os, sys
reported = {"env": dict(os.environ), "argv": sys.argv[1:], "cwd": os.getcwd()}
with open(os.path.join(os.environ["SM_MODEL_DIR"], "reported.json"), "w") as file:
    json.dump(reported, file)
"""


def reported(aws: SimpleNamespace, job: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        files_in(aws, f"out/{job}/output/model.tar.gz")["reported.json"]
    )
    return content


@pytest.mark.feature("training: custom code with scikit-learn")
def test_script_receives_hyperparameters_and_channels(aws: SimpleNamespace) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=csv(10))
    made = script_job(
        aws, "job", {"train.py": "import sklearn, helper\n" + DUMP, "helper.py": ""},
        hyperparameters={"lr": 0.1, "use-bias": True},
        InputDataConfig=[channel("train", "s3://training-tests/train/")],
    )  # fmt: skip

    job = run(aws, made)

    assert job["TrainingJobStatus"] == "Completed"
    dumped = reported(aws, "job")
    assert dumped["argv"] == ["--lr", "0.1", "--use-bias", "True"]
    assert dumped["cwd"].endswith("/code")
    assert json.loads(dumped["env"]["SM_HPS"]) == {"lr": 0.1, "use-bias": True}
    assert dumped["env"]["SM_HP_USE-BIAS"] == dumped["env"]["SM_HP_USE_BIAS"] == "true"
    assert dumped["env"]["SM_CHANNEL_TRAIN"].endswith("/input/data/train")


@pytest.mark.feature("training: XGBoost script mode")
def test_xgboost_image_runs_the_script_of_a_job(aws: SimpleNamespace) -> None:
    script = "import os, xgboost\nopen(os.environ['SM_MODEL_DIR'] + '/model', 'w').write('mine')\n"

    run(aws, script_job(aws, "job", {"train.py": script}, image=XGBOOST))

    assert files_in(aws, "out/job/output/model.tar.gz") == {"model": b"mine"}


@pytest.mark.frameworks
@pytest.mark.feature("training: failure reason reaches the user")
def test_error_of_a_pytorch_script_is_the_failure_reason(aws: SimpleNamespace) -> None:
    script = "raise ValueError('the column distance is not there')"

    job = run(aws, script_job(aws, "job", {"train.py": script}, image=PYTORCH))

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n")
    assert "ValueError: the column distance is not there" in job["FailureReason"]
    assert job["FailureReason"].endswith(", exit code: 1")


@pytest.mark.feature("training: code as a channel under network isolation")
def test_isolated_job_reads_its_code_from_a_channel(aws: SimpleNamespace) -> None:
    archive = sourcedir({"train.py": DUMP})
    aws.s3.put_object(Bucket=BUCKET, Key="isolated/sourcedir.tar.gz", Body=archive)
    made = request(
        "job", SKLEARN, EnableNetworkIsolation=True,
        InputDataConfig=[channel("code", "s3://training-tests/isolated/")],
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
        },
    )  # fmt: skip

    job = run(aws, made)

    assert job["TrainingJobStatus"] == "Completed"
    assert "AWS_ENDPOINT_URL" not in reported(aws, "job")["env"]


@pytest.mark.feature("training: code as a channel under network isolation")
def test_isolated_job_with_code_in_s3_fails_in_one_line(aws: SimpleNamespace) -> None:
    made = script_job(aws, "job", {"train.py": DUMP}, EnableNetworkIsolation=True)

    job = run(aws, made)

    assert job["TrainingJobStatus"] == "Failed"
    assert "its code must come as a channel" in job["FailureReason"]


@pytest.mark.feature("bad input: missing code")
def test_missing_archive_is_named_in_the_failure(aws: SimpleNamespace) -> None:
    made = script_job(aws, "job", {"train.py": DUMP})
    aws.s3.delete_object(Bucket=BUCKET, Key="code/sourcedir.tar.gz")

    job = run(aws, made)

    assert "s3://training-tests/code/sourcedir.tar.gz was refused: 404" in job["FailureReason"]


@pytest.mark.feature("training: stop with SIGTERM to the script")
def test_stopped_script_saves_its_model(aws: SimpleNamespace) -> None:
    script = """
import os, signal, sys
def save(*_):
    open(os.environ["SM_MODEL_DIR"] + "/part", "w").write("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("running", flush=True)
signal.pause()
"""
    made = script_job(aws, "job", {"train.py": script})
    made["StoppingCondition"] = {"MaxRuntimeInSeconds": 3}

    job = run(aws, made)

    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert files_in(aws, "out/job/output/model.tar.gz") == {"part": b"saved"}


@pytest.mark.feature("training: intermediate output")
def test_intermediate_output_is_uploaded_to_s3(aws: SimpleNamespace) -> None:
    script = """
import os
folder = os.environ["SM_OUTPUT_INTERMEDIATE_DIR"]
os.makedirs(folder + "/images", exist_ok=True)
open(folder + "/images/one.txt", "w").write("1")
"""
    hyperparameters = {"sagemaker_s3_output": "s3://training-tests/live"}

    run(aws, script_job(aws, "job", {"train.py": script}, hyperparameters=hyperparameters))

    key = "live/job/output/intermediate/images/one.txt"
    assert aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"1"


@pytest.mark.feature("training: script mode in a registered image")
def test_registered_image_supports_script_mode(aws: SimpleNamespace) -> None:
    images.register("own/toolkit:*", script_mode=True)
    try:
        job = run(aws, script_job(aws, "job", {"train.py": DUMP}, image="own/toolkit:1"))
    finally:
        images.unregister("own/toolkit:*")

    assert job["TrainingJobStatus"] == "Completed"


@pytest.mark.feature("bad input: framework that is not installed")
@pytest.mark.parametrize(
    ("image", "extra"),
    [(PYTORCH, "torch"), (TENSORFLOW, "tensorflow")],
    ids=["torch", "tensorflow"],
)
def test_missing_framework_is_refused_with_its_extra(
    aws: SimpleNamespace, image: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)

    code, message = refusal(aws, script_job(aws, "job", {"train.py": ""}, image=image))

    assert code == "ValidationException"
    assert f"pip install 'sageloop[{extra}]'" in message
    assert "\n" not in message
    assert aws.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []


@pytest.mark.feature("bad input: distribution without a local counterpart")
@pytest.mark.parametrize(
    ("hyperparameter", "named"),
    [
        ("sagemaker_parameter_server_enabled", "parameter servers"),
        ("sagemaker_pytorch_xla_multi_worker_enabled", "PyTorch/XLA"),
        ("sagemaker_mpi_enabled", "mpirun"),
    ],
)
def test_unsupported_distribution_is_refused_by_name(
    aws: SimpleNamespace, hyperparameter: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath if hyperparameter != "sagemaker_mpi_enabled" else "")

    made = script_job(aws, "job", {"train.py": ""}, hyperparameters={hyperparameter: True})
    code, message = refusal(aws, made)

    assert code == "ValidationException"
    assert named in message
    assert hyperparameter in message


def wheel(name: str) -> bytes:
    content, info = BytesIO(), f"{name}-1.0.dist-info"
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{name}.py", "VALUE = 42\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", tags)
        archive.writestr(f"{info}/RECORD", "")
    return content.getvalue()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SAGELOOP_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.slow
@pytest.mark.feature("training: requirements in a cached overlay environment")
def test_requirements_are_installed_once(aws: SimpleNamespace, cache: Path) -> None:
    name = "sageloop_tiny"
    files = {
        "train.py": f"import {name}, sklearn, sys\nprint('value', {name}.VALUE, sys.prefix)\n",
        "requirements.txt": f"./{name}-1.0-py3-none-any.whl\n",
        f"{name}-1.0-py3-none-any.whl": wheel(name),
    }

    statuses = [
        run(aws, script_job(aws, job, files))["TrainingJobStatus"] for job in ("job-1", "job-2")
    ]

    assert statuses == ["Completed", "Completed"]
    first, second = ("\n".join(messages(aws, job)) for job in ("job-1", "job-2"))
    assert f"value 42 {cache}" in first
    assert "Requirements: installed in" in first
    assert "is cached, nothing is installed" in second
    assert importlib.util.find_spec(name) is None


@pytest.mark.slow
@pytest.mark.feature("training: requirements in a cached overlay environment")
def test_concurrent_hosts_share_one_installation(aws: SimpleNamespace, cache: Path) -> None:
    name = "sageloop_shared"
    files = {
        "train.py": f"import {name}\n",
        "requirements.txt": f"./{name}-1.0-py3-none-any.whl\n",
        f"{name}-1.0-py3-none-any.whl": wheel(name),
    }

    job = run(aws, script_job(aws, "job", files, hosts=3))

    assert job["TrainingJobStatus"] == "Completed"
    assert len([p for p in (cache / "environments").iterdir() if p.is_dir()]) == 1
