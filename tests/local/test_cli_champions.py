"""`sageloop history` and `sageloop rollback` as commands, with the deployed promote function."""

from __future__ import annotations

import hashlib
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
from roles import FUNCTION, HOSTING, LAMBDA, SAGEMAKER, actions_of, make_role, trust

from sageloop.local_cloud import images
from sageloop.waiting import until
from tests import forked

pytestmark = pytest.mark.slow

IMAGE, BUCKET, GROUP, NAME = "own/champions:1", "champions", "models", "served"
ROLE = "arn:aws:iam::123456789012:role/champions"
PROGRAM = """
import json, os, pathlib, tarfile
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
given = json.loads((base / "input/config/hyperparameters.json").read_text())
print("loss=" + given["loss"], flush=True)
(base / "model/name.txt").write_text(given["loss"])
"""


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*.py")):
            archive.write(path, str(path.relative_to(folder)))
    return buffer.getvalue()


def serving() -> str:
    variant = {
        "VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large",
        "InitialVariantWeight": 1.0,
    }  # fmt: skip
    return json.dumps({
        "endpoint_name": NAME,
        "model": {"ExecutionRoleArn": ROLE, "EnableNetworkIsolation": False, "Image": None},
        "config": {"ProductionVariants": [variant]},
        "deployment": None, "scaling": [], "rollback_alarms": [], "keep_configs": 3,
    })  # fmt: skip


def deploy(client: Any) -> None:
    """The resources of a champion endpoint's stack that the commands need."""
    make_role(
        client("iam"), "champions", trust(LAMBDA, SAGEMAKER), *FUNCTION, *HOSTING,
        *actions_of("promote"),
    )  # fmt: skip
    client("s3").create_bucket(Bucket=BUCKET)
    client("s3").put_object(Bucket=BUCKET, Key="in/rows.csv", Body=b"1,2\n")
    client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    client("dynamodb").create_table(
        TableName="state", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )  # fmt: skip
    put(client, f"serving#{NAME}", document=serving(), digest=hashlib.sha256(b"s").hexdigest())
    topic = client("sns").create_topic(Name="alerts")["TopicArn"]
    functions = client("lambda")
    layer = functions.publish_layer_version(
        LayerName="runtime", Content={"ZipFile": zipped(ROOT / "lambda" / "layer")}
    )
    environment = {
        "STATE_TABLE": "state", "ENDPOINT_NAME": NAME, "MODEL_PACKAGE_GROUP": GROUP,
        "ALERT_TOPIC_ARN": topic, "METRIC_NAMESPACE": "sageloop",
    }  # fmt: skip
    made = functions.create_function(
        FunctionName="promote", Runtime="python3.14", Handler="index.handler", Role=ROLE,
        Code={"ZipFile": zipped(ROOT / "lambda" / "promote")}, Timeout=60,
        Layers=[layer["LayerVersionArn"]], Environment={"Variables": environment},
    )["FunctionArn"]  # fmt: skip
    functions.add_permission(
        FunctionName="promote", StatementId="rule", Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
    )  # fmt: skip
    for rule, thing, detail in (
        ("package", "Model Package", {"ModelApprovalStatus": ["Approved"]}),
        ("endpoint", "Endpoint", {"EndpointName": [NAME]}),
    ):
        pattern = {
            "source": ["aws.sagemaker"], "detail-type": [f"SageMaker {thing} State Change"],
            "detail": detail,
        }  # fmt: skip
        client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern))
        client("events").put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": made}])
    parameter = {"promote_function": made, "state_table": "state", "model_package_group": GROUP}
    client("ssm").put_parameter(
        Name=f"/sageloop/endpoints/{NAME}/promotion", Type="String", Value=json.dumps(parameter)
    )


def put(client: Any, row_id: str, **texts: str) -> None:
    item = {"id": {"S": row_id}, **{key: {"S": text} for key, text in texts.items()}}
    client("dynamodb").put_item(TableName="state", Item=item)


def train(stack: SimpleNamespace, job: str, loss: str, approval: str = "Approved") -> str:
    """A real job, evaluated and registered as the gate does."""
    sagemaker = stack.handle.client("sagemaker")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in"}
    sagemaker.create_training_job(
        TrainingJobName=job, RoleArn=ROLE, HyperParameters={"loss": loss},
        AlgorithmSpecification={
            "TrainingImage": IMAGE, "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
        },
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )  # fmt: skip
    stack.handle.settle()
    made = sagemaker.describe_training_job(TrainingJobName=job)
    assert made["TrainingJobStatus"] == "Completed", made
    put(stack.handle.client, f"result#{job}", outcome="promoted", reason=f"loss {loss} passed")
    container = {"Image": IMAGE, "ModelDataUrl": made["ModelArtifacts"]["S3ModelArtifacts"]}
    arn = sagemaker.create_model_package(
        ModelPackageGroupName=GROUP, ModelApprovalStatus=approval,
        InferenceSpecification={
            "Containers": [container], "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        CustomerMetadataProperties={
            "sageloop:training-job": job, "sageloop:reason": f"loss {loss} passed",
        },
    )["ModelPackageArn"]  # fmt: skip
    stack.handle.settle()
    return str(arn)


def row(stack: SimpleNamespace) -> dict[str, Any]:
    item = stack.handle.client("dynamodb").get_item(
        TableName="state", Key={"id": {"S": f"champion#{NAME}"}}
    )
    return dict(item.get("Item", {}))


