"""The page of coverage: what it calls executed is, and what has no effect is named."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.operations import Operations
from sageloop.local_cloud.services import own_services
from scripts.coverage_page import served_operations
from scripts.unread_members import unread

SERVED = served_operations()
USER = "arn:aws:iam::123456789012:root"
TARGET = {
    "ServiceNamespace": "sagemaker", "ResourceId": "endpoint/e/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}  # fmt: skip
FUNCTION = {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"}
# Where the smallest request names something that has no such operation here, or nothing at all.
MEMBERS: dict[str, dict[str, Any]] = {
    "application-autoscaling:RegisterScalableTarget": TARGET,
    "lambda:ListTags": FUNCTION,
    "lambda:TagResource": FUNCTION,
    "lambda:UntagResource": FUNCTION,
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    cloud = Cloud(CloudConfig())
    cloud.add(own_services(cloud))
    cloud.start()
    yield cloud
    cloud.stop()


def smallest(shape: Any) -> Any:
    """A value with the required members only; texts are as short as allowed."""
    if shape.type_name == "structure":
        return {name: smallest(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [smallest(shape.member)] * max(1, shape.metadata.get("min", 0))
    if shape.type_name == "map":
        return {"a": smallest(shape.value)}
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "a" * max(1, shape.metadata.get("min", 1))
    plain = {"timestamp": 1.0, "boolean": False, "blob": b"{}", "float": 1.0, "double": 1.0}
    return plain.get(shape.type_name, shape.metadata.get("min", 1))


@pytest.fixture(scope="module")
def clients(cloud: Cloud) -> dict[str, Any]:
    return {service: cloud.client(service, principal=USER) for service in SERVED}


@pytest.mark.parametrize(
    ("service", "operation"), [(model, name) for model in SERVED for name in SERVED[model]]
)
def test_executed_operation_is_implemented_and_does_not_break(
    clients: dict[str, Any], service: str, operation: str
) -> None:
    client = clients[service]
    shape = client.meta.service_model.operation_model(operation).input_shape
    request = {} if shape is None else smallest(shape)
    code = ""
    try:
        getattr(client, xform_name(operation))(
            **request | MEMBERS.get(f"{service}:{operation}", {})
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]

    assert code not in ("NotImplemented", "InternalFailure")


def methods() -> Iterator[tuple[str, Any]]:
    cloud = Cloud(CloudConfig())
    try:
        for service in own_services(cloud):
            assert isinstance(service, Operations)
            for name in service.operations:
                yield f"{service.model}:{name}", service.method(name)
    finally:
        cloud.stop()


def test_no_executed_operation_ends_in_a_refusal() -> None:
    """A request for a missing resource does not show a method that always refuses."""
    refusing = []
    for name, method in methods():
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
        (function,) = tree.body
        assert isinstance(function, ast.FunctionDef)
        if isinstance(function.body[-1], ast.Raise):
            refusing.append(name)

    assert refusing == []


def test_members_that_are_read_are_not_listed_as_without_effect() -> None:
    found = unread({"cloudwatch": SERVED["cloudwatch"], "sagemaker": ["ListTrainingJobs"]})

    assert found["cloudwatch"]["GetMetricData"] == ["LabelOptions"]
    assert found["sagemaker"] == {}


def test_member_that_no_code_reads_is_found() -> None:
    found = unread({"scheduler": ["CreateSchedule"]})

    assert found["scheduler"]["CreateSchedule"] == ["ClientToken"]
