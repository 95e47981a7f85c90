"""The stock AWS command line and boto3 ask every kind of endpoint of a local cloud."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kinds_stage import ENDPOINTS, KINDS, Kinds, every_kind
from toolkit_layout import ROOT

AWS = ROOT / ".venv-aws" / "bin" / "aws"
CLI = "fidelity: the AWS command line invokes every kind of endpoint"
BOTO3 = "fidelity: boto3 invokes every kind of endpoint"
OPTIONS = {
    "TargetVariant": "--target-variant",
    "TargetModel": "--target-model",
    "TargetContainerHostname": "--target-container-hostname",
    "InferenceComponentName": "--inference-component-name",
}


@pytest.fixture(scope="module")
def kinds() -> Iterator[Kinds]:
    with every_kind() as built:
        yield built


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "body.csv"
    path.write_text("x")
    return path


def aws(kinds: Kinds, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AWS, *arguments], env=kinds.cloud.environment(), capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip


def told(kinds: Kinds, *arguments: str) -> Any:
    done = aws(kinds, *arguments, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def command(require: Any) -> None:
    require(AWS)


@pytest.mark.feature(CLI)
@pytest.mark.usefixtures("command")
@pytest.mark.parametrize("kind", KINDS)
def test_command_line_invokes_the_endpoint(kinds: Kinds, kind: str, body: Path) -> None:
    members, expected = KINDS[kind]
    named = [part for key, value in members.items() for part in (OPTIONS[key], value)]
    answer = body.with_name("answer.csv")

    head = told(
        kinds, "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", ENDPOINTS[kind],
        "--content-type", "text/csv", "--body", f"fileb://{body}", *named, str(answer),
    )  # fmt: skip

    assert answer.read_text() == expected
    assert head["ContentType"].startswith("text/csv")
    assert head["InvokedProductionVariant"] in {"AllTraffic", "Winter", "Summer"}


@pytest.mark.feature("fidelity: the AWS command line queues a request and fetches its answer")
@pytest.mark.usefixtures("command")
def test_command_line_asks_an_asynchronous_endpoint(kinds: Kinds, body: Path) -> None:
    where = body.with_name("answer.csv")

    sent = aws(kinds, "s3", "cp", str(body), "s3://data/in/x.csv")
    assert sent.returncode == 0, sent.stderr
    queued = told(
        kinds, "sagemaker-runtime", "invoke-endpoint-async", "--endpoint-name", "asynchronous",
        "--content-type", "text/csv", "--input-location", "s3://data/in/x.csv",
    )  # fmt: skip
    kinds.cloud.settle()
    fetched = aws(kinds, "s3", "cp", queued["OutputLocation"], str(where))

    assert fetched.returncode == 0, fetched.stderr
    assert where.read_text() == "queued(x)"
    assert queued["FailureLocation"].startswith("s3://data/failed/")


@pytest.mark.feature("fidelity: errors of models read as on AWS")
@pytest.mark.usefixtures("command")
def test_command_line_tells_a_model_error(kinds: Kinds, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("wrong")

    done = aws(
        kinds, "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "real-time",
        "--content-type", "text/csv", "--body", f"fileb://{wrong}", str(tmp_path / "answer"),
    )  # fmt: skip

    assert done.returncode == 255
    said = done.stderr.strip()
    assert said.startswith(
        "An error occurred (ModelError) when calling the InvokeEndpoint operation: "
        'Received server error (500) from primary with message "<!doctype html>'
    ), said
    assert "/aws/sagemaker/Endpoints/real-time in account 123456789012" in said


@pytest.mark.usefixtures("command")
def test_command_line_tells_an_unknown_endpoint(kinds: Kinds, body: Path) -> None:
    done = aws(
        kinds, "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "nobody",
        "--body", f"fileb://{body}", str(body.with_name("answer")),
    )  # fmt: skip

    assert done.stderr.strip().startswith(
        "An error occurred (ValidationError) when calling the InvokeEndpoint operation: "
        "Endpoint nobody of account 123456789012 not found."
    ), done.stderr


@pytest.mark.usefixtures("command")
def test_command_line_describes_what_is_served(kinds: Kinds) -> None:
    kinds.cloud.client("cloudwatch").put_metric_alarm(
        AlarmName="slow", Namespace="AWS/SageMaker", MetricName="ModelLatency", Period=60,
        EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
        Statistic="Average",
    )  # fmt: skip

    described = told(kinds, "sagemaker", "describe-endpoint", "--endpoint-name", "real-time")
    alarms = told(kinds, "cloudwatch", "describe-alarms", "--query", "MetricAlarms[].AlarmName")

    assert described["EndpointStatus"] == "InService"
    weights = {v["VariantName"]: v["CurrentWeight"] for v in described["ProductionVariants"]}
    assert weights == {"Winter": 1.0, "Summer": 0.0}
    assert alarms == ["slow"]


@pytest.mark.feature(BOTO3)
def test_boto3_invokes_and_streams_every_kind(kinds: Kinds) -> None:
    requests = [
        {"EndpointName": ENDPOINTS[kind], "Body": "x", "ContentType": "text/csv", **members}
        for kind, (members, _) in KINDS.items()
    ]

    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("boto3_invokes.py"))],
        env=kinds.cloud.environment(), input=json.dumps(requests), capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    answers = dict(zip(KINDS, said["told"], strict=True))
    assert {kind: a["whole"] for kind, a in answers.items()} == {k: v[1] for k, v in KINDS.items()}
    whole_only = {"serverless", "multi-model"}
    assert {kind: a["stream"] for kind, a in answers.items()} == {
        kind: None if kind in whole_only else expected for kind, (_, expected) in KINDS.items()
    }
    assert answers["variants"]["variant"] == "Summer"
    kinds.cloud.settle()
    bucket, _, key = said["queued"].removeprefix("s3://").partition("/")
    assert kinds.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"queued(x)"
