"""Jobs that fail, models that do not answer, challengers that fail during baking.

The cloud of this module runs in a shell with a real account's variables, and beside a listener
that represents everything outside: children have no access to either.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from deployed import Loop, deploy_project, family, reasons, survivors
from roles import HOSTING, SAGEMAKER, role_properties

from sageloop.local_cloud.access.cloud_access import CloudAccess
from sageloop.local_cloud.assembly import DeploymentError, deploy_template
from sageloop.local_cloud.client import LocalCloud
from sageloop.waiting import until

pytestmark = pytest.mark.slow

WINTER, SUMMER = date(2013, 1, 1), date(2013, 6, 1)
REAL = "AKIAREALREALREALREAL"


class Outside:
    """A listener for every address outside this machine that a variable can contain."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.visits = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            visitor, _ = self._socket.accept()
            self.visits += 1
            visitor.close()


class Odd:
    """A cloud whose containers misbehave on request, with a deployed loop."""

    def __init__(self, folder: Path, outside: Outside) -> None:
        self.folder, self.outside = folder, outside
        users = {
            "AWS_PROFILE": "production", "AWS_ACCESS_KEY_ID": REAL,
            "AWS_SECRET_ACCESS_KEY": f"secret-{REAL}", "AWS_SESSION_TOKEN": f"token-{REAL}",
            "AWS_ENDPOINT_URL": outside.url, "HTTPS_PROXY": outside.url, "HTTP_PROXY": outside.url,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("faulty_server.py")), str(folder)],
            env=os.environ | users, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.cloud = LocalCloud.from_access(CloudAccess.from_json(self.process.stdout.readline()))
        self.loop = deploy_project(self.cloud)

    @contextmanager
    def misbehaving(self, how: str) -> Iterator[None]:
        flag = self.folder / how
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()

    def cap_start_ups(self, seconds: float) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def children(self) -> list[psutil.Process]:
        return family(self.process.pid)[1:]

    def end(self) -> list[str]:
        everyone = family(self.process.pid)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(180)
        return survivors(everyone)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    made = Odd(tmp_path_factory.mktemp("odd"), Outside())
    yield made
    assert made.end() == []
    assert made.outside.visits == 0


@pytest.fixture(scope="module")
def loop(odd: Odd) -> Loop:
    """The loop with its first champion in service."""
    (odd.folder / "environment").touch()
    odd.loop.deliver(WINTER, 14)
    until("the first endpoint", odd.loop.watch.in_service, seconds=180)
    odd.cloud.settle()
    return odd.loop


def served(loop: Loop) -> str:
    actual = loop.watch.in_service()
    assert actual is not None
    return str(actual["EndpointConfigName"])


def concluded(loop: Loop, jobs: int) -> dict[str, Any]:
    """The last of so many jobs, after the loop has processed its end."""
    actual = until("the job to end", lambda: loop.finished(jobs), seconds=180)
    loop.cloud.settle()
    name = actual[-1]["TrainingJobName"]
    return dict(loop.cloud.client("sagemaker").describe_training_job(TrainingJobName=name))


def test_children_of_the_cloud_have_no_account_variables(odd: Odd, loop: Loop) -> None:
    job = json.loads((odd.folder / "environment").read_text())
    (odd.folder / "environment").unlink()
    children = odd.children()

    assert job["AWS_REGION"] == "us-east-1"
    assert REAL not in str(job)
    assert "AWS_PROFILE" not in job
    assert len(children) > 5  # functions, two instances and their supervisors
    variables = [
        c for c in children if REAL in str(c.environ()) or odd.outside.url in str(c.environ())
    ]
    assert [" ".join(c.cmdline()) for c in variables] == []


def test_container_that_exits_3_fails_its_job_and_keeps_the_champion(odd: Odd, loop: Loop) -> None:
    before, jobs = served(loop), len(loop.watch.jobs())

    with odd.misbehaving("exits-3"):
        loop.deliver(WINTER, 14)
        job = concluded(loop, jobs + 1)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ")
    assert job["FailureReason"].endswith(", exit code: 3")
    assert "the column 'distance' is not there" in job["FailureReason"]
    assert served(loop) == before
    assert len(loop.packages()) == 1


