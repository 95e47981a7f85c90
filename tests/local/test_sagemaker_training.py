from __future__ import annotations

import io
import json
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.service import Service
from sageloop.local_cloud.sagemaker import containers
from sageloop.local_cloud.sagemaker import isolation
from sageloop.local_cloud.sagemaker.service import SageMakerService
from sageloop.local_cloud.sagemaker.training import container

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
BUCKET = "training-tests"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
ROLE = "arn:aws:iam::123456789012:role/training-tests"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Events(Service):
    """Keeps what is emitted."""

    model = "events"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.sent: list[tuple[str, dict[str, Any], list[str]]] = []

    def emit(
        self, source: str, detail_type: str, detail: dict[str, Any], *, resources: list[str]
    ) -> None:
        assert source == "aws.sagemaker"
        self.sent.append((detail_type, detail, resources))


class Metrics(Service):
    """Keeps what is put."""

    model = "cloudwatch"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.samples: list[tuple[str, str, float, dict[str, str]]] = []

    def put(self, namespace: str, name: str, value: float, *, dimensions: dict[str, str]) -> None:
        self.samples.append((namespace, name, value, dimensions))


def start_cloud() -> SimpleNamespace:
    cloud = Cloud(CloudConfig(allow=frozenset({"image:elsewhere/image:1"})))
    events, metrics = Events(cloud), Metrics(cloud)
    cloud.add([SageMakerService(cloud), events, metrics])
    cloud.start()
    user = "arn:aws:iam::123456789012:role/user"
    return SimpleNamespace(
        cloud=cloud, events=events, metrics=metrics, started=0,
        **{name: cloud.client(name, principal=user) for name in ("sagemaker", "s3", "iam", "logs")},
    )  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Iterator[SimpleNamespace]:
    made = start_cloud()
    made.iam.create_role(RoleName="training-tests", AssumeRolePolicyDocument=json.dumps(TRUST))
    yield made
    made.iam.delete_role(RoleName="training-tests")
    made.cloud.stop()


@pytest.fixture
def aws(world: SimpleNamespace) -> Iterator[SimpleNamespace]:
    world.s3.create_bucket(Bucket=BUCKET)
    world.started = len(world.cloud.recorder.calls())
    yield world
    world.cloud.faults.clear()
    world.events.sent.clear()
    world.metrics.samples.clear()
    for job in world.sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]:
        world.sagemaker.delete_training_job(TrainingJobName=job["TrainingJobName"])
    with suppress(world.logs.exceptions.ResourceNotFoundException):
        world.logs.delete_log_group(logGroupName=LOG_GROUP)
    for item in world.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        world.s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    world.s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Any]:
    """Registers a Python program as the image ``own/<name>:1``."""
    patterns = []

    def register(source: str, name: str = "image") -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        image = f"own/{name}:1"
        containers.register(image, training=[sys.executable, "-I", str(path)])
        patterns.append(image)
        return image

    yield register
    for pattern in patterns:
        containers.unregister(pattern)


def request(name: str, image: str = XGBOOST, **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://training-tests/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
    }
    return made | members


def channel(name: str, uri: str, **s3: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": source | s3},
        "ContentType": "text/csv",
    }


def csv(rows: int, start: int = 0) -> bytes:
    return "".join(f"{3 * i + 1},{i},{i % 7}\n" for i in range(start, start + rows)).encode()


def run(aws: SimpleNamespace, made: dict[str, Any]) -> dict[str, Any]:
    aws.sagemaker.create_training_job(**made)
    assert aws.cloud.settle(60) == []
    return dict(aws.sagemaker.describe_training_job(TrainingJobName=made["TrainingJobName"]))


def files_in(aws: SimpleNamespace, key: str) -> dict[str, bytes]:
    body = aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        members = [m for m in archive.getmembers() if m.isfile()]
        return {m.name: archive.extractfile(m).read() for m in members}  # type: ignore[union-attr]


def refusal(aws: SimpleNamespace, made: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        aws.sagemaker.create_training_job(**made)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def messages(aws: SimpleNamespace, job: str) -> list[str]:
    streams = aws.logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job}/")
    name = streams["logStreams"][0]["logStreamName"]
    found = aws.logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=name, startFromHead=True)
    return [event["message"] for event in found["events"]]


def test_xgboost_trains_a_real_model_with_metrics_logs_and_events(aws: SimpleNamespace) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=csv(150))
    aws.s3.put_object(Bucket=BUCKET, Key="train/more/b.csv", Body=csv(150, 150))
    aws.s3.put_object(Bucket=BUCKET, Key="validation/c.csv", Body=csv(50, 20))
    parameters = {"num_round": "12", "eta": "0.5", "max_depth": "4", "eval_metric": "mae"}
    channels = [channel(n, f"s3://training-tests/{n}/") for n in ("train", "validation")]
    made = request(
        "job-1", HyperParameters=parameters, InputDataConfig=channels,
        Tags=[{"Key": "team", "Value": "ml"}],
    )  # fmt: skip

    job = run(aws, made)

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


