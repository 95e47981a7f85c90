"""Processing jobs: programs that run on files from S3."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sageloop.local_cloud import images
from tests.local.job_stage import (
    BUCKET,
    ROLE,
    SKLEARN,
    Stage,
    no_faults,
    refusal,
    stage,
    statuses,
)

__all__ = ["no_faults", "stage"]

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"


def request(stage: Stage, script: str, **members: Any) -> dict[str, Any]:
    """A job that runs ``script`` from S3 with the scikit-learn image."""
    name = stage.name()
    code = stage.put(f"code/{name}/x.py", script)
    return {
        "ProcessingJobName": name,
        "ProcessingInputs": [an_input("code", code), *members.pop("ProcessingInputs", [])],
        "ProcessingOutputConfig": {"Outputs": [an_output(name, "out")]},
        "AppSpecification": {
            "ImageUri": SKLEARN,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/x.py"],
        },
        "ProcessingResources": cluster(1),
        "RoleArn": ROLE,
    } | members


def cluster(count: int) -> dict[str, Any]:
    shape = {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 5}
    return {"ClusterConfig": shape}


def an_input(name: str, uri: str, **s3: Any) -> dict[str, Any]:
    source = {
        "S3Uri": uri, "LocalPath": f"/opt/ml/processing/input/{name}", "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }  # fmt: skip
    return {"InputName": name, "S3Input": source | s3}


def an_output(job: str, name: str, mode: str = "EndOfJob") -> dict[str, Any]:
    target = {
        "S3Uri": f"s3://{BUCKET}/results/{job}/{name}",
        "LocalPath": f"/opt/ml/processing/{name}", "S3UploadMode": mode,
    }  # fmt: skip
    return {"OutputName": name, "S3Output": target}


def run(stage: Stage, spec: dict[str, Any]) -> dict[str, Any]:
    stage.sagemaker.create_processing_job(**spec)
    assert stage.cloud.settle(180) == []
    name = spec["ProcessingJobName"]
    return dict(stage.sagemaker.describe_processing_job(ProcessingJobName=name))


def results(stage: Stage, spec: dict[str, Any], output: str = "out") -> dict[str, bytes]:
    return stage.under(f"results/{spec['ProcessingJobName']}/{output}/")


SUM = """\
import os, pathlib, sys
root = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "processing"
data = root / "input" / "data"
total = sum(int(p.read_text()) for p in data.rglob("*.txt"))
(root / "out" / "deep").mkdir()
(root / "out" / "deep" / "sum.txt").write_text(f"{total} {sys.argv[1:]} {os.environ['GREETING']}")
(root / "out" / "link").symlink_to("deep/sum.txt")
print("summed\\t" + str(total))
"""


@pytest.mark.feature("training family: processing job")
def test_outputs_of_script_are_uploaded_without_links(stage: Stage) -> None:
    stage.put("numbers/a/one.txt", "1")
    stage.put("numbers/two.txt", "2")
    spec = request(
        stage, SUM, ProcessingInputs=[an_input("data", f"s3://{BUCKET}/numbers/")],
        Environment={"GREETING": "hello"}, Tags=[{"Key": "team", "Value": "a"}],
    )  # fmt: skip
    spec["AppSpecification"]["ContainerArguments"] = ["--fast", "/opt/nothing"]
    job = run(stage, spec)
    assert (job["ProcessingJobStatus"], job.get("FailureReason")) == ("Completed", None)
    assert results(stage, spec) == {"deep/sum.txt": b"3 ['--fast', '/opt/nothing'] hello"}
    assert "summed#0113" in stage.lines(LOG_GROUP, f"{job['ProcessingJobName']}/algo-1-")
    assert job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    assert statuses(stage, "Processing") == ["InProgress", "InProgress", "Completed"]
    _, detail, resources = stage.events.sent[-1]
    assert resources == [job["ProcessingJobArn"]]
    assert (detail["Tags"], detail["FailureReason"]) == ({"team": "a"}, None)
    assert isinstance(detail["ProcessingEndTime"], int)


HOSTS = """\
import json, os, pathlib
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
me = json.loads((base / "config" / "resourceconfig.json").read_text())
job = json.loads((base / "config" / "processingjobconfig.json").read_text())
report = {
    "hosts": me["hosts"],
    "sharded": sorted(p.name for p in (base / "processing/input/shards").iterdir()),
    "whole": sorted(p.name for p in (base / "processing/input/whole").iterdir()),
    "image": job["AppSpecification"]["ImageUri"],
    "arn": job["ProcessingJobArn"],
}
(base / "processing/out" / (me["current_host"] + ".json")).write_text(json.dumps(report))
"""


@pytest.mark.feature("training family: processing on several hosts")
def test_each_host_has_its_directory_and_shard(stage: Stage) -> None:
    for name in ("a", "b", "c", "d", "e"):
        stage.put(f"shards/{name}", name)
    uri = f"s3://{BUCKET}/shards"
    sharded = an_input("shards", uri, S3DataDistributionType="ShardedByS3Key")
    spec = request(
        stage, HOSTS, ProcessingInputs=[sharded, an_input("whole", uri)],
        ProcessingResources=cluster(2),
    )  # fmt: skip
    job = run(stage, spec)
    assert job["ProcessingJobStatus"] == "Completed"
    contents = {name: json.loads(body) for name, body in results(stage, spec).items()}
    assert sorted(contents) == ["algo-1.json", "algo-2.json"]
    first, second = contents["algo-1.json"], contents["algo-2.json"]
    assert sorted(first["sharded"] + second["sharded"]) == ["a", "b", "c", "d", "e"]
    assert {len(first["sharded"]), len(second["sharded"])} == {2, 3}
    assert first["whole"] == second["whole"] == ["a", "b", "c", "d", "e"]
    assert first["hosts"] == ["algo-1", "algo-2"]
    assert (first["image"], first["arn"]) == (SKLEARN, job["ProcessingJobArn"])


def test_manifest_input_is_downloaded(stage: Stage) -> None:
    stage.put("listed/x/1.txt", "10")
    stage.put("listed/2.txt", "20")
    stage.put("listed/3.txt", "40")
    entries = [{"prefix": f"s3://{BUCKET}/listed/"}, "x/1.txt", "2.txt"]
    uri = stage.put("lists/manifest", json.dumps(entries))
    spec = request(
        stage, SUM, Environment={"GREETING": ""},
        ProcessingInputs=[an_input("data", uri, S3DataType="ManifestFile")],
    )  # fmt: skip
    assert run(stage, spec)["ProcessingJobStatus"] == "Completed"
    assert results(stage, spec)["deep/sum.txt"].startswith(b"30 ")


FAILS = """\
import os, pathlib, sys
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
(base / "processing/out/half").write_text("half")
(base / "output/message").write_text("no such column: fare" + "x" * 2000)
sys.exit(7)
"""


@pytest.mark.feature("training family: processing: exit message and failure reason")
def test_failed_program_sets_exit_message_and_uploads_no_output(stage: Stage) -> None:
    spec = request(stage, FAILS)
    job = run(stage, spec)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: , exit code: 7"
    assert job["ExitMessage"].startswith("no such column: fare")
    assert len(job["ExitMessage"]) == 1024
    assert results(stage, spec) == {}


ONE_FAILS = """\
import json, os, pathlib, sys, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
host = json.loads((base / "config/resourceconfig.json").read_text())["current_host"]
if host == "algo-2":
    sys.exit(3)
