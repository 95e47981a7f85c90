"""`sageloop train` as a command, with deployed functions and a real job, without the loop."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from deployed import ROOT, in_process
from roles import FUNCTION, JOB, LAMBDA, SAGEMAKER, actions_of, make_role, trust

from sageloop.local_cloud import images
from tests import forked

IMAGE, BUCKET = "own/manual:1", "manual"
ROLE = "arn:aws:iam::123456789012:role/manual"
PROGRAM = """
import json, os, pathlib, sys
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
given = json.loads((base / "input/config/hyperparameters.json").read_text())
print("loss=" + given["loss"], flush=True)
if given["loss"] == "nan":
    (base / "output/failure").write_text("the loss is not a number")
    sys.exit(1)
(base / "model/model.txt").write_text(given["loss"])
"""


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*.py")):
            archive.write(path, str(path.relative_to(folder)))
    return buffer.getvalue()


def document() -> dict[str, Any]:
    request = {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE, "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
        },
        "HyperParameters": {"loss": "0.25"},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "ResourceConfig": {
            "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1,
        },
        "RoleArn": ROLE,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }  # fmt: skip
    return {"job": "manual", "request": request, "data": None, "start_on_deploy": False}


def deploy(client: Any) -> None:
    """The resources of a job's stack that a manual start needs."""
    make_role(
        client("iam"), "manual", trust(LAMBDA, SAGEMAKER), *FUNCTION, *JOB,
        *actions_of("start_training", "on_job_change"),
    )  # fmt: skip
    client("s3").create_bucket(Bucket=BUCKET)
    client("dynamodb").create_table(
        TableName="state", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )  # fmt: skip
    text = json.dumps(document())
    client("dynamodb").put_item(
        TableName="state",
        Item={"id": {"S": "job#manual"}, "document": {"S": text}, "digest": {"S": "d"}},
    )
    functions = client("lambda")
    layer = functions.publish_layer_version(
        LayerName="runtime", Content={"ZipFile": zipped(ROOT / "lambda" / "layer")}
    )
    environment = {
        "STATE_TABLE": "state", "JOB": "manual", "COOLDOWN_SECONDS": "0", "MAX_ATTEMPTS": "1",
        "METRIC_NAMESPACE": "sageloop",
    }  # fmt: skip
    for name in ("start_training", "on_job_change"):
        made = functions.create_function(
            FunctionName=name, Runtime="python3.14", Handler="index.handler", Role=ROLE,
            Code={"ZipFile": zipped(ROOT / "lambda" / name)}, Timeout=60,
            Layers=[layer["LayerVersionArn"]], Environment={"Variables": environment},
        )  # fmt: skip
        if name == "start_training":
            client("ssm").put_parameter(
                Name="/sageloop/jobs/manual/start-function", Type="String",
                Value=made["FunctionArn"],
            )  # fmt: skip
            continue
        functions.add_permission(
            FunctionName=name, StatementId="rule", Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
        )  # fmt: skip
        pattern = {
            "source": ["aws.sagemaker"], "detail-type": ["SageMaker Training Job State Change"],
        }  # fmt: skip
        client("events").put_rule(Name="ended", EventPattern=json.dumps(pattern))
        client("events").put_targets(
            Rule="ended", Targets=[{"Id": "1", "Arn": made["FunctionArn"]}]
        )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    program = tmp_path_factory.mktemp("image") / "train.py"
    program.write_text(PROGRAM)
    images.register(IMAGE, training=[sys.executable, "-I", str(program)])
    with in_process() as (cloud, handle):
        deploy(handle.client)
        yield SimpleNamespace(
            cloud=cloud, handle=handle, folder=program.parent,
            environment=handle.access.write(program.parent / "access.json").environment(),
        )  # fmt: skip
    images.unregister(IMAGE)


def train(stack: SimpleNamespace, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    """The exit code, the output and the report."""
    report = stack.folder / "report.json"
    report.unlink(missing_ok=True)
    ended = forked.run(
        "sageloop", "train", *arguments, "--json", str(report), cwd=stack.folder,
        env=stack.environment | {"COLUMNS": "200"},
    )  # fmt: skip
    content = json.loads(report.read_text()) if report.exists() else {}
    return ended.returncode, ended.stdout + ended.stderr, content


@pytest.mark.slow
@pytest.mark.feature("lifecycle: manual start (sageloop train)")
def test_train_starts_a_job_waits_and_prints_its_metrics(stack: SimpleNamespace) -> None:
    code, output, report = train(stack, "manual", "--wait")

    assert code == 0, output
    assert f"training job {report['name']} started on ml.m5.large" in output
    assert "loss = 0.25" in output
    assert report["end"]["metrics"] == {"loss": 0.25}
    assert report["end"]["transitions"][-1] == "Completed"
    described = stack.handle.client("sagemaker").describe_training_job(
        TrainingJobName=report["name"]
    )
    assert described["TrainingJobStatus"] == "Completed"
    stack.handle.settle()
    row = stack.handle.client("dynamodb").get_item(
        TableName="state", Key={"id": {"S": f"result#{report['name']}"}}
    )["Item"]
    assert row["outcome"] == {"S": "completed"}


@pytest.mark.feature("lifecycle: failure reason reaches the user")
def test_train_exits_with_one_and_the_reason_of_a_failed_job(stack: SimpleNamespace) -> None:
    code, output, report = train(stack, "manual", "--follow", "-p", "loss=nan")

    assert code == 1, output
    assert "loss=nan" in output
    assert "AlgorithmError: the loss is not a number, exit code: 1" in output
    assert report["end"]["status"] == "Failed"
    stack.handle.settle()


def test_train_of_unknown_job_lists_declared_ones(stack: SimpleNamespace) -> None:
    code, output, report = train(stack, "absent")

    assert code == 2
    assert output.splitlines() == [
        "no job 'absent' (no parameter /sageloop/jobs/absent/start-function); declared jobs: manual"
    ]
    assert report == {}


def test_remote_address_and_malformed_pairs_are_refused(stack: SimpleNamespace) -> None:
    code, output, _ = train(stack, "manual", "--endpoint-url", "https://sagemaker.example.org")
    assert (code, "must be on this machine" in output) == (2, True)
    code, output, _ = train(stack, "manual", "-p", "loss")
    assert (code, output.strip()) == (2, "--hyperparameter 'loss': expected NAME=VALUE")