def test_data_is_read_and_model_written_as_the_role(aws: SimpleNamespace, program: Any) -> None:
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
seen = {p.stem: json.loads(p.read_text()) for p in config.iterdir()}
seen["files"] = sorted(str(p.relative_to(base)) for p in (base / "input/data").rglob("*.*"))
seen["env"] = dict(os.environ)
seen["base"] = str(base)
(base / "model/seen.json").write_text(json.dumps(seen))
(base / "output/data/extra.txt").write_text("kept")
"""


def test_container_finds_its_contract(aws: SimpleNamespace, program: Any) -> None:
    image = program(CONTRACT)
    aws.s3.put_object(Bucket=BUCKET, Key="set/train/x/a.csv", Body=b"1")
    made = request(
        "job", image, HyperParameters={"lr": "0.1"}, Environment={"STAGE": "dev"},
        InputDataConfig=[channel("train", "s3://training-tests/set/train")],
    )  # fmt: skip

    run(aws, made)

    seen = json.loads(files_in(aws, "out/job/output/model.tar.gz")["seen.json"])
    assert files_in(aws, "out/job/output/output.tar.gz") == {"extra.txt": b"kept"}
    assert seen["hyperparameters"] == {"lr": "0.1"}
    assert seen["inputdataconfig"]["train"]["ContentType"] == "text/csv"
    assert seen["resourceconfig"]["hosts"] == ["algo-1"]
    assert seen["files"] == ["input/data/train/x/a.csv"]
    assert seen["env"]["TRAINING_JOB_NAME"] == "job"
    assert seen["env"]["STAGE"] == "dev"
    assert seen["env"]["AWS_ACCESS_KEY_ID"].startswith("LKIA")


def test_container_has_its_base_in_a_variable_where_mounts_are_not_possible(
    aws: SimpleNamespace, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = program(CONTRACT)
    monkeypatch.setattr(isolation, "available", lambda: False)
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=b"1")

    data = [channel("train", "s3://training-tests/train/")]
    run(aws, request("job", image, InputDataConfig=data))

    seen = json.loads(files_in(aws, "out/job/output/model.tar.gz")["seen.json"])
    assert seen["base"] == seen["env"]["SAGEMAKER_BASE_DIR"]
    assert seen["env"]["SM_CHANNEL_TRAIN"] == f"{seen['base']}/input/data/train"


def test_isolated_container_has_no_credentials(aws: SimpleNamespace, program: Any) -> None:
    image = program(CONTRACT)

    run(aws, request("job", image, EnableNetworkIsolation=True))

    env = json.loads(files_in(aws, "out/job/output/model.tar.gz")["seen.json"])["env"]
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"} & env.keys()


def test_manifest_names_the_files(aws: SimpleNamespace, program: Any) -> None:
    image = program(CONTRACT)
    for name in ("a.csv", "sub/b.csv", "not-listed.csv"):
        aws.s3.put_object(Bucket=BUCKET, Key=f"all/{name}", Body=b"1")
    manifest = [{"prefix": "s3://training-tests/all/"}, "a.csv", "sub/b.csv"]
    aws.s3.put_object(Bucket=BUCKET, Key="manifest", Body=json.dumps(manifest).encode())
    data = channel("train", "s3://training-tests/manifest", S3DataType="ManifestFile")

    run(aws, request("job", image, InputDataConfig=[data]))

    seen = json.loads(files_in(aws, "out/job/output/model.tar.gz")["seen.json"])
    assert seen["files"] == ["input/data/train/a.csv", "input/data/train/sub/b.csv"]


def test_failing_container_tells_its_reason(aws: SimpleNamespace, program: Any) -> None:
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


def test_failing_container_without_a_reason(aws: SimpleNamespace, program: Any) -> None:
    job = run(aws, request("job", program("raise SystemExit(3)")))

    assert job["FailureReason"] == "AlgorithmError: , exit code: 3"


def test_channel_without_objects_fails_the_job(aws: SimpleNamespace, program: Any) -> None:
    data = [channel("train", "s3://training-tests/nothing/")]

    job = run(aws, request("job", program(""), InputDataConfig=data))

    assert job["TrainingJobStatus"] == "Failed"
    told = 'ClientError: No S3 objects found under S3 URL "s3://training-tests/nothing/"'
    assert job["FailureReason"].startswith(told)


def test_bad_hyperparameter_fails_the_job_by_name(aws: SimpleNamespace) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=csv(10))
    made = request(
        "job", HyperParameters={"num_round": "2", "max_dept": "3"},
        InputDataConfig=[channel("train", "s3://training-tests/train/")],
    )  # fmt: skip

    job = run(aws, made)

    told = "AlgorithmError: Extraneous hyperparameter found: max_dept"
    assert job["FailureReason"].startswith(told)
    assert job["FailureReason"].endswith("exit code: 1")


ENDLESS = """
import os, pathlib, signal, sys, threading
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
def end(*_):
    (base / "model/partial").write_text("half")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    signal.pause()
