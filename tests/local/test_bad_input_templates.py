"""Invalid templates and failing functions: errors at once, and no resource remains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from deployed import function_template, reasons

from sageloop.local_cloud.assembly import DeploymentError, deploy_template, destroy
from sageloop.local_cloud.client import LocalCloud

ANSWER = """
import json, os, urllib.request
def answer(event, status, reason="", data=None):
    body = {k: event[k] for k in ("StackId", "RequestId", "LogicalResourceId")}
    body |= {"Status": status, "Reason": reason, "Data": data or {},
             "PhysicalResourceId": event.get("PhysicalResourceId", "made")}
    request = urllib.request.Request(
        event["ResponseURL"], json.dumps(body).encode(), method="PUT")
    urllib.request.urlopen(request)
"""
REFUSES = (
    ANSWER
    + """
def handler(event, context):
    ok = event["RequestType"] == "Delete"
    answer(event, "SUCCESS" if ok else "FAILED", "the data set is empty")
"""
)
RAISES = (
    ANSWER
    + """
def handler(event, context):
    if event["RequestType"] != "Delete":
        raise RuntimeError("no such bucket: nowhere")
    answer(event, "SUCCESS")
"""
)
WORKS = (
    ANSWER
    + """
def handler(event, context):
    if event["ResourceProperties"].get("Size") == "13":
        return answer(event, "FAILED", "13 is too many")
    answer(event, "SUCCESS", data={"Type": type(event["ResourceProperties"].get("Size")).__name__})
"""
)


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as cloud:
        yield cloud


@pytest.fixture
def clean(cloud: LocalCloud) -> Iterator[LocalCloud]:
    """The cloud; after the test no stack, no role and no function may exist."""
    yield cloud
    for stack in cloud.client("cloudformation").describe_stacks()["Stacks"]:
        destroy(cloud, stack["StackName"])
    assert cloud.client("lambda").list_functions()["Functions"] == []
    assert cloud.client("iam").list_roles()["Roles"] == []
    assert cloud.client("sqs").list_queues().get("QueueUrls", []) == []


def custom(**properties: Any) -> dict[str, Any]:
    token = {"Fn::GetAtt": ["Function", "Arn"]}
    return {"Type": "Custom::Check", "Properties": {"ServiceToken": token, **properties}}


def test_unknown_types_and_properties_are_all_listed_and_nothing_is_created(
    clean: LocalCloud,
) -> None:
    template = {
        "Resources": {
            "Fine": {"Type": "AWS::SQS::Queue"},
            "Moon": {"Type": "AWS::Lunar::Base"},
            "Cluster": {"Type": "AWS::EKS::Cluster", "Properties": {}},
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeOut": 3}},
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicNam": "x"}},
        }
    }

    with pytest.raises(ClientError) as refused:
        deploy_template(clean, "unknown", template)

    message = str(refused.value)
    for name in ("Moon", "AWS::Lunar::Base", "Cluster", "AWS::EKS::Cluster",
                 "VisibilityTimeOut", "TopicNam"):  # fmt: skip
        assert name in message
    assert "Fine" not in message
    assert clean.calls(action="sqs:CreateQueue") == []
    assert clean.calls(action="sns:CreateTopic") == []


def test_reason_of_a_failing_custom_resource_is_in_the_events(
    clean: LocalCloud,
) -> None:
    started = time.monotonic()

    with pytest.raises(DeploymentError, match="the data set is empty"):
        deploy_template(clean, "refused", function_template(REFUSES, Check=custom()))

    (stack,) = clean.client("cloudformation").describe_stacks(StackName="refused")["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    (reason,) = [r for r in reasons(clean, "refused", "CREATE_FAILED") if r.startswith("Check")]
    assert "the data set is empty" in reason
    assert time.monotonic() - started < 600  # far below the hour of AWS


def test_function_that_raises_fails_the_stack_in_seconds(
    clean: LocalCloud,
) -> None:
    started = time.monotonic()
    clean.set_rate(3600)  # AWS retries the event after one and two minutes

    try:
        with pytest.raises(DeploymentError, match="no such bucket: nowhere"):
            deploy_template(clean, "raises", function_template(RAISES, Check=custom()))
    finally:
        clean.set_rate(1)

    (stack,) = clean.client("cloudformation").describe_stacks(StackName="raises")["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert time.monotonic() - started < 600  # far below the hour of AWS


def test_function_that_does_not_load_fails_the_stack_with_its_reason(clean: LocalCloud) -> None:
    template = function_template("import nowhere_to_be_found\n", Check=custom())
    cloudformation = clean.client("cloudformation")
    clean.set_rate(3600)

    try:
        with pytest.raises(DeploymentError, match="nowhere_to_be_found"):
            deploy_template(clean, "unloadable", template)

        # As on AWS it does not answer a delete either: the resource is discarded by name.
        with pytest.raises(DeploymentError, match="nowhere_to_be_found"):
            destroy(clean, "unloadable")
        cloudformation.delete_stack(StackName="unloadable", RetainResources=["Check"])
        clean.settle()
    finally:
        clean.set_rate(1)


def test_failing_update_rolls_back_to_the_former_state(clean: LocalCloud) -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 30}}
    deploy_template(clean, "update", function_template(WORKS, Check=custom(Size=1), Queue=queue))
    changed = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}}
    template = function_template(WORKS, Check=custom(Size=13) | {"DependsOn": "Queue"},
                                 Queue=changed)  # fmt: skip

    with pytest.raises(DeploymentError, match="13 is too many"):
        deploy_template(clean, "update", template)

    (stack,) = clean.client("cloudformation").describe_stacks(StackName="update")["Stacks"]
    (url,) = clean.client("sqs").list_queues()["QueueUrls"]
    attributes = clean.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert attributes["Attributes"]["VisibilityTimeout"] == "30"


def test_custom_resource_receives_scalars_as_strings(clean: LocalCloud) -> None:
    template = function_template(WORKS, Check=custom(Size=1))
    template["Outputs"]["Type"] = {"Value": {"Fn::GetAtt": ["Check", "Type"]}}

    assert deploy_template(clean, "scalars", template)["Type"] == "str"


def test_template_that_is_not_json_is_refused(clean: LocalCloud) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        deploy_template(clean, "broken", '{"Resources": ')
