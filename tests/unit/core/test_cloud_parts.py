"""Call record, faults, principals, activity and processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.access.caller import INTERNAL
from sageloop.local_cloud.core.activity import Activity
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.processes import clean_environment
from sageloop.local_cloud.core.recorder import resource_of
from tests.local.roles import LAMBDA, make_role, trust


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud(CloudConfig())
    yield cloud
    cloud.stop()


def test_call_is_recorded_with_principal_action_resource_and_outcome(cloud: Cloud) -> None:
    iam = cloud.client("iam", principal=INTERNAL)
    role = make_role(
        iam, "Writer", trust(LAMBDA), "s3:CreateBucket", "s3:GetObject", "s3:ListBucket"
    )
    before = len(cloud.recorder.calls())
    s3 = cloud.client("s3", principal=role)
    s3.create_bucket(Bucket="data")
    with pytest.raises(ClientError):
        s3.get_object(Bucket="data", Key="none")

    made, read = cloud.recorder.calls()[before:]
    assert made.principal == "arn:aws:sts::123456789012:assumed-role/Writer/service"
    assert (made.action, made.resource, made.outcome) == ("s3:CreateBucket", "data", "OK")
    assert (read.action, read.resource, read.outcome) == (
        "s3:GetObject", "data/none", "NoSuchKey",
    )  # fmt: skip


def test_recorded_parameters_omit_bodies(cloud: Cloud) -> None:
    kms = cloud.client("kms", principal="tester")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.encrypt(KeyId=key, Plaintext=b"secret")

    (call,) = cloud.recorder.calls(action="kms:Encrypt")
    assert call.params == {"KeyId": key}


@pytest.mark.parametrize(
    ("params", "resource"),
    [
        ({"Bucket": "b", "Key": "k/l"}, "b/k/l"),
        ({"TableName": "t", "Item": {}}, "t"),
        ({"AlarmNames": ["a", "b"]}, "a"),
        ({"RoleArn": "r", "FunctionName": "f"}, "f"),
        ({"MaxResults": 3}, "*"),
    ],
)
def test_recorded_resource_is_taken_from_parameters(params: dict[str, Any], resource: str) -> None:
    assert resource_of(params) == resource


def test_unsupported_operation_is_refused_by_name(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="does not support glue:GetTables"):
        cloud.client("glue", principal="tester").get_tables(DatabaseName="d")


def test_fault_occurs_the_injected_number_of_times(cloud: Cloud) -> None:
    sqs = cloud.client("sqs", principal="tester")
    cloud.faults.inject(kind="call", match="sqs:CreateQueue", code="Throttling", times=1)

    with pytest.raises(ClientError, match="Throttling"):
        sqs.create_queue(QueueName="q")
    sqs.create_queue(QueueName="q")


def test_fault_after_the_call_loses_its_response(cloud: Cloud) -> None:
    sqs = cloud.client("sqs", principal="tester")
    cloud.faults.inject(kind="call", match="sqs:CreateQueue", after=True)

    with pytest.raises(ClientError):
        sqs.create_queue(QueueName="q")

    assert len(sqs.list_queues()["QueueUrls"]) == 1


def test_fault_applies_to_its_principal_only(cloud: Cloud) -> None:
    cloud.faults.inject(kind="call", match="sqs:*", principal="victim", times=None)

    cloud.client("sqs", principal="other").list_queues()
    with pytest.raises(ClientError):
        cloud.client("sqs", principal="victim").list_queues()


@pytest.mark.parametrize("delay", [-1.0, float("nan")])
def test_fault_with_a_negative_delay_is_refused(cloud: Cloud, delay: float) -> None:
    with pytest.raises(ValueError, match=r"delay is .* seconds: 0 or more is allowed"):
        cloud.faults.inject(kind="event", match="*", delay=delay)


def test_wait_idle_returns_when_work_has_ended() -> None:
    activity = Activity()
    leave = threading.Event()
    activity.spawn("work", lambda: leave.wait(180) and None)

    assert activity.wait_idle(0.05, also=list) == ["work"]
    leave.set()
    assert activity.wait_idle(5, also=list) == []
    activity.stop()


def test_background_failure_is_logged_and_ends_the_work(caplog: pytest.LogCaptureFixture) -> None:
    activity = Activity()

    def fail() -> None:
        raise RuntimeError("intentional failure")

    activity.spawn("work", fail)
    assert activity.wait_idle(5, also=list) == []
    assert "intentional failure" in caplog.text
    activity.stop()


def test_cloud_binds_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        CloudConfig(host="0.0.0.0")  # noqa: S104 - what is refused


def test_children_inherit_no_aws_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")

    assert not [name for name in clean_environment() if name.startswith("AWS_")]


def test_children_end_with_killed_cloud(tmp_path: Path) -> None:
    pids = tmp_path / "pid"
    script = f"""
import pathlib, sys
from sageloop.local_cloud.core.processes import Processes, clean_environment
child = Processes().start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"],
                          env=clean_environment())
pathlib.Path({str(pids)!r}).write_text(str(child.pid))
print("ready", flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    child = psutil.Process(int(pids.read_text()))

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(180)
    parent.stdout.close()

    child.wait(180)


def test_concurrent_changes_of_state_do_not_fail(cloud: Cloud) -> None:
    # moto iterates over all policies while another request adds or removes one.
    iam = cloud.client("iam", principal="tester")
    role = "r"
    make_role(iam, role, trust(LAMBDA))
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def live(name: str) -> None:
        arn = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
        iam.detach_role_policy(RoleName=role, PolicyArn=arn)
        iam.delete_policy(PolicyArn=arn)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(live, [f"policy-{n}" for n in range(60)]))
    finally:
        sys.setswitchinterval(before)

    assert [c for c in cloud.recorder if c.outcome != "OK"] == []
