"""Clouds that are forked from a template process."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import psutil
import pytest

from sageloop.local_cloud.client import LocalCloud, LocalCloudError
from sageloop.local_cloud.template import CloudTemplate, TemplateError


@pytest.fixture
def template() -> CloudTemplate:
    """The session's template, from which ``LocalCloud.start`` forks."""
    assert LocalCloud.template is not None
    return LocalCloud.template


@pytest.mark.slow
def test_forked_clouds_do_not_share_state(template: CloudTemplate) -> None:
    with LocalCloud.start() as first, LocalCloud.start() as second:
        first.client("s3").create_bucket(Bucket="only-first")
        first.client("iam").create_user(UserName="only-first")

        assert second.client("s3").list_buckets()["Buckets"] == []
        assert second.client("iam").list_users()["Users"] == []
        assert first.access.secret_access_key != second.access.secret_access_key
        assert first.access.admin_token != second.access.admin_token


def test_state_of_an_ended_cloud_is_not_in_the_next(template: CloudTemplate) -> None:
    with LocalCloud.start() as first:
        first.client("sqs").create_queue(QueueName="before")
    with LocalCloud.start() as second:
        assert "QueueUrls" not in second.client("sqs").list_queues()


def test_identifiers_of_forked_clouds_differ(template: CloudTemplate) -> None:
    made = []
    for _ in range(2):
        with LocalCloud.start() as cloud:
            made.append(cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])

    assert made[0] != made[1]


def test_default_vpcs_of_forked_clouds_differ(template: CloudTemplate) -> None:
    ids = set()
    for _ in range(2):
        with LocalCloud.start() as cloud:
            (vpc,) = cloud.client("ec2").describe_vpcs()["Vpcs"]
            ids.add(vpc["VpcId"])

    assert len(ids) == 2


def test_forked_cloud_starts_in_the_directory_of_its_owner(
    template: CloudTemplate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with LocalCloud.start() as cloud:
        assert Path(psutil.Process(cloud.pid).cwd()) == tmp_path


@pytest.mark.parametrize(
    ("region", "partition"), [("us-east-1", "aws"), ("eu-west-1", "aws"), ("cn-north-1", "aws-cn")]
)
def test_forked_cloud_has_aws_managed_policies(
    template: CloudTemplate, region: str, partition: str
) -> None:
    arn = f"arn:{partition}:iam::aws:policy/AmazonSageMakerFullAccess"
    with LocalCloud.start(region=region) as cloud:
        policy = cloud.client("iam").get_policy(PolicyArn=arn)["Policy"]

    assert policy["Arn"] == arn


def test_region_is_the_one_requested(template: CloudTemplate) -> None:
    with LocalCloud.start(region="eu-west-1") as cloud:
        bus = cloud.client("events").describe_event_bus()["Arn"]

    assert bus.split(":")[3] == "eu-west-1"


def test_stopped_cloud_leaves_no_process(template: CloudTemplate) -> None:
    with LocalCloud.start() as cloud:
        server = psutil.Process(cloud.pid)
        processes = [server, *server.children(recursive=True)]

    assert psutil.wait_procs(processes, timeout=20)[1] == []


def test_cpu_time_of_an_ended_cloud_is_counted_with_its_template(template: CloudTemplate) -> None:
    with LocalCloud.start() as cloud:
        server = psutil.Process(cloud.pid)
        parent = server.parent()
        assert parent is not None
        before = _of_ended_children(parent)
        used = server.cpu_times().user

    assert used > 0
    assert _of_ended_children(parent) - before >= used


def _of_ended_children(process: psutil.Process) -> float:
    return float(process.cpu_times().children_user)


def test_killed_cloud_leaves_no_process(template: CloudTemplate) -> None:
    cloud = LocalCloud.start()
    server = psutil.Process(cloud.pid)
    processes = [server, *server.children(recursive=True)]

    server.send_signal(signal.SIGKILL)

    assert psutil.wait_procs(processes, timeout=20)[1] == []
    cloud.stop()


def test_taken_port_is_reported(template: CloudTemplate) -> None:
    with LocalCloud.start() as cloud:
        port = int(cloud.endpoint_url.rsplit(":", 1)[1])

        with pytest.raises(LocalCloudError, match=f"port {port} cannot be bound"):
            LocalCloud.start(port=port)


def test_messages_go_to_the_log(template: CloudTemplate, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with LocalCloud.start(log=log) as taken, pytest.raises(LocalCloudError, match="cannot be"):
        LocalCloud.start(port=int(taken.endpoint_url.rsplit(":", 1)[1]), log=log)

    assert "cannot be bound" in log.read_text()


@pytest.mark.slow
def test_ended_template_is_reported_while_its_clouds_run() -> None:
    with CloudTemplate() as ended:
        server = ended.fork([], env={})
        assert "endpoint_url" in server.stdout.readline()
        template = psutil.Process(server.pid).parent()
        assert template is not None
        template.kill()
        template.wait(20)

        with pytest.raises(TemplateError, match="template of the local clouds has ended"):
            ended.fork(["--help"], env={})
        server.terminate()
        server.wait(20)


def test_failed_fork_leaves_no_open_descriptor(
    template: CloudTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = psutil.Process()
    with socket.socket() as unconnected:
        monkeypatch.setattr(template, "_running", (unconnected, None))
        before = process.num_fds()

        with pytest.raises(TemplateError):
            template.fork([], env={})

        assert process.num_fds() == before
