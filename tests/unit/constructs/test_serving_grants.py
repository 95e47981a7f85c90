"""Who may invoke what, and the metrics of each kind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from constructs_lib import (
    Asynchronous,
    Endpoint,
    Serverless,
)

from .conftest import Ground
from .serving import (
    component,
    endpoint,
    shared,
)

SERVERLESS = Serverless()


def _statements(grantee: iam.Role, stack: Stack) -> list[dict[str, Any]]:
    policy = grantee.node.find_child("DefaultPolicy")
    assert isinstance(policy, iam.Policy)
    result: list[dict[str, Any]] = stack.resolve(policy.document)["Statement"]
    return result


def _caller(stack: Stack) -> iam.Role:
    return iam.Role(stack, "Caller", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


@pytest.mark.feature("serving constructs: grant_invoke, streaming")
def test_grant_invoke_includes_response_streaming(anew: Ground) -> None:
    caller = _caller(anew.stack)

    Endpoint.from_endpoint_name(anew.stack, "Mine", endpoint_name="mine").grant_invoke(
        caller, streaming=True
    )

    (statement,) = _statements(caller, anew.stack)
    assert statement["Action"] == [
        "sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream",
    ]  # fmt: skip


@pytest.mark.feature("serving constructs: grant_invoke, asynchronous")
def test_grant_invoke_of_asynchronous_endpoint_includes_payloads(anew: Ground) -> None:
    made = endpoint(anew, kind=Asynchronous(output_prefix="out/", input_prefix="in/"))
    caller = _caller(anew.stack)

    made.grant_invoke(caller)

    text = json.dumps(_statements(caller, anew.stack))
    assert "sagemaker:InvokeEndpointAsync" in text
    assert '"sagemaker:InvokeEndpoint"' not in text
    assert "/in/*" in text
    assert "/out/*" in text


@pytest.mark.feature("serving constructs: grant_invoke, inference component")
def test_grant_invoke_of_component_is_limited_to_it(anew: Ground) -> None:
    caller = _caller(anew.stack)

    component(anew, shared(anew)).grant_invoke(caller)

    assert "inference-component/digits" in json.dumps(_statements(caller, anew.stack))


@pytest.mark.feature("serving constructs: latency in milliseconds")
def test_latency_metric_is_in_milliseconds(anew: Ground) -> None:
    made = Endpoint.from_endpoint_name(anew.stack, "Mine", endpoint_name="mine")

    metric = made.metric_latency(percentile=90)

    assert metric.expression == "p90 / 1000"
    assert metric.label == "Latency p90 (ms)"


@pytest.mark.feature("serving constructs: metrics of the queue")
def test_metrics_of_a_queue_have_the_endpoints_dimension_only(anew: Ground) -> None:
    made = Endpoint.from_endpoint_name(anew.stack, "Mine", endpoint_name="mine")

    assert made.metric_backlog().dimensions == {"EndpointName": "mine"}
    assert made.metric_backlog_per_instance().metric_name == "ApproximateBacklogSizePerInstance"
    assert made.metric_server_error_rate().expression == "100 * share5xx"
