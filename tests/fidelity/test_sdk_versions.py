"""Both versions of the SageMaker SDK for Python, which know a local cloud by its variables."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients_stage import ENDPOINT, Stage, stage
from toolkit_layout import ROOT

V2 = "fidelity: the SageMaker SDK v2 uploads, trains, deploys and predicts"
V3 = "fidelity: the SageMaker SDK v3 uploads, lists and invokes"
BUCKET = "sagemaker-local-default"
ROLE = "arn:aws:iam::123456789012:role/serves"
TRAIN = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
given = parser.parse_args()
with open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "numbers.txt")) as file:
    numbers = [float(line) for line in file]
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as file:
    json.dump(sum(numbers) * given.epochs, file)
print("trained on", len(numbers))
"""
SERVE = """
import json, os

def model_fn(folder):
    with open(os.path.join(folder, "model.json")) as file:
        return json.load(file)

def predict_fn(rows, model):
    return rows * model
"""


@pytest.fixture(scope="module")
def made() -> Iterator[Stage]:
    with stage() as built:
        yield built


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "numbers.txt").write_text("1\n2\n6\n")
    return tmp_path


def call(made: Stage, require: Any, version: str, case: str, **given: str) -> Any:
    """Run a case by the Python of a version in the cloud's variables; its result and its output."""
    python = ROOT / f".venv-{version}" / "bin" / "python"
    require(python)
    program = str(Path(__file__).with_name(f"{version}_calls.py"))
    done = subprocess.run(
        [python, program, case, json.dumps(given)], env=made.variables, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert results, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    assert "telemetry" not in done.stderr
    return json.loads(results[0].removeprefix("RESULT ")), done.stdout


@pytest.mark.feature(V2)
def test_v2_names_the_account_and_the_role(made: Stage, require: Any) -> None:
    found, _ = call(made, require, "sdk2", "identity", role="serves")

    assert found == {"account": "123456789012", "region": "us-east-1", "role": ROLE}


@pytest.mark.feature(V2)
def test_v2_uploads_to_its_default_bucket(made: Stage, require: Any, folder: Path) -> None:
    found, _ = call(made, require, "sdk2", "bucket", folder=str(folder))

    assert found == {
        "bucket": BUCKET, "uri": f"s3://{BUCKET}/data/numbers.txt", "read": "1\n2\n6\n",
        "listed": [f"s3://{BUCKET}/folder/numbers.txt"],
    }  # fmt: skip


@pytest.mark.feature(V2)
def test_v2_predicts_by_an_endpoint_in_service(made: Stage, require: Any) -> None:
    found, _ = call(made, require, "sdk2", "predict", endpoint=ENDPOINT)

    assert found == {"answer": [["winter(x)"]], "names": [ENDPOINT]}


@pytest.mark.feature(V2)
def test_v2_fits_an_estimator_and_deploys_its_model(
    made: Stage, require: Any, folder: Path
) -> None:
    made.cloud.client("s3").put_object(Bucket="data", Key="train/numbers.txt", Body=b"1\n2\n6\n")
    (folder / "train.py").write_text(TRAIN)
    (folder / "serve.py").write_text(SERVE)

    fitted, output = call(
        made, require, "sdk2", "train", role=ROLE, script=str(folder / "train.py"),
        data="s3://data/train/",
    )  # fmt: skip
    served, _ = call(
        made, require, "sdk2", "deploy", role=ROLE, script=str(folder / "serve.py"),
        model=fitted["model"],
    )  # fmt: skip

    assert fitted["status"] == "Completed"
    assert "trained on 3" in output
    assert served["answer"] == [["18.0", "36.0"], ["54.0", "72.0"]]
    made.cloud.settle()
    left = made.cloud.client("sagemaker").list_endpoints()["Endpoints"]
    assert [endpoint["EndpointName"] for endpoint in left] == [ENDPOINT]


@pytest.mark.feature(V3)
def test_v3_uploads_to_its_default_bucket(made: Stage, require: Any, folder: Path) -> None:
    found, _ = call(made, require, "sdk", "bucket", folder=str(folder), role="serves")

    assert found == {
        "account": "123456789012", "region": "us-east-1", "role": ROLE, "bucket": BUCKET,
        "uri": f"s3://{BUCKET}/data/numbers.txt", "listed": ["data/numbers.txt"],
        "read": "1\n2\n6\n",
    }  # fmt: skip


@pytest.mark.feature(V3)
def test_v3_invokes_an_endpoint_in_service(made: Stage, require: Any) -> None:
    found, _ = call(made, require, "sdk", "invoke", endpoint=ENDPOINT)

    assert (found["answer"], found["names"]) == ("winter(x)", [ENDPOINT])
