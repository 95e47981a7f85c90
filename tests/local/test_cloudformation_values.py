"""Keys, scalars, patterns and the comparison of values are as CloudFormation documents them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.cloudformation_harness import (
    Bench,
    bench,
    custom,
    fresh,
    made,
    refusal,
    template,
    thing,
)

__all__ = ["bench", "made"]


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (r"\p{L}+", "Grün"),
        (r"\p{Alnum}+", "a1"),
        (r"[a-z&&[^aeiou]]++", "xyz"),
        (r"\Qa.b\E", "a.b"),
    ],
)
def test_allowed_pattern_is_evaluated_as_in_java(bench: Bench, pattern: str, value: str) -> None:
    parameters = {"P": {"Type": "String", "AllowedPattern": pattern}}
    text = template({"A": thing(Size={"Ref": "P"})}, Parameters=parameters)

    with pytest.raises(ClientError, match="'P' must match pattern"):
        bench.cfn.create_stack(
            StackName="s", TemplateBody=text,
            Parameters=[{"ParameterKey": "P", "ParameterValue": "!"}],
        )  # fmt: skip
    bench.cfn.create_stack(
        StackName="s", TemplateBody=text,
        Parameters=[{"ParameterKey": "P", "ParameterValue": value}],
    )  # fmt: skip

    assert bench.status("s") == "CREATE_COMPLETE"


@pytest.mark.parametrize("pattern", ["^abc|def)$", "(?P<a>x)", r"\p{Nope}", "a{x}"])
def test_allowed_pattern_that_java_refuses_is_refused(bench: Bench, pattern: str) -> None:
    parameters = {"P": {"Type": "String", "AllowedPattern": pattern, "Default": "x"}}

    message = refusal(bench, template({"A": thing()}, Parameters=parameters))

    assert message.startswith("Template validation error: AllowedPattern of parameter P: ")


KEYS = """
Mappings:
  M:
    123456789012: {1: dev}
    on: {yes: prod}
Resources:
  1:
    Type: Test::Unit::Thing
    Properties:
      Name: a
      Size: [!FindInMap [M, !Ref AWS::AccountId, 1], !FindInMap [M, 'on', 'yes'], !GetAtt 1.Arn]
Outputs:
  On: {Value: !Ref 1}
  2: {Value: !Sub "${1}-${1.Arn}"}
"""


def test_unquoted_keys_are_text(bench: Bench) -> None:
    text = KEYS.replace(", !GetAtt 1.Arn", "")

    bench.cfn.create_stack(StackName="s", TemplateBody=text)

    assert bench.status("s") == "CREATE_COMPLETE"
    assert bench.things.requests[0].properties["Size"] == ["dev", "prod"]
    assert bench.outputs("s") == {"On": "a", "2": "a-arn:a"}
    assert "[1]" in refusal(fresh(bench), KEYS)  # the resource refers to itself


SCALARS = """
Resources:
  A:
    Type: Custom::Thing
    Properties:
      ServiceToken: arn:aws:lambda:us-east-1:123456789012:function:handler
      Flag: yes
      Decimal: 1.10
      Exponent: 1E3
      Account: 000123456789
      Whole: 12
      Text: "yes"
      Date: 2012-10-17
      Key: {true: {1.0: x}}
Outputs:
  O: {Value: 1.10}
  J: {Value: !Join ["-", [true, 1.10, 007, 0x1F]]}
"""


def test_scalars_are_written_as_in_the_template(bench: Bench) -> None:
    bench.cfn.create_stack(StackName="s", TemplateBody=SCALARS)

    assert bench.status("s") == "CREATE_COMPLETE"
    properties = bench.functions.events[0]["ResourceProperties"]
    del properties["ServiceToken"]
    assert properties == {
        "Flag": "true", "Decimal": "1.10", "Exponent": "1E3", "Account": "000123456789",
        "Whole": "12", "Text": "yes", "Date": "2012-10-17", "Key": {"true": {"1.0": "x"}},
    }  # fmt: skip
    # Octal and hexadecimal numbers of YAML 1.1 are numbers, as in every reader of it.
    assert bench.outputs("s") == {"O": "1.10", "J": "true-1.10-7-31"}


def test_json_numbers_keep_their_text(bench: Bench) -> None:
    text = template({"C": custom(Decimal=0)}).replace('"Decimal": 0', '"Decimal": 1.50')

    bench.cfn.create_stack(StackName="s", TemplateBody=text)

    assert bench.status("s") == "CREATE_COMPLETE"
    assert bench.functions.events[0]["ResourceProperties"]["Decimal"] == "1.50"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (True, "true"),
        ("3", 3),
        ([{"Key": "a", "Value": 1}, {"Key": "b", "Value": False}],
         [{"Key": "b", "Value": "false"}, {"Key": "a", "Value": "1"}]),
    ],
)  # fmt: skip
def test_same_text_and_other_order_of_tags_are_no_change(bench: Bench, old: Any, new: Any) -> None:
    bench.create("s", {"A": thing(Tags=old)})

    made = bench.change_set("s", {"A": thing(Tags=new)})

    assert "didn't contain changes" in made["StatusReason"]
    with pytest.raises(ClientError, match="No updates are to be performed"):
        bench.update("s", {"A": thing(Tags=new)})
