from __future__ import annotations

from typing import Any

import pytest

from sageloop.local_cloud.cloudformation.parameters import Parameter, resolve_parameters
from sageloop.local_cloud.cloudformation.plain_parameters import StoredParameter
from sageloop.local_cloud.core.errors import AwsError


def _resolve(
    declared: dict[str, Any], previous: dict[str, Parameter] | None = None, **values: str
) -> dict[str, Parameter]:
    requested = [
        {"ParameterKey": k, "UsePreviousValue": True}
        if v == "<previous>"
        else {"ParameterKey": k, "ParameterValue": v}
        for k, v in values.items()
    ]
    return resolve_parameters(
        declared, requested, previous=previous or {}, fetch_ssm={"/known": StoredParameter("30", "String")}.get
    )


def test_values_are_converted_to_the_declared_type() -> None:
    parameters = _resolve(
        {
            "S": {"Type": "String", "Default": "x"},
            "N": {"Type": "Number", "Default": 3},
            "L": {"Type": "CommaDelimitedList", "Default": "a, b"},
            "V": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/known"},
        },
        S="y",
    )

    assert {n: p.value for n, p in parameters.items()} == {
        "S": "y",
        "N": 3,
        "L": ["a", "b"],
        "V": "30",
    }
    assert parameters["V"].described()["ResolvedValue"] == "30"


def test_previous_value_is_used() -> None:
    before = _resolve({"S": {"Type": "String"}}, S="kept")

    assert _resolve({"S": {"Type": "String"}}, before, S="<previous>")["S"].value == "kept"


def test_no_echo_is_masked_but_used() -> None:
    secret = _resolve({"S": {"Type": "String", "NoEcho": True}}, S="word")["S"]

    assert secret.value == "word"
    assert secret.described()["ParameterValue"] == "****"


@pytest.mark.parametrize(
    ("declaration", "value", "message"),
    [
        ({"Type": "String", "AllowedValues": ["a"]}, "b", "AllowedValues"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "A", "must match pattern"),
        ({"Type": "String", "MinLength": 3}, "ab", "at least 3"),
        ({"Type": "Number", "MaxValue": 3}, "4", "not greater than 3"),
        ({"Type": "Number"}, "many", "must be a number"),
        ({"Type": "String", "AllowedPattern": "x", "ConstraintDescription": "be x"}, "y", "be x"),
        ({"Type": "Colour"}, "amber", "type Colour"),
        ({"Type": "AWS::SSM::Parameter::Value<String>"}, "/no", r"fetch parameters \[/no\]"),
    ],
)  # fmt: skip
def test_value_that_violates_a_constraint_is_refused(
    declaration: dict[str, Any], value: str, message: str
) -> None:
    with pytest.raises(AwsError, match=message):
        _resolve({"P": declaration}, P=value)


def test_missing_and_unknown_parameters_are_named() -> None:
    with pytest.raises(AwsError, match=r"\[P, Q\] must have values"):
        _resolve({"P": {"Type": "String"}, "Q": {"Type": "String"}})
    with pytest.raises(AwsError, match=r"\[Z\] do not exist"):
        _resolve({}, Z="1")
