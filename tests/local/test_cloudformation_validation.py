"""Templates that AWS refuses are refused by every request, and leave no stack behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.cloudformation_harness import Bench, bench, fresh, made, refusal, template, thing

HEAD = "Resources:\n  A:\n    Type: Test::Unit::Thing\n"


__all__ = ["bench", "made"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "    Properties: {Size:}", "[/Resources/A/Properties/Size] 'null' values are"),
        (HEAD + "    Properties: {Tags: [null]}", "[/Resources/A/Properties/Tags/0] 'null'"),
        (HEAD + "Parameters:\n", "[/Parameters] 'null' values are not allowed in templates"),
        (HEAD + "Outputs: {O: {Value: null}}", "[/Outputs/O/Value] 'null' values are not"),
        ("Resources:\n", "[/Resources] 'null' values are not allowed in templates"),
        ("Resources: {}", "At least one Resources member must be defined."),
        (HEAD + "Outputs: {O: {Description: x}}", "[/Outputs/O] Every Outputs member must contain"),
        (HEAD + "Outputs: {O: {Value: [x]}}", "must evaluate to a String and not a List."),
        (HEAD + "Outputs: {O: {Value: {a: b, c: d}}}", "must evaluate to a String and not a Map."),
        (HEAD + "Outputs: {O: {Value: x, Name: y}}", "invalid members [Name] of output O"),
        (HEAD + "Outputs: {O: {Value: x, Export: {}}}", "Output Name is malformed."),
        (HEAD + "Outputs: {O: {Value: x, Export: {Name: a b}}}", "Output Name is malformed."),
        (HEAD + "Outputs: {O-1: {Value: x}}", "Output name O-1 is non alphanumeric."),
        (HEAD + "Outputs: [x]", "[/Outputs] Outputs must be an object."),
        (HEAD + "Parameters: {P_1: {Type: String}}", "Parameter name P_1 is non alphanumeric."),
        (HEAD + "Parameters: {P: {Default: x}}", "Every Parameters object must contain a Type: P"),
        (HEAD + "Parameters: {P: {Type: String, Max: 3}}", "parameter property 'Max' of P"),
        (HEAD + "Parameters: {P: {Type: String, NoEcho: 2}}", "NoEcho of parameter P must be true"),
        (HEAD + "Parameters: {P: {Type: String, MinLength: x}}", "must be a whole number, got 'x'"),
        (HEAD + "Parameters: {P: {Type: Number, MinValue: x}}", "must be a number, got 'x'"),
        (HEAD + "Parameters: {P: {Type: String, AllowedValues: a}}", "must be a list of strings"),
        (HEAD + "Parameters: {P: {Type: String, Default: [a]}}", "must be a string, got ['a']"),
        (HEAD + "Mappings: {M: {a: b}}", "Every Mappings member must be a map of maps"),
        (HEAD + "Mappings: {M: {a: {b: {c: d}}}}", "Every Mappings attribute must be a String or"),
        (HEAD + "Mappings: {M: {a: {b-c: d}}}", "Mappings attribute name 'b-c' must contain only"),
        (HEAD + "Mappings: {M: {a_b: {c: d}}}", "Mappings key 'a_b' of M must contain only"),
        (HEAD + "Rules: {R: {Assertions: x}}", "every Rules member must contain Assertions"),
        (HEAD + "    DependsOn: {a: b}", "DependsOn of A must be a logical id or a list of them"),
        (HEAD + "    Properties: [a]", "[/Resources/A/Properties] Properties must be an object."),
        (HEAD + "    Condition: [a]", "[/Resources/A/Condition] must be a string"),
        (HEAD + "Description: [a]", "the Description of the template must be a string"),
        (HEAD + "AWSTemplateFormatVersion: 2012-10-17", "unsupported value for AWSTemplateFormat"),
        ("Resources: {A: {Type: 'Custom::a b'}}", "the type Custom::a b of A must be Custom::"),
        ("[a]", "unsupported structure"),
        ("a: !!binary aGk=", "YAML not well-formed"),
        ("? [a]\n: b", "YAML not well-formed"),
        ('{"a": NaN}', "JSON not well-formed. (NaN is not a JSON value)"),
        ('{"a": ' + "1" * 5000 + "}", "a number has 5000 digits"),
    ],
)  # fmt: skip
def test_malformed_template_is_refused_by_every_request(
    bench: Bench, text: str, message: str
) -> None:
    assert message in refusal(bench, text)


def with_size(value: Any, **sections: Any) -> str:
    return template({"A": thing(Size=value)}, **sections)


OUTPUT = {"A": thing()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            template({"A": thing(depends_on=["Nope"])}),
            "Template format error: Unresolved resource dependencies [Nope] in the Resources block "
            "of the template",
        ),
        (
            with_size([{"Ref": "Nope"}, {"Fn::Sub": "${Other}${!Literal}${Third.Arn}"}]),
            "Template format error: Unresolved resource dependencies [Nope, Other, Third] in the "
            "Resources block of the template",
        ),
        (
            template(OUTPUT, Outputs={"O": {"Value": {"Ref": "Nope"}}}),
            "Template format error: Unresolved resource dependencies [Nope] in the Outputs block "
            "of the template",
        ),
        (
            template(OUTPUT, Outputs={"O": {"Value": "x", "Export": {"Name": {"Ref": "N"}}}}),
            "Template format error: Unresolved resource dependencies [N] in the Outputs block of "
            "the template",
        ),
        (
            with_size({"Fn::GetAtt": ["Nope", "Arn"]}),
            "Template error: instance of Fn::GetAtt references undefined resource Nope",
        ),
        (
            template(OUTPUT, Outputs={"O": {"Value": {"Fn::GetAtt": "AWS::Region.Arn"}}}),
            "Template error: instance of Fn::GetAtt references undefined resource AWS::Region",
        ),
        (
            with_size({"Fn::FindInMap": ["Nope", "a", "b"]}),
            "Template error: Mapping named 'Nope' is not present in the 'Mappings' section of "
            "template.",
        ),
        (
            with_size({"Fn::FindInMap": ["M", "a", "c"]}, Mappings={"M": {"a": {"b": "x"}}}),
            "Template error: Unable to get mapping for M::a::c",
        ),
        (
            with_size({"Fn::If": ["Nope", 1, 2]}),
            "Template error: unresolved condition dependency Nope in Fn::If",
        ),
        (
            template({"A": thing() | {"Condition": "Nope"}}),
            "Template format error: Unresolved condition dependency Nope in the Resources block of "
            "the template",
        ),
        (
            template(OUTPUT, Outputs={"O": {"Value": "x", "Condition": "Nope"}}),
            "Template format error: Unresolved condition dependency Nope in the Outputs block of "
            "the template",
        ),
        (
            template(OUTPUT, Conditions={"C": {"Fn::Not": [{"Condition": "Nope"}]}}),
            "Template format error: Unresolved condition dependency Nope in the Conditions block "
            "of the template",
        ),
        (
            template(OUTPUT, Conditions={"C": {"Fn::Equals": [{"Ref": "A"}, "x"]}}),
            "Template format error: Unresolved dependencies [A]. Cannot reference resources in the "
            "Conditions block of the template",
        ),
        (
            template(OUTPUT, Conditions={"C": {"Fn::Equals": [{"Fn::ImportValue": "x"}, "x"]}}),
            "Template error: Cannot use Fn::ImportValue in Conditions",
        ),
        (
            template(
                OUTPUT,
                Conditions={
                    "C": {"Fn::Not": [{"Condition": "D"}]}, "D": {"Fn::Not": [{"Condition": "C"}]},
                },
            ),
            "Template format error: Circular dependency between conditions: [C, D]",
        ),
        (
            template({"A": thing(Size={"Ref": "B"}), "B": thing(depends_on=["A"]), "C": thing()}),
            "Template error: Circular dependency between resources: [A, B]",
        ),
        (
            template({"A": thing(depends_on=["A"])}),
            "Template error: Circular dependency between resources: [A]",
        ),
        (
            with_size({"Fn::Transform": {"Name": "AWS::Include"}}),
            "the function Fn::Transform is not supported by the local cloud; see "
            "docs/local-cloud-coverage.md",
        ),
        (
            with_size({"Fn::Sub": ["x${V}y", {"V": {"Ref": "AWS::NoValue"}}]}),
            "Template error: every value of the context object of every Fn::Sub object must be a "
            "string or a function that returns a string; AWS::NoValue is none",
        ),
        (
            with_size({"Fn::Sub": "x${AWS::NoValue}y"}),
            "Template error: every value of the context object of every Fn::Sub object must be a "
            "string or a function that returns a string; AWS::NoValue is none",
        ),
    ],
)  # fmt: skip
def test_name_that_points_to_nothing_is_refused_by_every_request(
    bench: Bench, text: str, message: str
) -> None:
    assert refusal(bench, text) == message


@pytest.mark.parametrize(
    "function",
    ["Fn::ToJsonString", "Fn::Length", "Fn::ForEach::Loop", "Fn::Contains", "fn::Sub", "Fn::Ref"],
)
def test_unknown_function_is_refused_with_the_list_of_functions(
    bench: Bench, function: str
) -> None:
    message = refusal(bench, with_size({function: "x"}))

    assert message.startswith(f"Template error: Encountered unsupported function: {function} Supp")
    assert "Fn::Sub, Fn::Cidr]" in message


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"Ref": ["A"]}, "every Ref object must have a single String value."),
        ({"Fn::GetAtt": "A"}, "every Fn::GetAtt object requires two non-empty parameters"),
        ({"Fn::GetAtt": ["A"]}, "every Fn::GetAtt object requires two non-empty parameters"),
        ({"Fn::Sub": ["x"]}, "Fn::Sub intrinsic functions don't specify expected arguments"),
        ({"Fn::Join": ["-", "a"]}, "every Fn::Join object requires two parameters"),
        ({"Fn::Split": "a"}, "every Fn::Split object requires two parameters"),
        ({"Fn::Select": [1]}, "Fn::Select requires a list argument with two elements"),
        ({"Fn::If": ["C", 1]}, "Fn::If requires a list argument with three elements"),
        ({"Fn::FindInMap": ["M", "a"]}, "every Fn::FindInMap object requires three parameters"),
        ({"Fn::Cidr": ["10.0.0.0/16"]}, "every Fn::Cidr object requires a list of two or three"),
        ({"Fn::Sub": "a", "b": "c"}, "Fn::Sub must be the only member of its object"),
    ],
)
def test_wrong_argument_of_a_function_is_refused(
    bench: Bench, expression: Any, message: str
) -> None:
    assert message in refusal(bench, with_size(expression))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"Outputs": {f"O{n}": {"Value": "x"} for n in range(201)}}, "Number of outputs, 201,"),
        ({"Parameters": {f"P{n}": {"Type": "String"} for n in range(201)}}, "parameters, 201,"),
        ({"Mappings": {f"M{n}": {"a": {"b": "c"}} for n in range(201)}}, "mappings, 201,"),
        ({"Mappings": {"M": {"a": {f"b{n}": "c" for n in range(201)}}}}, "M has 201 attributes"),
        ({"Mappings": {"M": {f"a{n}": {"b": "c"} for n in range(201)}}}, "M has 201 attributes"),
        ({"Description": "x" * 1025}, "of the template has 1025 bytes, of at most 1024"),
        ({"Parameters": {"P" * 256: {"Type": "String"}}}, "has 256 characters, of at most 255"),
    ],
)
def test_size_beyond_a_quota_is_refused(
    bench: Bench, sections: dict[str, Any], message: str
) -> None:
    assert message in refusal(bench, template({"A": thing()}, **sections))


@pytest.mark.parametrize(
    "expression",
    [{"Fn::GetAtt": ["A", "Colour"]}, {"Fn::GetAtt": "A.Colour"}, {"Fn::Sub": "x${A.Colour}"}],
)
def test_attribute_that_the_type_does_not_have_is_refused(bench: Bench, expression: Any) -> None:
    in_output = template({"A": thing()}, Outputs={"O": {"Value": expression}})
    in_property = template({"A": thing(), "B": thing(Size=[expression])})

    for text in (in_output, in_property):
        assert refusal(fresh(bench), text) == (
            "Template error: resource A does not support attribute type Colour in Fn::GetAtt"
        )


def test_more_than_five_hundred_resources_are_refused(bench: Bench) -> None:
    names = [f"T{n}" for n in range(500)]
    bench.cfn.validate_template(TemplateBody=template({n: {"Type": "X"} for n in names}))

    message = refusal(bench, template({n: {"Type": "X"} for n in [*names, "More"]}))

    assert message.endswith("Number of resources, 501, is greater than maximum allowed, 500")


def test_quota_itself_is_allowed(bench: Bench) -> None:
    assert bench.create(
        "s", {"A": thing()}, Description="x" * 1024,
        Outputs={f"O{n}": {"Value": "x"} for n in range(200)},
        Mappings={"M": {"a": {f"b{n}": "c" for n in range(200)}}},
    ) == "CREATE_COMPLETE"  # fmt: skip


def test_reference_in_a_branch_that_is_not_taken_must_exist(bench: Bench) -> None:
    conditions = {"C": {"Fn::Equals": ["a", "b"]}}

    message = refusal(
        bench, with_size({"Fn::If": ["C", {"Ref": "Nope"}, "x"]}, Conditions=conditions)
    )

    assert "Unresolved resource dependencies [Nope]" in message


def test_circle_through_a_branch_that_is_not_taken_is_allowed(bench: Bench) -> None:
    branch = {"Fn::If": ["C", {"Ref": "B"}, "x"]}

    status = bench.create(
        "s", {"A": thing(Size=branch), "B": thing(Size={"Ref": "A"})},
        Conditions={"C": {"Fn::Equals": ["a", "b"]}},
    )  # fmt: skip

    assert status == "CREATE_COMPLETE"


def test_unexpected_error_leaves_no_stack(bench: Bench) -> None:
    text = template({"A": thing(type_name="Test::Broken")})
    for call in (
        lambda: bench.cfn.create_stack(StackName="s", TemplateBody=text),
        lambda: bench.cfn.create_change_set(
            StackName="s", ChangeSetName="set", ChangeSetType="CREATE", TemplateBody=text
        ),
    ):
        with pytest.raises(ClientError):
            call()

    assert bench.cfn.list_stacks()["StackSummaries"] == []
    assert bench.create("s", {"A": thing()}) == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"OnFailure": "NEVER"}, "Value 'NEVER' at 'onFailure' failed to satisfy constraint"),
        ({"OnFailure": "DELETE", "DisableRollback": True}, "either DisableRollback or OnFailure"),
        ({"Parameters": [{"ParameterKey": "P", "ParameterValue": "x"}]}, "do not exist in the te"),
    ],
)
def test_invalid_member_of_the_request_leaves_no_stack(
    bench: Bench, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        bench.cfn.create_stack(StackName="s", TemplateBody=template({"A": thing()}), **members)

    assert bench.cfn.list_stacks()["StackSummaries"] == []


def test_index_that_does_not_exist_is_refused_before_a_stack_exists(bench: Bench) -> None:
    text = json.dumps({"Resources": {"A": thing(Size={"Fn::Select": [2, ["a", "b"]]})}})

    with pytest.raises(ClientError, match="Fn::Select cannot select nonexistent value at index 2"):
        bench.cfn.create_stack(StackName="s", TemplateBody=text)

    assert bench.cfn.list_stacks()["StackSummaries"] == []
