"""The `local_cloud` fixture in a user's own tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

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


def _pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder, text=True, capture_output=True, check=False, timeout=600,
    )  # fmt: skip