def test_after_a_failed_job_the_next_delivery_trains_and_equal_model_is_rejected(
    loop: Loop,
) -> None:
    before, jobs, packages = served(loop), len(loop.watch.jobs()), len(loop.packages())

    loop.deliver(WINTER, 14)
    job = concluded(loop, jobs + 1)

    assert job["TrainingJobStatus"] == "Completed"
    assert len(loop.packages()) == packages + 1
    assert loop.packages()[-1]["ModelApprovalStatus"] == "Rejected"
    assert served(loop) == before


def test_model_that_fails_its_health_check_fails_the_endpoint_with_aws_message(odd: Odd) -> None:
    odd.cap_start_ups(2)

    try:
        with odd.misbehaving("silent"), pytest.raises(DeploymentError, match="ping health check"):
            deploy_template(odd.cloud, "silent", _endpoint("own/silent:1"))
    finally:
        odd.cap_start_ups(0)

    (stack,) = odd.cloud.client("cloudformation").describe_stacks(StackName="silent")["Stacks"]
    (reason,) = [
        r for r in reasons(odd.cloud, "silent", "CREATE_FAILED") if r.startswith("Endpoint")
    ]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "did not pass the ping health check. Please check CloudWatch logs" in reason
    assert not [c for c in odd.children() if "silent" in str(c.environ().get("HOSTNAME", ""))]
    assert "endpoint:silent" not in odd.cloud.health()["processes"].values()
    with pytest.raises(ClientError, match="Could not find"):
        odd.cloud.client("sagemaker").describe_endpoint(EndpointName="silent")


def test_challenger_that_fails_during_baking_is_rolled_back_and_quarantined(
    odd: Odd, loop: Loop
) -> None:
    before, jobs = served(loop), len(loop.watch.jobs())
    no_traffic = loop.champion()["package_arn"]
    odd.cloud.set_rate(60)
    traffic = _Traffic(loop)

    with odd.misbehaving("sick"):
        loop.deliver(SUMMER, 14, shift=30.0)
        concluded_job = until("the job to end", lambda: loop.finished(jobs + 1), seconds=180)[-1]
        with traffic:
            until("the rollback", lambda: loop.champion()["state"] == "rolled_back", seconds=180)
    odd.cloud.settle()

    challenger, champion = loop.packages()[-1]["ModelPackageArn"], loop.champion()
    assert concluded_job["TrainingJobStatus"] == "Completed"
    assert served(loop) == before
    assert champion["package_arn"] == no_traffic
    assert challenger in str(champion["quarantined"])
    assert challenger in champion["reason"]
    assert before in champion["reason"]
    assert traffic.answered > 0
    _is_not_deployed_again(odd, loop, before)
    odd.cloud.set_rate(1)


def _is_not_deployed_again(odd: Odd, loop: Loop, config: str) -> None:
    """After an hour of reconciliation the quarantined package is still not deployed."""
    updates = len(odd.cloud.calls(action="sagemaker:UpdateEndpoint"))
    end = odd.cloud.time() + 3600
    odd.cloud.set_rate(7200)
    until("an hour", lambda: odd.cloud.time() > end, seconds=180)
    odd.cloud.set_rate(60)  # at two hours a second a busy machine never becomes idle
    odd.cloud.settle()
    assert len(odd.cloud.calls(action="sagemaker:UpdateEndpoint")) == updates
    assert served(loop) == config


class _Traffic:
    """Sends requests one after the other; those that reach the faulty challenger fail."""

    def __init__(self, loop: Loop) -> None:
        self._loop, self._ended = loop, threading.Event()
        self.answered = self.failed = 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            try:
                self._loop.invoke(SUMMER, shift=30.0, requests=1)
                self.answered += 1
            except ClientError:
                self.failed += 1

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _endpoint(image: str) -> dict[str, Any]:
    model = {
        "ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "PrimaryContainer": {"Image": image},
    }  # fmt: skip
    variant = {
        "VariantName": "AllTraffic", "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
        "InitialInstanceCount": 1, "InstanceType": "ml.m5.large", "InitialVariantWeight": 1,
    }  # fmt: skip
    config = {"EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}}
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role_properties(SAGEMAKER, *HOSTING)},
            "Model": {"Type": "AWS::SageMaker::Model", "Properties": model},
            "Config": {
                "Type": "AWS::SageMaker::EndpointConfig",
                "Properties": {"ProductionVariants": [variant]},
            },
            "Endpoint": {
                "Type": "AWS::SageMaker::Endpoint",
                "Properties": {"EndpointName": "silent", **config},
            },
        }
    }
