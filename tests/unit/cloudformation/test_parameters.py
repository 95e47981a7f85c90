from __future__ import annotations

from typing import Any

import pytest

from sageloop.local_cloud.cloudformation.parameters import Parameter, resolve_parameters
from sageloop.local_cloud.cloudformation.plain_parameters import StoredParameter
from sageloop.local_cloud.cloudformation.scalars import WrittenFloat
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
    stored = {
        "/known": StoredParameter("30", "String"),
        "/known:2": StoredParameter("31", "String"),
        "/list": StoredParameter("a, b ,c", "StringList"),
        "/secret": StoredParameter("word", "SecureString"),
    }
    return resolve_parameters(declared, requested, previous=previous or {}, fetch_ssm=stored.get)


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
        ({"Type": "String"}, "x" * 4097, "4097 bytes, of at most 4096"),
        ({"Type": "AWS::SSM::Parameter::Value<String>"}, "/secret", "types not supported"),
        ({"Type": "AWS::SSM::Parameter::Value<String>"}, "/list", "are incompatible"),
        ({"Type": "AWS::SSM::Parameter::Value<List<String>>"}, "/known", "are incompatible"),
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


def test_list_of_ssm_is_trimmed() -> None:
    declared = {"P": {"Type": "AWS::SSM::Parameter::Value<List<String>>"}}

    parameter = _resolve(declared, P="/list")["P"]

    assert parameter.value == ["a", "b", "c"]
    assert parameter.described()["ResolvedValue"] == "a,b,c"


def test_reference_to_ssm_in_a_default_needs_a_version() -> None:
    declared = {"P": {"Type": "String", "Default": "x-{{resolve:ssm:/known:2}}"}}
    assert _resolve(declared)["P"].value == "x-31"

    declared["P"]["Default"] = "{{resolve:ssm:/known}}"
    with pytest.raises(AwsError, match="parameter P should not contain ssm versionless resolver"):
        _resolve(declared)


def test_constraints_apply_to_the_name_of_an_ssm_parameter() -> None:
    declared = {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "AllowedPattern": "/k.*"}}
    assert _resolve(declared, P="/known")["P"].value == "30"


def test_resolved_value_with_no_echo_is_masked() -> None:
    declared = {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "NoEcho": "true"}}

    assert _resolve(declared, P="/known")["P"].described() == {
        "ParameterKey": "P", "ParameterValue": "****", "ResolvedValue": "****",
    }  # fmt: skip


def test_numbers_keep_their_text() -> None:
    declared = {"P": {"Type": "String", "Default": WrittenFloat(1.1, "1.10")}}

    assert _resolve(declared)["P"].value == "1.10"
