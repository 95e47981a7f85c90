from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sageloop.local_cloud.cloudformation.intrinsics import (
    MAYBE,
    NO_VALUE,
    UNKNOWN,
    NoResources,
    Resolver,
    Scope,
    same,
)
from sageloop.local_cloud.cloudformation.network_blocks import cidr_blocks
from sageloop.local_cloud.cloudformation.template import Template
from sageloop.local_cloud.core.errors import AwsError


class _Resources:
    def ref(self, logical_id: str) -> Any:
        return {"New": UNKNOWN, "Unsure": MAYBE}.get(logical_id, f"id-of-{logical_id}")

    def get_att(self, logical_id: str, attribute: str) -> Any:
        return UNKNOWN if logical_id == "New" else f"{logical_id}:{attribute}"


def _resolver(**sections: Any) -> Resolver:
    scope = Scope(
        template=Template("", sections),
        values={"Stage": "prod", "Count": 3, "Names": ["a", "b"], "AWS::Region": "eu-west-1",
                "AWS::NoValue": NO_VALUE},
        region="eu-west-1", zones=lambda region: [f"{region}a", f"{region}b"],
        exported=lambda name: f"value-of-{name}",
    )  # fmt: skip
    return Resolver(scope, _Resources())


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Ref": "Stage"}, "prod"),
        ({"Ref": "Bucket"}, "id-of-Bucket"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "Role:Arn"),
        ({"Fn::GetAtt": "Db.Endpoint.Port"}, "Db:Endpoint.Port"),
        ({"Fn::Sub": "${Stage}/${Role.Arn}/${!Literal}"}, "prod/Role:Arn/${Literal}"),
        ({"Fn::Sub": ["${x}-${Stage}", {"x": {"Ref": "Count"}}]}, "3-prod"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Count"}, True]]}, "a-3-true"),
        ({"Fn::Join": ["", {"Ref": "Names"}]}, "ab"),
        ({"Fn::Split": [",", "a,b"]}, ["a", "b"]),
        ({"Fn::Select": ["1", {"Ref": "Names"}]}, "b"),
        ({"Fn::Base64": "hello"}, "aGVsbG8="),
        ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b"]),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::ImportValue": {"Fn::Sub": "${Stage}-arn"}}, "value-of-prod-arn"),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
        ({"Condition": {"Bool": {"x": "y"}}}, {"Condition": {"Bool": {"x": "y"}}}),
    ],
)
def test_function_returns_its_value(expression: Any, value: Any) -> None:
    assert _resolver().resolve(expression) == value


def test_conditions_combine() -> None:
    resolver = _resolver(
        Conditions={
            "Prod": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
            "Dev": {"Fn::Not": [{"Condition": "Prod"}]},
            "Both": {"Fn::And": [{"Condition": "Prod"}, {"Condition": "Dev"}]},
            "Any": {"Fn::Or": [{"Condition": "Prod"}, {"Condition": "Dev"}]},
        }
    )

    holding = [n for n in ("Prod", "Dev", "Both", "Any") if resolver.condition(n)]
    assert holding == ["Prod", "Any"]
    assert resolver.resolve({"Fn::If": ["Dev", {"Ref": "Nowhere"}, "else"]}) == "else"


def test_circular_condition_is_refused() -> None:
    resolver = _resolver(
        Conditions={"A": {"Fn::Not": [{"Condition": "B"}]}, "B": {"Fn::Not": [{"Condition": "A"}]}}
    )

    with pytest.raises(AwsError, match="Circular condition"):
        resolver.condition("A")


def test_mapping_is_resolved_and_missing_key_is_named() -> None:
    resolver = _resolver(Mappings={"M": {"eu-west-1": {"size": "big"}}})

    assert resolver.resolve({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "size"]}) == "big"
    with pytest.raises(AwsError, match="M::eu-west-1::colour"):
        resolver.resolve({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "colour"]})


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"Fn::Transform": {"Name": "x"}}, "Fn::Transform"),
        ({"Fn::Length": []}, "Fn::Length"),
        ({"Fn::Select": [5, ["a"]]}, "nonexistent value at index 5"),
        ({"Fn::Cidr": ["10.0.0.0/28", 20, 8]}, "cannot divide"),
    ],
)
def test_invalid_function_is_refused(expression: Any, message: str) -> None:
    with pytest.raises(AwsError, match=message):
        _resolver().resolve(expression)


def test_unknown_values_propagate_and_the_definite_one_has_precedence() -> None:
    resolver = _resolver()

    assert resolver.resolve({"Fn::Sub": "x-${New}"}) is UNKNOWN
    assert resolver.resolve({"Fn::Join": ["", ["a", {"Ref": "Unsure"}]]}) is MAYBE
    assert resolver.resolve({"Fn::Join": ["", [{"Ref": "Unsure"}, {"Ref": "New"}]]}) is UNKNOWN
    assert resolver.resolve({"a": {"Ref": "New"}, "b": 1}) == {"a": UNKNOWN, "b": 1}


def test_rule_functions_are_evaluated() -> None:
    resolver = _resolver()

    assert resolver.evaluate({"Fn::Contains": [["dev", "prod"], {"Ref": "Stage"}]})
    assert not resolver.evaluate({"Fn::Contains": [["1", "2"], {"Ref": "Stage"}]})
    assert resolver.evaluate({"Fn::EachMemberIn": [{"Ref": "Names"}, ["a", "b", "c"]]})


def test_references_without_resources_are_refused() -> None:
    with pytest.raises(AwsError, match="unresolved reference to Bucket"):
        _resolver().with_resources(NoResources()).resolve({"Ref": "Bucket"})


@given(st.integers(min_value=1, max_value=16), st.integers(min_value=4, max_value=12))
def test_blocks_are_disjoint_parts_in_order(count: int, bits: int) -> None:
    blocks = cidr_blocks("10.0.0.0/16", str(count), str(bits))

    assert len(set(blocks)) == count
    assert all(block.endswith(f"/{32 - bits}") for block in blocks)


def test_scalars_compare_as_text() -> None:
    assert same({"a": [True, 3]}, {"a": ["true", "3"]})
    assert not same({"a": 1}, {"a": 1, "b": 2})
    assert not same(UNKNOWN, UNKNOWN)
