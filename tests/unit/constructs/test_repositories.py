"""Roles may pull the images that their jobs and models name by address."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import App, Fn, Stack
from aws_cdk.assertions import Template

from constructs_lib import DataStore, HostingRole, Model, ModelArtifact, ModelContainer
from constructs_lib._private.repositories import repository_arn_of

_IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/model:1"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (_IMAGE, ":ecr:eu-west-1:123456789012:repository/team/model"),
        (f"{_IMAGE}@sha256:abc", ":ecr:eu-west-1:123456789012:repository/team/model"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/m:1",
         ":ecr:cn-north-1:123456789012:repository/m"),
        ("registry.example.com/team/model:1", ""),
    ],
)  # fmt: skip
def test_repository_is_that_of_the_address(uri: str, expected: str) -> None:
    arn = repository_arn_of(uri)

    assert arn.endswith(expected)
    assert bool(arn) is bool(expected)


def test_repository_of_a_token_is_unknown() -> None:
    assert repository_arn_of(Fn.import_value("image")) == ""


def test_role_of_a_model_may_pull_an_image_named_by_address() -> None:
    stack = Stack(App(), "s")
    store = DataStore(stack, "Store")
    role = HostingRole(stack, "Role", key=store.key)
    artifact = ModelArtifact.from_store(store, "models/m/1/model.tar.gz")
    Model(stack, "Model", containers=[ModelContainer(image=_IMAGE, artifact=artifact)], role=role)

    assert _pulled(Template.from_stack(stack)) == ["team/model"]


def _pulled(template: Template) -> list[str]:
    statements = [
        statement
        for policy in template.find_resources("AWS::IAM::ManagedPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    return [
        _text(statement["Resource"]).rpartition(":repository/")[2].rstrip('"]}')
        for statement in statements
        if "ecr:BatchGetImage" in statement["Action"]
    ]


def _text(value: Any) -> str:
    return json.dumps(value)