time.sleep(600)
"""


def test_failed_host_stops_the_others(stage: Stage) -> None:
    job = run(stage, request(stage, ONE_FAILS, ProcessingResources=cluster(2)))
    assert job["FailureReason"] == "AlgorithmError: , exit code: 3"


WAITS = """\
import os, pathlib, signal, sys, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
out = base / "processing" / "live"
def leave(*_):
    (out / "last.txt").write_text("bye")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
(out / "first.txt").write_text("early")
print("waiting", flush=True)
time.sleep(600)
"""


@pytest.mark.feature("training family: processing: continuous upload")
def test_continuous_output_is_uploaded_before_stop_with_sigterm(
    stage: Stage,
) -> None:
    spec = request(stage, WAITS)
    name = spec["ProcessingJobName"]
    spec["ProcessingOutputConfig"] = {"Outputs": [an_output(name, "live", "Continuous")]}
    stage.sagemaker.create_processing_job(**spec)
    uploaded = threading.Event()
    for _ in range(200):
        if results(stage, spec, "live"):
            break
        uploaded.wait(0.05)
    assert results(stage, spec, "live") == {"first.txt": b"early"}
    stage.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert stage.cloud.settle(180) == []
    assert results(stage, spec, "live")["last.txt"] == b"bye"
    assert statuses(stage, "Processing")[-2:] == ["Stopping", "Stopped"]


def test_max_runtime_stops_the_job(stage: Stage) -> None:
    script = "import time\ntime.sleep(600)\n"
    job = run(stage, request(stage, script, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert job["ProcessingJobStatus"] == "Stopped"
    assert statuses(stage, "Processing")[-2:] == ["Stopping", "Stopped"]


def test_image_without_entrypoint_runs_its_registered_program(stage: Stage, tmp_path: Path) -> None:
    program = tmp_path / "own.py"
    program.write_text("import sys\nprint('own program', sys.argv[1:])\n")
    images.register("own/processor:1", processing=[sys.executable, "-I", str(program)])
    try:
        spec = request(stage, "")
        spec["AppSpecification"] = {"ImageUri": "own/processor:1", "ContainerArguments": ["a"]}
        assert run(stage, spec)["ProcessingJobStatus"] == "Completed"
        lines = stage.lines(LOG_GROUP, f"{spec['ProcessingJobName']}/")
        assert lines == ["own program ['a']"]
    finally:
        images.unregister("own/processor:1")


ENVIRONMENT = """\
import json, os, pathlib
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
(base / "processing/out/env.json").write_text(json.dumps(dict(os.environ)))
"""


def test_isolated_job_has_neither_credentials_nor_an_endpoint(stage: Stage) -> None:
    spec = request(stage, ENVIRONMENT, NetworkConfig={"EnableNetworkIsolation": True})
    run(stage, spec)
    isolated = json.loads(results(stage, spec)["env.json"])
    assert not {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"} & isolated.keys()
    spec = request(stage, ENVIRONMENT)
    run(stage, spec)
    assert {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"} <= json.loads(
        results(stage, spec)["env.json"]
    ).keys()


def test_output_is_encrypted_with_the_kms_key(stage: Stage) -> None:
    spec = request(stage, ENVIRONMENT)
    spec["ProcessingOutputConfig"]["KmsKeyId"] = "alias/outputs"
    run(stage, spec)
    key = f"results/{spec['ProcessingJobName']}/out/env.json"
    head = stage.s3.head_object(Bucket=BUCKET, Key=key)
    assert head["ServerSideEncryption"] == "aws:kms"


def test_input_without_objects_fails_the_job(stage: Stage) -> None:
    job = run(stage, request(
        stage, SUM, ProcessingInputs=[an_input("data", f"s3://{BUCKET}/nothing/")],
    ))  # fmt: skip
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: No S3 objects found under S3 URL")


def test_killed_host_is_an_internal_error(stage: Stage) -> None:
    spec = request(stage, WAITS, ProcessingOutputConfig={"Outputs": []})
    stage.cloud.faults.inject(kind="process", match=f"processing:{spec['ProcessingJobName']}")
    spec["ProcessingOutputConfig"] = {"Outputs": [an_output("killed", "live")]}
    assert run(stage, spec)["FailureReason"].startswith("InternalServerError")


def test_ended_job_is_listed_described_and_deleted(stage: Stage) -> None:
    spec = request(stage, "print('hello')")
    name = spec["ProcessingJobName"]
    run(stage, spec)
    summaries = stage.sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]
    assert [s["ProcessingJobName"] for s in summaries] == [name]
    code, message = refusal(stage.sagemaker.create_processing_job, spec)
    assert (code, name in message) == ("ResourceInUse", True)
    code, _ = refusal(stage.sagemaker.stop_processing_job, {"ProcessingJobName": name})
    assert code == "ValidationException"
    stage.sagemaker.delete_processing_job(ProcessingJobName=name)
    assert refusal(stage.sagemaker.describe_processing_job, {"ProcessingJobName": name}) == (
        "ValidationException", f"Could not find requested job with name: {name}",
    )  # fmt: skip


def test_first_instance_preference_is_selected(stage: Stage) -> None:
    preferred = [{"InstanceType": t, "InstanceCount": n} for t, n in
                 (("ml.c5.xlarge", 2), ("ml.m5.large", 1))]  # fmt: skip
    spec = request(
        stage, "print('hello')", ProcessingResources={
            "ClusterConfig": {"InstancePreferences": preferred, "VolumeSizeInGB": 5}
        },
    )  # fmt: skip
    chosen = run(stage, spec)["ProcessingResources"]["ClusterConfig"]
    assert (chosen["SelectedInstanceType"], chosen["SelectedInstanceCount"]) == ("ml.c5.xlarge", 2)


def dataset() -> dict[str, Any]:
    athena = {
        "Catalog": "c", "Database": "d", "QueryString": "SELECT 1", "OutputS3Uri": "s3://b/o",
        "OutputFormat": "PARQUET",
    }  # fmt: skip
    return {"LocalPath": "/opt/ml/processing/q", "AthenaDatasetDefinition": athena}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ProcessingInputs": [an_input("a", "s3://b/c", LocalPath="/opt/ml/input")]},
         "ProcessingInput a: LocalPath must begin with /opt/ml/processing/, got /opt/ml/input."),
        ({"ProcessingInputs": [an_input("a", "s3://b/c", LocalPath="/opt/ml/processing/../x")]},
         "LocalPath must begin with"),
        ({"ProcessingInputs": [an_input("a", "s3://b/c", S3CompressionType="Gzip")]},
         "S3CompressionType Gzip can only be used with S3InputMode Pipe"),
        ({"ProcessingInputs": [an_input("a", "s3://b/c", S3InputMode="Pipe")]},
         "not executed by the local cloud: S3InputMode Pipe of input a"),
        ({"ProcessingInputs": [{"InputName": "q", "DatasetDefinition": dataset()}]},
         "not executed by the local cloud: DatasetDefinition of input q"),
        ({"ProcessingOutputConfig": {"Outputs": [
            {"OutputName": "f", "FeatureStoreOutput": {"FeatureGroupName": "g"}, "AppManaged": True}
        ]}}, "FeatureStoreOutput of output f"),
        ({"ProcessingOutputConfig": {"Outputs": [an_output("j", "o"), an_output("j", "o")]}},
         "more than one OutputName o"),
        ({"AppSpecification": {"ImageUri": "strange/image:1"}},
         "the image strange/image:1 has no program on this machine"),
        ({"AppSpecification": {"ImageUri": SKLEARN}}, "AppSpecification.ContainerEntrypoint"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/missing"}, "Could not assume role"),
    ],
)  # fmt: skip
def test_invalid_request_starts_no_job(
    stage: Stage, changes: dict[str, Any], expected: str
) -> None:
    spec = request(stage, "") | changes
    code, message = refusal(stage.sagemaker.create_processing_job, spec)
    assert code == "ValidationException"
    assert expected in message
    name = spec["ProcessingJobName"]
    assert not stage.sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]


def test_allowed_unknown_image_is_stored_and_can_be_stopped(stage: Stage) -> None:
    spec = request(stage, "", AppSpecification={"ImageUri": "elsewhere/image:1"})
    assert run(stage, spec)["ProcessingJobStatus"] == "InProgress"
    stage.sagemaker.stop_processing_job(ProcessingJobName=spec["ProcessingJobName"])
    assert statuses(stage, "Processing")[-1] == "Stopped"
