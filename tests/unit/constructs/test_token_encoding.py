"""Tokens are recognized by their encoding as CDK itself recognizes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, Aws, CfnParameter, Fn, SecretValue, Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from constructs_lib._private.allow_statement import AllowStatement, content_of
from constructs_lib._private.tokens import is_token, references


def _parameter(stack: Stack, name: str) -> Any:
    return getattr(CfnParameter(stack, "Value", type="Number"), name)


VALUES: dict[str, Callable[[Stack], Any]] = {
    "text": lambda _: "plain",
    "empty": lambda _: "",
    "braces": lambda _: "${Token}",
    "unfinished": lambda _: "${Token[",
    "no key": lambda _: "${Token[]}",
    "other characters": lambda _: "${Token[a b]}",
    "variable": lambda _: "${AWS::Region}",
    "item of a list": lambda _: "#{Token[TOKEN.1]}",
    "pseudo parameter": lambda _: Aws.REGION,
    "within a text": lambda _: f"arn:{Aws.PARTITION}:s3:::x/*",
    "attribute": lambda stack: kms.Key(stack, "Key").key_arn,
    "parameter": lambda stack: _parameter(stack, "value_as_string"),
    "function": lambda _: Fn.join("-", ["a", Aws.REGION]),
    "number": lambda _: 1.5,
    "large number": lambda _: -1.7e308,
    "number near tokens": lambda _: -1.8e289,
    "number token": lambda stack: _parameter(stack, "value_as_number"),
    "number within a token's range": lambda _: -1.9e289,
    "list": lambda _: ["plain"],
    "empty list": lambda _: [],
    "list token": lambda _: Fn.split("-", "a-b"),
    "list with a token among others": lambda _: [*Fn.split("-", "a-b"), "c"],
    "list of text tokens": lambda _: [Aws.REGION],
    "list of numbers": lambda _: [1, 2],
    "object": lambda _: SecretValue.unsafe_plain_text("x"),
    "resolvable": lambda _: Token.as_any({"Ref": "X"}),
    "map": lambda _: {"a": Aws.REGION},
    "nothing": lambda _: None,
}


@pytest.fixture
def stack() -> Stack:
    return Stack(App(), "Test")


@pytest.mark.parametrize("name", sorted(VALUES))
def test_value_is_a_token_as_cdk_decides(name: str, stack: Stack) -> None:
    value = VALUES[name](stack)

    assert is_token(value) is Token.is_unresolved(value)


@pytest.mark.parametrize("value", [1, 0, True, 10**300, float("nan"), float("inf"), -float("inf")])
def test_numbers_that_cdk_cannot_receive_are_no_tokens(value: float) -> None:
    assert not is_token(value)


def test_references_are_those_to_resources_with_their_stacks(stack: Stack) -> None:
    other = Stack(stack.node.scope, "Other")  # type: ignore[arg-type]
    own, foreign = kms.Key(stack, "Key"), kms.Key(other, "Key")

    listed = references(f"{own.key_arn}/{foreign.key_arn}/{Aws.REGION}/{own.key_arn}")

    assert [owner.stack_name for owner in listed.values()] == ["Test", "Other"]


def test_text_without_references_has_none() -> None:
    assert references(f"arn:{Aws.PARTITION}:s3:::x/*") == {}


def test_content_of_statements_is_that_of_cdk() -> None:
    arguments: dict[str, Any] = {
        "actions": ["s3:PutObject", "s3:GetObject", "s3:PutObject"],
        "resources": ["b", "a", "b"],
        "conditions": {"Bool": {"aws:SecureTransport": "true"}},
    }

    known = content_of(AllowStatement(**arguments))

    assert known == content_of(iam.PolicyStatement(**arguments))


def test_content_of_a_statement_without_conditions_is_that_of_cdk() -> None:
    known = content_of(AllowStatement(actions=["s3:GetObject"], resources=["*"]))

    assert known == content_of(iam.PolicyStatement(actions=["s3:GetObject"], resources=["*"]))
