from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template

from constructs_lib import (
    Canary,
    ConfigurationError,
    DataCapture,
    Endpoint,
    HostingRole,
    ModelRegistry,
    Scaling,
    Variant,
)

from .conftest import Ground, ground_of

_SCALING = Scaling(minimum=2, maximum=4, invocations_per_instance=100)


@pytest.fixture(scope="module")
def champion() -> Template:
    """A stack with a champion endpoint, to read."""
    ground = ground_of(Stack(App(), "Test"))
    ground.champion(
        variants=[Variant(scaling=_SCALING)], capture=DataCapture(percentage=50), rollout=Canary()
    )
    return ground.template()


def test_champion_endpoint_defines_no_model(champion: Template) -> None:
    for kind in ("Model", "EndpointConfig", "Endpoint"):
        champion.resource_count_is(f"AWS::SageMaker::{kind}", 0)
    champion.resource_count_is("Custom::ChampionEndpoint", 1)


@pytest.mark.feature("serving constructs: champion endpoint")
def test_champion_endpoint_has_serving_document(
    champion: Template, document: Callable[[Template, str], str]
) -> None:
    text = document(champion, "Custom::ChampionEndpoint")

    assert '"InitialSamplingPercentage":50' in text
    assert '"CanarySize":{"Type":"INSTANCE_COUNT","Value":1}' in text
    assert '"MinCapacity":2,"MaxCapacity":4' in text
    assert '"EnableNetworkIsolation":true' in text
    assert "<token>" in text.split('"rollback_alarms":')[1]
    assert "ModelName" not in text
    assert "EndpointConfigName" not in text


def test_champion_rollback_alarms_are_errors_and_latency(champion: Template) -> None:
    names = [
        alarm["Properties"]["MetricName"]
        for alarm in champion.find_resources("AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["Namespace"] == "AWS/SageMaker"
    ]
    assert sorted(names) == ["Invocation5XXErrors", "ModelLatency"]


def test_champion_function_can_invoke_itself(champion: Template) -> None:
    champion.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "RecursiveLoop": "Allow",
            "Description": Match.string_like_regexp("Custom resource of endpoint"),
        },
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"endpoint_name": "a_b"}, "endpoint_name must match"),
        ({"variants": []}, "variants must have at least one entry"),
        ({"variants": [Variant(instance_count=0)]}, "instance_count must be between 1 and 1000"),
        ({"variants": [Variant(weight=-1)]}, "variant.weight must be at least 0, got -1"),
        ({"capture": DataCapture(percentage=101)}, "capture.percentage must be between 0 and 100"),
        (
            {"variants": [Variant(instance_count=1)], "rollout": Canary()},
            "CanaryNeedsTwoInstances: a canary needs at least 2 instances in each variant, got 1",
        ),
        ({"rollout": Canary(instances=2)}, "rollout.instances must be between 1 and 1, got 2"),
        (
            {"rollout": Canary(wait_seconds=600, maximum_seconds=600)},
            r"must exceed the waits \(720\), got 600",
        ),
    ],
)
def test_champion_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        anew.champion(**changes)


def test_weight_zero_stays_zero() -> None:
    assert Variant(weight=0).rendered()["InitialVariantWeight"] == 0


@pytest.mark.feature("serving constructs: grant_invoke")
def test_grant_invoke_allows_only_this_endpoint(stack: Stack) -> None:
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))

    Endpoint.from_endpoint_name(stack, "Mine", endpoint_name="mine").grant_invoke(role)

    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "sagemaker:InvokeEndpoint"
    assert statement["Resource"]["Fn::Join"][1][-1] == ":endpoint/mine"


def test_endpoint_keeps_capacity_and_names_no_config(ground: Ground) -> None:
    role = HostingRole(ground.stack, "HostingRole", key=ground.store.key)

    Endpoint(
        ground.stack, "Endpoint", endpoint_name="demo", image=ground.image().uri,
        model_data="models/1/m.tar.gz", store=ground.store, network=ground.network, role=role,
        variants=[Variant(scaling=_SCALING)], capture=DataCapture(), rollout=Canary(),
    )  # fmt: skip

    template = ground.template()
    template.has_resource_properties(
        "AWS::SageMaker::Endpoint",
        {
            "RetainAllVariantProperties": True,
            "DeploymentConfig": Match.object_like(
                {"AutoRollbackConfiguration": {"Alarms": Match.any_value()}}
            ),
        },
    )
    for kind, name in (("Model", "ModelName"), ("EndpointConfig", "EndpointConfigName")):
        template.has_resource_properties(f"AWS::SageMaker::{kind}", {name: Match.absent()})
    template.has_resource_properties("AWS::SageMaker::Model", {"EnableNetworkIsolation": True})
    template.resource_count_is("Custom::ScalingAfterEndpoint", 1)


@pytest.mark.feature("promotion: registry")
def test_registry_is_kept_and_named_after_its_stack() -> None:
    app = App()
    stack = Stack(app, "Test")

    ModelRegistry(stack, "Registry", name="demo")

    template = Template.from_stack(stack)
    template.has_resource("AWS::SageMaker::ModelPackageGroup", {"DeletionPolicy": "Retain"})
    (group,) = template.find_resources("AWS::SageMaker::ModelPackageGroup").values()
    assert "AWS::StackId" in str(group["Properties"]["ModelPackageGroupName"])


def test_registry_from_group_name_defines_nothing(stack: Stack) -> None:
    registry = ModelRegistry.from_group_name(stack, "Registry", group_name="mine")

    assert registry.group_name == "mine"
