"""Training jobs on several hosts: names, network and artifacts."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from training_stage import (  # noqa: F401 - fixtures are found by name
    BUCKET,
    aws,
    channel,
    files_in,
    messages,
    model,
    program,
    put,
    request,
    run,
    world,
)

from sageloop.local_cloud.sagemaker import isolation

TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
GROUPS = {
    "VolumeSizeInGB": 1,
    "InstanceGroups": [
        {"InstanceGroupName": "data", "InstanceType": "ml.m5.large", "InstanceCount": 1},
        {"InstanceGroupName": "gpu", "InstanceType": "ml.g5.xlarge", "InstanceCount": 2},
    ],
}
WRITE_NAME = 'echo "$TRAINING_JOB_NAME" > "${SAGEMAKER_BASE_DIR:-/opt/ml}/model/n"'
REPORT_HOST = """
import json, os, pathlib, socket
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
config = json.loads((base / "input/config/resourceconfig.json").read_text())
host = config["current_host"]
config |= {
    "addresses": json.loads(os.environ["SAGELOOP_HOST_ADDRESSES"]),
    "port": os.environ["SAGELOOP_MASTER_PORT"], "cache": os.environ["SAGELOOP_CACHE_DIR"],
    "host_name": socket.gethostname(), "channels": sorted(os.listdir(base / "input/data")),
}
(base / f"model/{host}.json").write_text(json.dumps(config))
(base / f"output/data/{host}.txt").write_text(host)
print(f"here {host} loss={host[-1]}")
"""
MEET = """
import json, os, pathlib, socket
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
config = json.loads((base / "input/config/resourceconfig.json").read_text())
addresses = json.loads(os.environ["SAGELOOP_HOST_ADDRESSES"])
address = (config["hosts"][0], int(os.environ["SAGELOOP_MASTER_PORT"]))
try:
    socket.gethostbyname(address[0])
except OSError:
    address = (addresses[address[0]], address[1])
if config["current_host"] == config["hosts"][0]:
    with socket.create_server(address) as server:
        connection, _ = server.accept()
        (base / "model/greeting").write_bytes(connection.recv(100))
else:
    while True:
        try:
            connection = socket.create_connection(address)
            break
        except ConnectionRefusedError:
            pass
    connection.sendall(config["current_host"].encode())