def live(stack: SimpleNamespace, arn: str) -> None:
    until(
        f"{arn} to serve",
        lambda: row(stack).get("state") == {"S": "live"} and row(stack)["package_arn"]["S"] == arn,
        seconds=180,
    )
    stack.handle.settle()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    program = tmp_path_factory.mktemp("image") / "train.py"
    program.write_text(PROGRAM)
    images.register(
        IMAGE, training=[sys.executable, "-I", str(program)],
        serving=[sys.executable, "-IS", str(Path(__file__).with_name("hosting_server.py"))],
    )  # fmt: skip
    with in_process() as (cloud, handle):
        deploy(handle.client)
        made = SimpleNamespace(
            cloud=cloud, handle=handle, folder=program.parent,
            environment=handle.access.write(program.parent / "access.json").environment(),
        )  # fmt: skip
        made.before = run(made, "history")
        made.first = train(made, "winter", "0.5")
        live(made, made.first)
        made.second = train(made, "summer", "0.25")
        live(made, made.second)
        yield made
    images.unregister(IMAGE)


def run(stack: SimpleNamespace, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    """The exit code, the output and the report."""
    report = stack.folder / "report.json"
    report.unlink(missing_ok=True)
    ended = forked.run(
        "sageloop", *arguments, "--json", str(report), cwd=stack.folder,
        env=stack.environment | {"COLUMNS": "200"},
    )  # fmt: skip
    content = json.loads(report.read_text()) if report.exists() else {}
    return ended.returncode, ended.stdout + ended.stderr, content


@pytest.mark.feature("promotion: sageloop history")
def test_history_shows_data_job_and_times_of_service(stack: SimpleNamespace) -> None:
    code, output, report = run(stack, "history")

    assert code == 0, output
    (endpoint,) = report["endpoints"]
    new, old = endpoint["models"]
    assert (endpoint["endpoint"], endpoint["model_package_group"]) == (NAME, GROUP)
    assert (new["status"], old["status"]) == ("champion", "former champion")
    assert (new["version"], new["outcome"], new["approval"]) == (2, "promoted", "Approved")
    assert new["origin"]["training_job"] == "summer"
    assert new["origin"]["metrics"] == {"loss": 0.25}
    assert new["origin"]["data"] == {"train": f"s3://{BUCKET}/in (S3Prefix)"}
    assert new["origin"]["hyperparameters"] != old["origin"]["hyperparameters"]
    assert old["served"][0]["until"] == new["served"][0]["since"]
    assert new["served"][0]["until"] is None
    assert "2  champion, registered" in output
    assert "trained by summer" in output


def test_history_without_models_reports_none(stack: SimpleNamespace) -> None:
    code, output, report = stack.before

    assert code == 0, output
    assert "no model is registered" in output
    assert report["endpoints"][0]["models"] == []


def test_history_of_unknown_endpoint_lists_deployed_ones(stack: SimpleNamespace) -> None:
    code, output, _ = run(stack, "history", "nowhere")

    assert code == 2
    assert output.strip().endswith(f"deployed endpoints: {NAME}")


def test_rollback_to_a_package_that_never_served_is_refused(stack: SimpleNamespace) -> None:
    code, output, report = run(stack, "rollback", NAME, "--to", "7")

    assert code == 1
    assert "package 7 never was the champion; those that were: 1, 2" in output
    assert report["ok"] is False
    code, output, _ = run(stack, "rollback", NAME, "--to", "2")
    assert (code, "package 2 is the champion already" in output) == (1, True)


@pytest.mark.feature("promotion: sageloop rollback")
def test_rollback_restores_the_former_champion_and_records_the_caller(
    stack: SimpleNamespace,
) -> None:
    code, output, report = run(stack, "rollback", NAME, "--wait")

    assert code == 0, output
    assert f"{NAME}: package 1 replaces 2" in output
    assert (report["end"]["live"], report["end"]["version"]) == (True, 1)
    described = stack.handle.client("sagemaker").describe_endpoint(EndpointName=NAME)
    assert described["EndpointConfigName"] == report["end"]["config"]
    _, _, history = run(stack, "history", NAME)
    new, old = history["endpoints"][0]["models"]
    assert (new["status"], old["status"]) == ("former champion", "champion")
    assert len(old["served"]) == 2
    assert old["served"][1]["by"].startswith("arn:aws:")


@pytest.mark.feature("promotion: approval by a person")
def test_pending_model_serves_only_after_manual_approval(stack: SimpleNamespace) -> None:
    before = row(stack)["package_arn"]
    arn = train(stack, "autumn", "0.1", approval="PendingManualApproval")
    assert row(stack)["package_arn"] == before
    _, _, history = run(stack, "history", NAME)
    assert history["endpoints"][0]["models"][0]["status"] == "waits for approval"

    stack.handle.client("sagemaker").update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved"
    )
    live(stack, arn)


@pytest.mark.feature("operations: endpoint schedule")
def test_promote_function_stops_and_starts_the_endpoint(stack: SimpleNamespace) -> None:
    client, before = stack.handle.client, row(stack)["config_name"]["S"]

    def switch(action: str, at: str) -> None:
        event = {"source": "manual", "action": action, "id": at, "time": at}
        client("lambda").invoke(FunctionName="promote", Payload=json.dumps(event))
        stack.handle.settle()

    switch("stop", "2099-01-01T20:00:00Z")
    names = [e["EndpointName"] for e in client("sagemaker").list_endpoints()["Endpoints"]]
    assert NAME not in names

    switch("start", "2099-01-02T07:00:00Z")
    until("the endpoint", lambda: row(stack)["state"] == {"S": "live"}, seconds=180)
    described = client("sagemaker").describe_endpoint(EndpointName=NAME)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", before)
