"""Account variables in the shell, ports in use and killed clouds."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError
from deployed import family, function_template, survivors

from sageloop.demo.cdk import Cdk
from sageloop.environment import NotLoopbackError
from sageloop.local_cloud.access.cloud_access import CloudAccess
from sageloop.local_cloud.assembly import deploy_template
from sageloop.local_cloud.client import LocalCloud, LocalCloudError
from sageloop.waiting import until
from scripts.synthesis import ROOT, synthesise

REAL = "AKIAREALREALREALREAL"
ENVIRONMENT = "import os\ndef handler(event, context):\n    return dict(os.environ)\n"


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A shell with a real account's variables, which name a listener of the test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for name, value in {
            "AWS_PROFILE": "production", "AWS_ACCESS_KEY_ID": REAL,
            "AWS_SECRET_ACCESS_KEY": f"secret-{REAL}", "AWS_SESSION_TOKEN": f"token-{REAL}",
            "AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_S3": url, "HTTPS_PROXY": url,
            "HTTP_PROXY": url, "AWS_CA_BUNDLE": "/nowhere/bundle.pem",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        yield listener
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()  # no connection arrived


def function_environment(cloud: LocalCloud) -> dict[str, str]:
    """The environment variables of a deployed function."""
    name = deploy_template(cloud, "environment", function_template(ENVIRONMENT))["Function"]
    answer = cloud.client("lambda").invoke(FunctionName=name)
    return dict(json.loads(answer["Payload"].read()))


def test_account_variables_do_not_reach_the_cloud_or_its_children(
    outside: socket.socket,
) -> None:
    with LocalCloud.start() as cloud:
        environment = function_environment(cloud)
        assert cloud.pid is not None
        everyone = {p: p.environ() for p in family(cloud.pid)}

        assert environment["AWS_ENDPOINT_URL"] == cloud.endpoint_url
        assert environment["AWS_ACCESS_KEY_ID"].startswith("LKIA")
    port = str(outside.getsockname()[1])
    for each in (environment, *everyone.values()):
        assert REAL not in str(each)
        assert f":{port}" not in str(each)
        assert "AWS_PROFILE" not in each


def test_server_removes_account_variables_of_the_shell(outside: socket.socket) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sageloop.local_cloud.server", "--with-parent"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        cloud = LocalCloud.from_access(CloudAccess.from_json(process.stdout.readline()))
        environment = function_environment(cloud)
    finally:
        process.stdin.close()
        process.wait(180)

    assert REAL not in str(environment)
    assert str(outside.getsockname()[1]) not in str(environment)


def test_cdk_command_line_has_no_account_variables(outside: socket.socket, tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    (tmp_path / "cdk.json").touch()
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "cdk"
    fake.write_text(f"#!{sys.executable}\nimport os\nprint(dict(os.environ))\n")
    fake.chmod(0o755)
    cloud = LocalCloud("http://127.0.0.1:9")
    cloud.environment = lambda: {  # type: ignore[method-assign]
        **LocalCloud.environment(cloud), "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    }  # fmt: skip

    result = Cdk(tmp_path, cloud, work=tmp_path, log=tmp_path / "log").run("list", settings="dev")

    assert result.code == 0
    assert REAL not in result.output
    assert f":{outside.getsockname()[1]}" not in result.output
    assert "production" not in result.output


@pytest.mark.parametrize("url", ["https://sagemaker.us-east-1.amazonaws.com", "http://10.0.0.1"])
def test_endpoint_of_another_machine_is_refused(url: str) -> None:
    with pytest.raises(NotLoopbackError, match=f"must be on this machine .*{url}"):
        LocalCloud(url)


def test_malformed_settings_are_refused_with_key_value_and_allowed_values(tmp_path: Path) -> None:
    text = (ROOT / "settings" / "prod.toml").read_text()
    for old, new in (
        ('name = "sageloop-prod"', 'name = "Bad_Name"'),
        ("zones = 2 ", "zones = 9 "),
        ("canary_instances = 1", "canary_instances = 2"),
        ("model_quality_threshold = 12.0", 'model_quality_threshold = "high"'),
        ("[monitoring]", "[monitoring]\nlive_eror = 3"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text)

    ended = synthesise(str(wrong), tmp_path / "out")

    assert ended.returncode == 1
    head, *lines = ended.stderr.strip().splitlines()
    assert head == "wrong.toml cannot be used:"
    message = dict(line.strip().split(": ", 1) for line in lines)
    assert "'Bad_Name'" in message["project.name"]
    assert message["network.zones"] == "got 9; input should be less than or equal to 3"
    assert "at most half of instance_count" in message["serving"]
    assert "'high'" in message["monitoring.model_quality_threshold"]
    assert "there is no such key" in message["monitoring.live_eror"]
    assert len(message) == 5
    assert not (tmp_path / "out").exists()


def test_missing_settings_are_refused_with_existing_names(tmp_path: Path) -> None:
    ended = synthesise("staging", tmp_path / "out")

    assert ended.returncode == 1
    assert ended.stderr.strip() == (
        "no settings 'staging': allowed are dev, prod, tune or the path of a .toml file"
    )


def test_port_in_use_is_reported_and_leaves_no_process() -> None:
    before = set(psutil.Process().children(recursive=True))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalCloudError, match=f"port {port} cannot be bound on 127.0.0.1"):
            LocalCloud.start(port=port)

    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.slow
def test_two_clouds_are_isolated() -> None:
    with LocalCloud.start() as one, LocalCloud.start() as two:
        deploy_template(one, "same", {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
        two.client("s3").create_bucket(Bucket="same")
        two.advance(hours=5)

        with pytest.raises(ClientError, match="does not exist"):
            two.client("cloudformation").describe_stacks(StackName="same")
        assert one.client("s3").list_buckets()["Buckets"] == []
        assert two.client("sqs").list_queues().get("QueueUrls", []) == []
        assert two.time() - one.time() > 4 * 3600
        assert not {c["action"] for c in one.calls()} & {"s3:CreateBucket"}


def test_stopped_cloud_leaves_no_process() -> None:
    cloud = LocalCloud.start()
    function_environment(cloud)
    assert cloud.pid is not None
    everyone = family(cloud.pid)
    assert len(everyone) > 2

    cloud.stop()

    assert survivors(everyone) == []


def test_cloud_stopped_during_a_deployment_leaves_no_process() -> None:
    check = {
        "Type": "Custom::Check",
        "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}},
    }
    template = function_template("def handler(event, context):\n    pass\n", Check=check)
    cloud = LocalCloud.start()
    cloud.client("cloudformation").create_stack(
        StackName="unanswered", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
    )
    until("the request", lambda: cloud.calls(action="lambda:Invoke"), seconds=180)
    assert cloud.pid is not None
    everyone = family(cloud.pid)

    cloud.stop()

    assert survivors(everyone) == []


def test_killed_cloud_leaves_no_process() -> None:
    cloud = LocalCloud.start()
    function_environment(cloud)
    assert cloud.pid is not None
    everyone = family(cloud.pid)

    os.kill(cloud.pid, signal.SIGKILL)
    with suppress(LocalCloudError):
        cloud.stop()

    assert survivors(everyone) == []


def test_cloud_ends_with_its_parent_process() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c",
         "import sys\nfrom sageloop.local_cloud.client import LocalCloud\n"
         "print(LocalCloud.start().pid, flush=True)\nsys.stdin.read()\n"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert starter.stdout is not None
    everyone = family(int(starter.stdout.readline()))

    starter.kill()
    starter.communicate()

    assert survivors(everyone) == []
