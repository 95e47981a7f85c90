"""The `local_cloud` fixture in a user's own tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

_TESTS = """
import json
from aws_cdk import App, CfnOutput, Stack, aws_s3, aws_ssm


def test_a_template_is_deployed(local_cloud):
    template = {
        "Parameters": {"Seconds": {"Type": "Number"}},
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue",
                                "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}}}},
        "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
    }

    outputs = local_cloud.deploy_template("queues", template, Seconds="45")

    found = local_cloud.client("sqs").get_queue_attributes(
        QueueUrl=outputs["Url"], AttributeNames=["VisibilityTimeout"])
    assert found["Attributes"]["VisibilityTimeout"] == "45"


def test_a_cdk_app_of_two_stacks_is_deployed(local_cloud):
    app = App()
    one, two = Stack(app, "One"), Stack(app, "Two")
    bucket = aws_s3.Bucket(one, "Bucket", versioned=True)
    CfnOutput(one, "Name", value=bucket.bucket_name)
    aws_ssm.StringParameter(two, "Where", parameter_name="/where", string_value=bucket.bucket_arn)

    outputs = local_cloud.deploy(app)

    name = outputs["One"]["Name"]
    status = local_cloud.client("s3").get_bucket_versioning(Bucket=name)["Status"]
    where = local_cloud.client("ssm").get_parameter(Name="/where")["Parameter"]["Value"]
    assert (status, where) == ("Enabled", f"arn:aws:s3:::{name}")


def test_the_cloud_is_the_modules_own_and_a_stack_can_be_destroyed(local_cloud):
    queues = local_cloud.client("sqs").list_queues()["QueueUrls"]
    assert len(queues) == 1  # the first test's

    local_cloud.destroy("queues")

    assert local_cloud.client("sqs").list_queues().get("QueueUrls", []) == []
    local_cloud.settle()
"""

_DENIED = """
import json, boto3, pytest

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
         "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}]}


@pytest.fixture(scope="module")
def reader(local_cloud):
    iam = boto3.client("iam")
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    keys = boto3.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="me")["Credentials"]
    yield boto3.client(
        "s3", endpoint_url=local_cloud.endpoint_url, aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
    iam.delete_role(RoleName="reader")


@pytest.mark.parametrize("time", [1, 2])
def test_buckets_are_listed(reader, time):
    assert reader.list_buckets()["Buckets"] == []
"""
_DENIAL = "arn:aws:iam::123456789012:role/reader was denied s3:ListAllMyBuckets on arn:aws:s3:::*: "


def test_users_tests_deploy_into_the_cloud_of_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(_TESTS)
    before = set(psutil.Process().children(recursive=True))

    ended = _pytest(tmp_path)

    assert ended.returncode == 0, ended.stdout
    assert "3 passed" in ended.stdout
    assert set(psutil.Process().children(recursive=True)) <= before


def test_scope_of_the_fixture_is_configurable(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nlocal_cloud_scope = function\n")
    (tmp_path / "test_mine.py").write_text(
        "def test_one(local_cloud):\n"
        "    local_cloud.client('s3').create_bucket(Bucket='one')\n\n"
        "def test_two(local_cloud):\n"
        "    assert local_cloud.client('s3').list_buckets()['Buckets'] == []\n"
    )

    ended = _pytest(tmp_path)

    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    ("mode", "outcome", "listed"),
    [("enforce", "2 failed", 1), ("off", "2 passed", 0)],
)
def test_access_mode_decides_about_denied_calls(
    tmp_path: Path, mode: str, outcome: str, listed: int
) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nlocal_cloud_iam = {mode}\n")
    (tmp_path / "test_mine.py").write_text(_DENIED)

    lines = _pytest(tmp_path).stdout.splitlines()

    assert f"local cloud: region us-east-1, iam {mode}, CDK validation off" in lines
    assert outcome in lines[-1]
    assert sum(line.startswith(_DENIAL) for line in lines) == listed


def test_calls_denied_in_parallel_workers_are_carried_out_and_listed(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nlocal_cloud_iam = warn\n")
    (tmp_path / "test_mine.py").write_text(_DENIED)

    lines = _pytest(tmp_path, "-n", "1").stdout.splitlines()

    assert "2 passed" in lines[-1]
    assert sum(line.startswith(_DENIAL) for line in lines) == 1


def test_unknown_access_mode_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nlocal_cloud_iam = strict\n")
    (tmp_path / "test_mine.py").write_text(_DENIED)

    ended = _pytest(tmp_path)

    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert ended.stderr.strip() == (
        "ERROR: local_cloud_iam: the access mode must be one of enforce, warn, off, got 'strict'"
    )


def _pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(folder)],
        cwd=folder, text=True, capture_output=True, check=False, timeout=600,
    )  # fmt: skip