"""
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


def wait_for_log(aws: SimpleNamespace) -> None:
    """Return once the container has printed something."""
    seen = threading.Event()
    aws.cloud.front.after("logs:PutLogEvents", lambda *_: seen.set())
    if not aws.cloud.recorder.calls(after=aws.started, action="logs:PutLogEvents"):
        assert seen.wait(20)


def test_stopped_job_keeps_its_artifacts(aws: SimpleNamespace, program: Any) -> None:
    aws.sagemaker.create_training_job(**request("job", program(ENDLESS)))
    wait_for_log(aws)

    aws.sagemaker.stop_training_job(TrainingJobName="job")

    assert aws.cloud.settle(20) == []
    job = aws.sagemaker.describe_training_job(TrainingJobName="job")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    statuses = [t["Status"] for t in job["SecondaryStatusTransitions"]]
    assert statuses[-3:] == ["Stopping", "Uploading", "Stopped"]
    assert files_in(aws, "out/job/output/model.tar.gz") == {"partial": b"half"}
    with pytest.raises(ClientError, match="in status Stopped"):
        aws.sagemaker.stop_training_job(TrainingJobName="job")


def test_container_that_ignores_sigterm_is_killed(
    aws: SimpleNamespace, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "STOP_GRACE_SECONDS", 0.2)
    aws.sagemaker.create_training_job(**request("job", program(DEAF)))
    wait_for_log(aws)

    aws.sagemaker.stop_training_job(TrainingJobName="job")

    assert aws.cloud.settle(20) == []
    assert (
        aws.sagemaker.describe_training_job(TrainingJobName="job")["TrainingJobStatus"] == "Stopped"
    )
    assert aws.cloud.processes.running() == {}


def test_job_that_runs_too_long_is_stopped(aws: SimpleNamespace, program: Any) -> None:
    made = request("job", program(ENDLESS), StoppingCondition={"MaxRuntimeInSeconds": 1})

    job = run(aws, made)

    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_killed_container_is_an_internal_error(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.order(kind="process", match="training:job")

    job = run(aws, request("job", program("print('epoch', flush=True)\nimport signal\n")))

    told = "InternalServerError: We encountered an internal error. Please try again."
    assert job["FailureReason"] == told


def test_internal_error_is_retried(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.order(kind="process", match="training:job")

    job = run(aws, request("job", program(""), RetryStrategy={"MaximumRetryAttempts": 1}))

    assert job["TrainingJobStatus"] == "Completed"
    assert "Restarting" in [t["Status"] for t in job["SecondaryStatusTransitions"]]


def test_lost_s3_answer_is_asked_for_again(aws: SimpleNamespace, program: Any) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=b"1,2\n")
    aws.cloud.faults.order(kind="call", match="s3:GetObject", times=2)
    data = [channel("train", "s3://training-tests/train/")]

    job = run(aws, request("job", program(""), InputDataConfig=data))

    assert job["TrainingJobStatus"] == "Completed"


def test_denied_data_fails_the_job(aws: SimpleNamespace, program: Any) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="train/a.csv", Body=b"1,2\n")
    aws.cloud.faults.order(
        kind="call", match="s3:GetObject", code="AccessDenied", status=403, message="Access Denied"
    )
    data = [channel("train", "s3://training-tests/train/")]

    job = run(aws, request("job", program(""), InputDataConfig=data))

    told = "ClientError: Data download failed:AccessDenied (403): Access Denied"
    assert job["FailureReason"] == told


def test_own_metrics_are_read_from_the_log(aws: SimpleNamespace, program: Any) -> None:
    image = program("print('loss=0.75 epoch=1')\nprint('loss=0.5 epoch=2')")
    specification = {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    }

    job = run(aws, request("job", image, AlgorithmSpecification=specification))

    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("loss", 0.5)]


def test_artifacts_are_encrypted_under_the_given_key(aws: SimpleNamespace, program: Any) -> None:
    output = {"S3OutputPath": "s3://training-tests/out", "KmsKeyId": "alias/models"}

    run(aws, request("job", program(""), OutputDataConfig=output))

    head = aws.s3.head_object(Bucket=BUCKET, Key="out/job/output/model.tar.gz")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/models")


def test_logs_are_kept_when_the_clock_is_ahead(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.clock.advance(90 * 86_400)

    run(aws, request("job", program("print('here')")))

    assert messages(aws, "job") == ["here"]


def test_name_is_taken_once(aws: SimpleNamespace, program: Any) -> None:
    image = program("")
    run(aws, request("job", image))

    code, message = refusal(aws, request("job", image))

    assert code == "ResourceInUse"
    assert "Training job names must be unique within an AWS account" in message


def test_role_must_exist_and_trust_sagemaker(aws: SimpleNamespace) -> None:
    missing = "arn:aws:iam::123456789012:role/nobody"

    code, message = refusal(aws, request("job", RoleArn=missing))

    assert code == "ValidationException"
    assert message.startswith(f"Could not assume role {missing}.")


def test_image_without_a_program_is_refused_by_name(aws: SimpleNamespace) -> None:
    code, message = refusal(aws, request("job", "763104351884.dkr/pytorch:2"))

    assert code == "ValidationException"
    assert "763104351884.dkr/pytorch:2 has no program on this machine" in message
    assert "--allow image:763104351884.dkr/pytorch:2" in message


def test_allowed_image_is_stored_and_can_be_stopped(aws: SimpleNamespace) -> None:
    job = run(aws, request("job", "elsewhere/image:1"))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("InProgress", "Pending")

    aws.sagemaker.stop_training_job(TrainingJobName="job")

    job = aws.sagemaker.describe_training_job(TrainingJobName="job")
    assert job["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"EnableManagedSpotTraining": True}, "EnableManagedSpotTraining"),
        ({"CheckpointConfig": {"S3Uri": "s3://training-tests/c"}}, "CheckpointConfig"),
        ({"HyperParameters": {"sagemaker_program": "a.py"}}, "script mode"),
        (
            {
                "ResourceConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 2,
                    "VolumeSizeInGB": 1,
                }
            },
            "ResourceConfig.InstanceCount above 1",
        ),
        (
            {"InputDataConfig": [channel("t", "s3://training-tests/x") | {"InputMode": "Pipe"}]},
            "InputMode Pipe of channel t",
        ),
        (
            {
                "InputDataConfig": [
                    channel("t", "s3://training-tests/x", S3DataType="AugmentedManifestFile")
                ]
            },
            "S3DataType AugmentedManifestFile",
        ),
    ],
)
def test_what_is_not_executed_is_refused_by_name(
    aws: SimpleNamespace, members: dict[str, Any], named: str
) -> None:
    code, message = refusal(aws, request("job", **members))

    assert code == "ValidationException"
    assert named in message


def test_wrong_requests_are_refused_with_every_mistake(aws: SimpleNamespace) -> None:
    made = request("bad_name", RoleArn="x" * 30)
    made["ResourceConfig"]["InstanceType"] = "ml.none.large"

    code, message = refusal(aws, made)

    assert code == "ValidationException"
    assert message.startswith("3 validation errors detected: ")
    assert (
        "Value 'bad_name' at 'trainingJobName' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: " in message
    )
    assert "at 'resourceConfig.instanceType' failed to satisfy constraint: Member must" in message


def test_unknown_job_is_not_found(aws: SimpleNamespace) -> None:
    with pytest.raises(ClientError, match="Requested resource not found"):
        aws.sagemaker.describe_training_job(TrainingJobName="none")


def test_jobs_are_listed_by_status_and_page(aws: SimpleNamespace, program: Any) -> None:
    good, bad = program("", "good"), program("raise SystemExit(1)", "bad")
    for name, image in (("job-a", good), ("job-b", bad), ("job-c", good)):
        run(aws, request(name, image))

    pages = aws.sagemaker.get_paginator("list_training_jobs").paginate(
        StatusEquals="Completed", SortBy="CreationTime", SortOrder="Ascending",
        PaginationConfig={"PageSize": 1},
    )  # fmt: skip
    assert [s["TrainingJobName"] for p in pages for s in p["TrainingJobSummaries"]] == [
        "job-a",
        "job-c",
    ]

    aws.sagemaker.delete_training_job(TrainingJobName="job-a")
    left = aws.sagemaker.list_training_jobs()["TrainingJobSummaries"]
    assert [s["TrainingJobName"] for s in left] == ["job-c", "job-b"]


def test_cloud_that_stops_leaves_no_container(program: Any, aws: SimpleNamespace) -> None:
    other = start_cloud()
    other.sagemaker.create_training_job(**request("job", program(ENDLESS)))
    wait_for_log(other)
    (pid,) = other.cloud.processes.running()

    other.cloud.stop()

    assert not Path(f"/proc/{pid}").exists()


def test_tags_are_kept_for_a_job(aws: SimpleNamespace, program: Any) -> None:
    image = program("")
    run(aws, request("job", image, Tags=[{"Key": "a", "Value": "1"}]))
    arn = aws.sagemaker.describe_training_job(TrainingJobName="job")["TrainingJobArn"]

    aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    aws.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])

    assert aws.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
