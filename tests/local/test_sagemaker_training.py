"""Training jobs: container contract, data, results and failures."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from training_stage import (  # noqa: F401 - fixtures are found by name
    BUCKET,
    aws,
    channel,
    csv,
    files_in,
    messages,
    program,
    request,
    run,
    world,
)

from sageloop.local_cloud.sagemaker import isolation


@pytest.mark.feature("training: XGBoost trains with the XGBoost library")
def test_xgboost_training_has_model_metrics_logs_and_events(aws: SimpleNamespace) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=csv(150))
    aws.s3.put_object(Bucket=BUCKET, Key="train/more/b.csv", Body=csv(150, 150))
    aws.s3.put_object(Bucket=BUCKET, Key="validation/c.csv", Body=csv(50, 20))
    parameters = {"num_round": "12", "eta": "0.5", "max_depth": "4", "eval_metric": "mae"}
    channels = [channel(n, f"s3://training-tests/{n}/") for n in ("train", "validation")]
    spec = request(
        "job-1", HyperParameters=parameters, InputDataConfig=channels,
        Tags=[{"Key": "team", "Value": "ml"}],
    )  # fmt: skip

    job = run(aws, spec)

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    transitions = [t["Status"] for t in job["SecondaryStatusTransitions"]]
    assert transitions == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(t["EndTime"] >= t["StartTime"] for t in job["SecondaryStatusTransitions"])
    final = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    assert final.keys() == {"train:mae", "validation:mae"}
    assert job["BillableTimeInSeconds"] >= 1
    assert (
        job["ModelArtifacts"]["S3ModelArtifacts"]
        == "s3://training-tests/out/job-1/output/model.tar.gz"
    )
    assert files_in(aws, "out/job-1/output/model.tar.gz").keys() == {"xgboost-model"}
    lines = messages(aws, "job-1")
    assert any(line.startswith("[11]#011train-mae:") for line in lines)
    published = [s for s in aws.metrics.samples if s[1] == "validation:mae"]
    assert len(published) == 12
    assert published[0][3] == {"TrainingJobName": "job-1"}
    sent = [d for kind, d, _ in aws.events.sent if kind == "SageMaker Training Job State Change"]
    assert [d["SecondaryStatus"] for d in sent] == transitions
    assert sent[-1]["FailureReason"] is None
    assert isinstance(sent[-1]["CreationTime"], int)
    assert sent[-1]["Tags"] == {"team": "ml"}


def test_s3_is_accessed_with_the_execution_role(aws: SimpleNamespace, program: Any) -> None:
    image = program("")
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=b"1,2\n")

    run(
        aws, request("job", image, InputDataConfig=[channel("train", "s3://training-tests/train/")])
    )

    for action in ("s3:GetObject", "s3:PutObject"):
        by = {c.principal for c in aws.cloud.recorder.calls(after=aws.started, action=action)}
        assert any("assumed-role/training-tests/" in principal for principal in by)


CONTRACT = """
import json, os, pathlib
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
config = base / "input/config"
contract = {p.stem: json.loads(p.read_text()) for p in config.iterdir()}
contract["files"] = sorted(str(p.relative_to(base)) for p in (base / "input/data").rglob("*.*"))
contract["env"] = dict(os.environ)
contract["base"] = str(base)
(base / "model/contract.json").write_text(json.dumps(contract))
(base / "output/data/extra.txt").write_text("kept")
"""


@pytest.mark.feature("training: container's directories, files and environment")
def test_container_contract_is_provided(aws: SimpleNamespace, program: Any) -> None:
    image = program(CONTRACT)
    aws.s3.put_object(Bucket=BUCKET, Key="set/train/x/a.csv", Body=b"1")
    spec = request(
        "job", image, HyperParameters={"lr": "0.1"}, Environment={"STAGE": "dev"},
        InputDataConfig=[channel("train", "s3://training-tests/set/train")],
    )  # fmt: skip

    run(aws, spec)

    contract = json.loads(files_in(aws, "out/job/output/model.tar.gz")["contract.json"])
    assert files_in(aws, "out/job/output/output.tar.gz") == {"extra.txt": b"kept"}
    assert contract["hyperparameters"] == {"lr": "0.1"}
    assert contract["inputdataconfig"]["train"]["ContentType"] == "text/csv"
    assert contract["resourceconfig"]["hosts"] == ["algo-1"]
    assert contract["files"] == ["input/data/train/x/a.csv"]
    assert contract["env"]["TRAINING_JOB_NAME"] == "job"
    assert contract["env"]["STAGE"] == "dev"
    assert contract["env"]["AWS_ACCESS_KEY_ID"].startswith("LKIA")


@pytest.mark.feature("training: fallback without user namespaces")
def test_base_directory_is_a_variable_without_mounts(
    aws: SimpleNamespace, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = program(CONTRACT)
    monkeypatch.setattr(isolation, "available", lambda: False)
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=b"1")

    data = [channel("train", "s3://training-tests/train/")]
    run(aws, request("job", image, InputDataConfig=data))

    contract = json.loads(files_in(aws, "out/job/output/model.tar.gz")["contract.json"])
    assert contract["base"] == contract["env"]["SAGEMAKER_BASE_DIR"]
    assert contract["env"]["SM_CHANNEL_TRAIN"] == f"{contract['base']}/input/data/train"


@pytest.mark.feature("training: isolated containers have no credentials")
def test_isolated_container_has_no_credentials(aws: SimpleNamespace, program: Any) -> None:
    image = program(CONTRACT)

    run(aws, request("job", image, EnableNetworkIsolation=True))

    env = json.loads(files_in(aws, "out/job/output/model.tar.gz")["contract.json"])["env"]
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"} & env.keys()


@pytest.mark.feature("training: manifest")
def test_manifest_channel_is_downloaded(aws: SimpleNamespace, program: Any) -> None:
    image = program(CONTRACT)
    for name in ("a.csv", "sub/b.csv", "not-listed.csv"):
        aws.s3.put_object(Bucket=BUCKET, Key=f"all/{name}", Body=b"1")
    manifest = [{"prefix": "s3://training-tests/all/"}, "a.csv", "sub/b.csv"]
    aws.s3.put_object(Bucket=BUCKET, Key="manifest", Body=json.dumps(manifest).encode())
    data = channel("train", "s3://training-tests/manifest", S3DataType="ManifestFile")

    run(aws, request("job", image, InputDataConfig=[data]))

    contract = json.loads(files_in(aws, "out/job/output/model.tar.gz")["contract.json"])
    assert contract["files"] == ["input/data/train/a.csv", "input/data/train/sub/b.csv"]


@pytest.mark.feature("training: failure file and exit code as the reason")
def test_failure_file_becomes_the_failure_reason(aws: SimpleNamespace, program: Any) -> None:
    image = program(
        "import os, pathlib, sys\n"
        "base = pathlib.Path(os.environ.get('SAGEMAKER_BASE_DIR', '/opt/ml'))\n"
        "(base / 'output/failure').write_text('the data is\\nbad ' + 'x' * 2000)\n"
        "sys.exit(3)\n"
    )

    job = run(aws, request("job", image))

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: the data is\nbad xxx")
    assert job["FailureReason"].endswith(", exit code: 3")
    assert len(job["FailureReason"]) <= 1024
    assert "ModelArtifacts" not in job
    assert aws.cloud.processes.running() == {}


def test_failure_without_failure_file_has_the_exit_code(aws: SimpleNamespace, program: Any) -> None:
    job = run(aws, request("job", program("raise SystemExit(3)")))

    assert job["FailureReason"] == "AlgorithmError: , exit code: 3"


def test_channel_without_objects_fails_the_job(aws: SimpleNamespace, program: Any) -> None:
    data = [channel("train", "s3://training-tests/nothing/")]

    job = run(aws, request("job", program(""), InputDataConfig=data))

    assert job["TrainingJobStatus"] == "Failed"
    reason = 'ClientError: No S3 objects found under S3 URL "s3://training-tests/nothing/"'
    assert job["FailureReason"].startswith(reason)


def test_invalid_hyperparameter_is_named_in_failure_reason(aws: SimpleNamespace) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=csv(10))
    spec = request(
        "job", HyperParameters={"num_round": "2", "max_dept": "3"},
        InputDataConfig=[channel("train", "s3://training-tests/train/")],
    )  # fmt: skip

    job = run(aws, spec)

    reason = "AlgorithmError: Extraneous hyperparameter found: max_dept"
    assert job["FailureReason"].startswith(reason)
    assert job["FailureReason"].endswith("exit code: 1")
