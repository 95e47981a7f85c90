"""Two copies of the project's app in one account, and the resources that remain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deployed import assembly, family, settings_variant

from sageloop.local_cloud.assembly import deploy_assembly, destroy
from sageloop.local_cloud.client import LocalCloud

pytestmark = pytest.mark.slow

NAMES = ("sageloop-prod", "sageloop-two")
# Data, their encryption keys, the model history, and the access logs.
KEPT = {
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::KMS::Key",
    "AWS::DynamoDB::Table",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::Logs::LogGroup",
}


class Copies:
    """The two deployed copies, and the order in which their stacks were deployed."""

    def __init__(self, cloud: LocalCloud, folders: list[Path]) -> None:
        self.cloud = cloud
        self.outputs = [deploy_assembly(cloud, folder) for folder in folders]
        self.stacks = [list(outputs) for outputs in self.outputs]
        self.folders = folders

    def statuses(self) -> dict[str, str]:
        listing = self.cloud.client("cloudformation").describe_stacks()["Stacks"]
        return {s["StackName"]: s["StackStatus"] for s in listing}

    def destroy(self, copy: int) -> None:
        for stack in reversed(self.stacks[copy]):
            destroy(self.cloud, stack)

    def retained(self) -> list[dict[str, Any]]:
        """The events of resources that deletes retained by design."""
        client = self.cloud.client("cloudformation")
        gone = client.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
        return [
            event
            for stack in gone
            for event in client.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
            if event["ResourceStatus"] == "DELETE_SKIPPED"
        ]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    other = settings_variant(tmp_path_factory.mktemp("settings"), name='"sageloop-two"')
    with LocalCloud.start() as cloud:
        yield Copies(cloud, [assembly("prod"), assembly(other)])


def test_two_copies_are_deployed_in_one_account(copies: Copies) -> None:
    assert set(copies.statuses().values()) == {"CREATE_COMPLETE"}
    assert len(copies.statuses()) == 10
    first, second = (o[f"{n}-Data"]["DataBucket"] for o, n in zip(copies.outputs, NAMES, strict=True))  # fmt: skip # noqa: E501
    assert first != second


def test_repeated_deploy_of_the_same_assembly_changes_nothing(copies: Copies) -> None:
    before = len(copies.cloud.calls(action="cloudformation:ExecuteChangeSet"))

    deploy_assembly(copies.cloud, copies.folders[0])

    assert len(copies.cloud.calls(action="cloudformation:ExecuteChangeSet")) == before


def test_destroyed_copies_leave_only_retained_resources(copies: Copies) -> None:
    copies.destroy(1)
    assert {n.split("-")[1] for n in copies.statuses()} == {
        "prod"
    }  # the other copy is still deployed
    copies.destroy(0)

    assert copies.statuses() == {}
    assert {event["ResourceType"] for event in copies.retained()} <= KEPT
    assert {"AWS::S3::Bucket", "AWS::KMS::Key"} <= {e["ResourceType"] for e in copies.retained()}
    assert _left(copies.cloud) == {}
    assert copies.cloud.health()["processes"] == {}


def test_retained_resources_are_readable(copies: Copies) -> None:
    bucket = copies.outputs[0]["sageloop-prod-Data"]["DataBucket"]
    s3 = copies.cloud.client("s3")

    s3.put_object(Bucket=bucket, Key="kept", Body=b"still here")

    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"still here"


def test_destroyed_copy_is_deployed_and_destroyed_again(copies: Copies) -> None:
    deploy_assembly(copies.cloud, copies.folders[0])
    assert set(copies.statuses().values()) == {"CREATE_COMPLETE"}

    copies.destroy(0)

    assert copies.statuses() == {}
    assert copies.cloud.pid is not None
    assert not [p for p in family(copies.cloud.pid) if "lambda:" in " ".join(p.cmdline())]


def _left(cloud: LocalCloud) -> dict[str, list[str]]:
    """Resources that must not outlive the stacks, by kind."""
    iam, ec2 = cloud.client("iam"), cloud.client("ec2")
    sagemaker, mine = cloud.client("sagemaker"), ("sageloop-",)
    listing = {
        "roles": [r["RoleName"] for r in iam.list_roles(MaxItems=1000)["Roles"]],
        "policies": [p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]],
        "functions": [
            f["FunctionName"] for f in cloud.client("lambda").list_functions()["Functions"]
        ],
        "rules": [r["Name"] for r in cloud.client("events").list_rules()["Rules"]],
        "alarms": [
            a["AlarmName"] for a in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
        ],
        "topics": [
            t["TopicArn"].split(":")[-1] for t in cloud.client("sns").list_topics()["Topics"]
        ],
        "queues": [
            q.rsplit("/", 1)[-1] for q in cloud.client("sqs").list_queues().get("QueueUrls", [])
        ],
        "endpoints": [e["EndpointName"] for e in sagemaker.list_endpoints()["Endpoints"]],
        "models": [m["ModelName"] for m in sagemaker.list_models()["Models"]],
        "notebooks": [
            n["NotebookInstanceName"]
            for n in sagemaker.list_notebook_instances()["NotebookInstances"]
        ],
    }
    left = {kind: [n for n in names if n.startswith(mine)] for kind, names in listing.items()}
    left["endpoints of networks"] = [
        e["VpcEndpointId"]
        for e in ec2.describe_vpc_endpoints()["VpcEndpoints"]
        if e["State"] != "deleted"
    ]
    left["networks"] = [v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]]
    return {kind: names for kind, names in left.items() if names}
