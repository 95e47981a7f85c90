"""The stock CDK command line: deploy, diff, update, rollback and destroy of a small app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import assembly, reasons

from sageloop.demo.cdk import Cdk, CdkResult
from sageloop.local_cloud.client import LocalCloud
from scripts.synthesis import ROOT

pytestmark = pytest.mark.slow

_CODE = """
import json, urllib.request

def handler(event, context):
    size = event["ResourceProperties"]["Size"]
    good = event["RequestType"] == "Delete" or size != "13"
    body = {k: event[k] for k in ("StackId", "RequestId", "LogicalResourceId")}
    body |= {"Status": "SUCCESS" if good else "FAILED", "Reason": "13 is too many",
             "PhysicalResourceId": "check", "Data": {"Doubled": size * 2}}
    urllib.request.urlopen(urllib.request.Request(
        event["ResponseURL"], json.dumps(body).encode(), method="PUT"))
"""
_APP = """
import os, sys
from aws_cdk import App, CfnOutput, CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_lambda, aws_s3, aws_sqs, aws_ssm

def synth(size, **options):
    app = App(**options)
    base, top = Stack(app, "Base"), Stack(app, "Top")
    queue = aws_sqs.Queue(base, "Queue", visibility_timeout=Duration.seconds(int(size)))
    bucket = aws_s3.Bucket(top, "Bucket", removal_policy=RemovalPolicy.DESTROY)
    function = aws_lambda.Function(
        top, "Function", runtime=aws_lambda.Runtime.PYTHON_3_11, handler="index.handler",
        code=aws_lambda.Code.from_asset("code"),
    )
    check = CustomResource(
        top, "Check", service_token=function.function_arn, properties={"Size": size}
    )
    aws_ssm.StringParameter(top, "Where", parameter_name="/where", string_value=queue.queue_arn)
    CfnOutput(top, "Doubled", value=check.get_att_string("Doubled"))
    CfnOutput(top, "BucketName", value=bucket.bucket_name)
    app.synth()

if len(sys.argv) == 1:
    synth(os.environ["SAGELOOP_SETTINGS"])
for size in sys.argv[1:]:
    synth(size, outdir="size-" + size)