"""


@pytest.mark.feature("training: several instances")
def test_each_host_has_opt_ml_and_the_models_are_merged(aws: SimpleNamespace, program: Any) -> None:
    image = program(REPORT_HOST)
    specification = {
        "TrainingImage": image, "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9]+)"}],
    }  # fmt: skip

    run(aws, request("job", image, ResourceConfig=TWO, AlgorithmSpecification=specification))

    report = {name: json.loads(body) for name, body in model(aws).items()}
    assert sorted(report) == ["algo-1.json", "algo-2.json"]
    for number in (1, 2):
        config = report[f"algo-{number}.json"]
        assert config["current_host"] == f"algo-{number}"
        assert config["hosts"] == ["algo-1", "algo-2"]
        assert config["topology"] is None
        assert config["addresses"].keys() == {"algo-1", "algo-2"}
        assert config["instance_groups"] == [
            {
                "instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large",
                "hosts": ["algo-1", "algo-2"],
            }
        ]  # fmt: skip
    assert report["algo-1.json"]["port"] == report["algo-2.json"]["port"]
    assert files_in(aws, "out/job/output/output.tar.gz").keys() == {"algo-1.txt", "algo-2.txt"}
    assert messages(aws, "job", "algo-2") == ["here algo-2 loss=2"]
    assert {s[2] for s in aws.metrics.samples if s[1] == "loss"} == {1.0, 2.0}


@pytest.mark.feature("training: heterogeneous groups")
def test_instance_groups_have_their_types_and_channels(aws: SimpleNamespace, program: Any) -> None:
    put(aws, **{"a/1": b"1", "b/1": b"1"})
    data = [
        channel("rows", "s3://training-tests/a", InstanceGroupNames=["data"]),
        channel("images", "s3://training-tests/b", InstanceGroupNames=["data", "gpu"]),
    ]

    job = run(
        aws, request("job", program(REPORT_HOST), ResourceConfig=GROUPS, InputDataConfig=data)
    )

    assert job["TrainingJobStatus"] == "Completed"
    report = {name: json.loads(body) for name, body in model(aws).items()}
    assert report["algo-1.json"]["channels"] == ["images", "rows"]
    assert report["algo-3.json"]["channels"] == ["images"]
    assert report["algo-3.json"]["current_group_name"] == "gpu"
    assert report["algo-3.json"]["current_instance_type"] == "ml.g5.xlarge"
    groups = report["algo-3.json"]["instance_groups"]
    assert [group["hosts"] for group in groups] == [["algo-1"], ["algo-2", "algo-3"]]


@pytest.mark.feature("training: hosts connect by name")
@pytest.mark.parametrize("isolated", [False, True])
def test_hosts_connect_by_name_on_the_common_port(
    aws: SimpleNamespace, program: Any, isolated: bool
) -> None:
    spec = request("job", program(MEET), ResourceConfig=TWO, EnableNetworkIsolation=isolated)

    job = run(aws, spec)

    assert job["TrainingJobStatus"] == "Completed"
    assert model(aws) == {"greeting": b"algo-2"}


@pytest.mark.skipif(not isolation.available(), reason="this kernel has no user namespaces")
def test_host_is_named_as_in_its_configuration(aws: SimpleNamespace, program: Any) -> None:
    run(aws, request("job", program(REPORT_HOST), ResourceConfig=TWO))

    assert json.loads(model(aws)["algo-2.json"])["host_name"] == "algo-2"


@pytest.mark.feature("training: one host fails, the job fails with its reason")
def test_failed_host_stops_the_others(aws: SimpleNamespace, program: Any) -> None:
    image = program(
        "import json, os, pathlib, signal, sys\n"
        "base = pathlib.Path(os.environ.get('SAGEMAKER_BASE_DIR', '/opt/ml'))\n"
        "config = json.loads((base / 'input/config/resourceconfig.json').read_text())\n"
        "if config['current_host'] == 'algo-1':\n"
        "    signal.pause()\n"
        "(base / 'output/failure').write_text('algo-2 has no data')\n"
        "sys.exit(4)\n"
    )

    job = run(aws, request("job", image, ResourceConfig=TWO))

    assert job["FailureReason"] == "AlgorithmError: algo-2 has no data, exit code: 4"
    assert aws.cloud.processes.running() == {}


@pytest.mark.feature("training: network isolation")
@pytest.mark.skipif(
    not isolation.networks_available(), reason="private networks are not available on this machine"
)
def test_isolated_container_has_no_network(aws: SimpleNamespace, program: Any) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        source = (
            "import os, socket, sys\n"
            "try:\n"
            "    socket.create_connection(('127.0.0.1', int(os.environ['PORT'])), timeout=5)\n"
            "except ConnectionRefusedError:\n"
            "    sys.exit(0)\n"
            "sys.exit(9)\n"
        )
        spec = request("job", program(source), Environment={"PORT": str(port)})
        with_network = run(aws, spec)
        spec = spec | {"TrainingJobName": "isolated", "EnableNetworkIsolation": True}
        without = run(aws, spec)

    assert with_network["FailureReason"] == "AlgorithmError: , exit code: 9"
    assert without["TrainingJobStatus"] == "Completed"


@pytest.mark.feature("training: custom entry point")
def test_entry_point_of_the_job_replaces_that_of_the_image(
    aws: SimpleNamespace, program: Any
) -> None:
    image = program("raise SystemExit(5)")
    specification = {
        "TrainingImage": image, "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/sh", "-c"],
        "ContainerArguments": [WRITE_NAME],
    }  # fmt: skip

    run(aws, request("job", image, AlgorithmSpecification=specification))

    assert model(aws) == {"n": b"job\n"}


def test_entry_point_uses_the_local_python(aws: SimpleNamespace, program: Any) -> None:
    image = program("")
    specification = {
        "TrainingImage": image, "TrainingInputMode": "File",
        "ContainerEntrypoint": ["python3", "-c", "import boto3, sageloop"],
    }  # fmt: skip

    job = run(aws, request("job", image, AlgorithmSpecification=specification))

    assert job["TrainingJobStatus"] == "Completed"


@pytest.mark.feature("training: model as plain objects")
def test_uncompressed_model_is_uploaded_as_objects(aws: SimpleNamespace, program: Any) -> None:
    output = {"S3OutputPath": "s3://training-tests/out", "CompressionType": "NONE"}
    image = program(
        "import os, pathlib\n"
        "base = pathlib.Path(os.environ.get('SAGEMAKER_BASE_DIR', '/opt/ml'))\n"
        "(base / 'model/sub').mkdir()\n"
        "(base / 'model/sub/weights').write_text('w')\n"
    )

    job = run(aws, request("job", image, OutputDataConfig=output))

    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://training-tests/out/job/output/model/"
    body = aws.s3.get_object(Bucket=BUCKET, Key="out/job/output/model/sub/weights")["Body"]
    assert body.read() == b"w"