"""
_SIZES = ("20", "30", "13", "40")
# What the CLI passes to an app, as far as templates depend on it.
_CONTEXT = json.dumps({"aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True})


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as cloud:
        yield cloud


class SmallApp:
    """A two-stack app in a folder; one number determines what it deploys.

    Its first deployment and the ``diff`` after it run the app; the other commands are given
    assemblies, which one run of the app has written for all of them.
    """

    def __init__(self, folder: Path, cloud: LocalCloud) -> None:
        (folder / "app.py").write_text(_APP)
        (folder / "cdk.json").write_text(json.dumps({"app": f"{sys.executable} app.py"}))
        (folder / "code").mkdir()
        (folder / "code" / "index.py").write_text(_CODE)
        synthesised = subprocess.run(
            [sys.executable, "app.py", *_SIZES], cwd=folder, text=True, capture_output=True,
            check=False, env={**os.environ, "CDK_CONTEXT_JSON": _CONTEXT},
        )  # fmt: skip
        assert synthesised.returncode == 0, synthesised.stderr
        self._cdk = Cdk(folder, cloud, work=folder, log=folder / "cdk.log")
        self.cloud = cloud

    def run(self, *arguments: str, size: int, app: bool = False) -> CdkResult:
        requested = arguments if app else (*arguments, "--app", f"size-{size}")
        return self._cdk.run(*requested, settings=str(size), validate=False)

    def deploy(self, size: int, *, app: bool = False) -> CdkResult:
        return self.run("deploy", "--all", "--require-approval", "never", size=size, app=app)

    def statuses(self) -> dict[str, str]:
        listing = self.cloud.client("cloudformation").describe_stacks()["Stacks"]
        return {s["StackName"]: s["StackStatus"] for s in listing}

    def output(self, key: str) -> str:
        (top,) = self.cloud.client("cloudformation").describe_stacks(StackName="Top")["Stacks"]
        return next(o["OutputValue"] for o in top["Outputs"] if o["OutputKey"] == key)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, cloud: LocalCloud) -> SmallApp:
    """The app deployed with the number 20."""
    app = SmallApp(tmp_path_factory.mktemp("small"), cloud)
    for ended in (app.run("bootstrap", size=20), app.deploy(20, app=True)):
        assert ended.code == 0, ended.output
    return app


def test_deploy_creates_both_stacks_with_their_reference(small: SmallApp) -> None:
    where = small.cloud.client("ssm").get_parameter(Name="/where")["Parameter"]["Value"]

    assert small.statuses() == {
        "CDKToolkit": "CREATE_COMPLETE", "Base": "CREATE_COMPLETE", "Top": "CREATE_COMPLETE",
    }  # fmt: skip
    assert where.startswith("arn:aws:sqs:us-east-1:123456789012:Base-Queue")
    assert small.output("Doubled") == "2020"


def test_diff_right_after_deploy_reports_no_differences(small: SmallApp) -> None:
    result = small.run("diff", "--fail", size=20, app=True)

    assert result.code == 0, result.output
    assert result.output.count("There were no differences") == 2
    assert "Number of stacks with differences: 0" in result.output


def test_diff_lists_changes(small: SmallApp) -> None:
    result = small.run("diff", "--fail", "Base", size=30)

    assert result.code == 1
    assert "[~] AWS::SQS::Queue Queue" in result.output
    assert "VisibilityTimeout" in result.output


def test_failed_update_is_rolled_back_with_its_reason(small: SmallApp) -> None:
    ended = small.deploy(13)

    assert ended.code == 1
    assert "13 is too many" in ended.output
    assert small.statuses()["Top"] == "UPDATE_ROLLBACK_COMPLETE"
    assert small.output("Doubled") == "2020"
    assert any("13 is too many" in r for r in reasons(small.cloud, "Top", "UPDATE_FAILED"))


def test_update_after_a_rollback_succeeds(small: SmallApp) -> None:
    before = small.output("BucketName")

    ended = small.deploy(40)

    (url,) = small.cloud.client("sqs").list_queues()["QueueUrls"]
    read = small.cloud.client("sqs").get_queue_attributes
    seconds = read(QueueUrl=url, AttributeNames=["All"])["Attributes"]["VisibilityTimeout"]
    assert ended.code == 0, ended.output
    assert set(small.statuses().values()) <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    assert (seconds, small.output("Doubled"), small.output("BucketName")) == ("40", "4040", before)


def test_destroy_removes_all_resources(small: SmallApp) -> None:
    ended = small.run("destroy", "--all", "--force", size=40)
    cloud = small.cloud

    assert ended.code == 0, ended.output
    assert small.statuses() == {"CDKToolkit": "CREATE_COMPLETE"}
    assert cloud.client("sqs").list_queues().get("QueueUrls", []) == []
    assert cloud.client("lambda").list_functions()["Functions"] == []
    buckets = [b["Name"] for b in cloud.client("s3").list_buckets()["Buckets"]]
    assert [b for b in buckets if not b.startswith("cdk-")] == []
    roles = [r["RoleName"] for r in cloud.client("iam").list_roles()["Roles"]]
    assert [r for r in roles if not r.startswith("cdk-")] == []
    assert cloud.health()["processes"] == {}


def test_project_app_has_no_differences_after_its_deploy(
    small: SmallApp, cloud: LocalCloud
) -> None:
    folder = assembly("prod")

    deployed = _project(cloud, folder, "deploy", "--all", "--require-approval", "never")
    assert deployed.returncode == 0, deployed.stdout
    result = _project(cloud, folder, "diff", "--all", "--fail")

    assert result.returncode == 0, result.stdout
    assert result.stdout.count("There were no differences") == 5


def _project(cloud: LocalCloud, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the CDK CLI on a synthesized assembly."""
    return subprocess.run(
        ["cdk", *arguments, "--app", str(folder)], cwd=ROOT, text=True, check=False,
        env=cloud.environment() | {"CI": "true", "TMPDIR": os.environ.get("TMPDIR", "/tmp")},  # noqa: S108
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
