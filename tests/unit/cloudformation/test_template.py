from __future__ import annotations

import pytest

from sageloop.local_cloud.cloudformation.template import parse_template
from sageloop.local_cloud.core.errors import AwsError

YAML = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Stage: {Type: String}
Conditions:
  Prod: !Equals [!Ref Stage, prod]
Resources:
  Other:
    Type: AWS::SNS::Topic
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: !Sub "${Stage}-topic"
      DisplayName: !GetAtt Other.Some.Name
      Policy: !If
        - Prod
        - Version: 2012-10-17
        - !Ref AWS::NoValue
"""


def test_yaml_short_tags_become_functions() -> None:
    topic = parse_template(YAML).resources["Topic"]["Properties"]

    assert topic["TopicName"] == {"Fn::Sub": "${Stage}-topic"}
    assert topic["DisplayName"] == {"Fn::GetAtt": ["Other", "Some.Name"]}
    assert topic["Policy"]["Fn::If"][2] == {"Ref": "AWS::NoValue"}


def test_yaml_dates_are_kept_as_text() -> None:
    template = parse_template(YAML)

    assert template.body["AWSTemplateFormatVersion"] == "2010-09-09"
    policy = template.resources["Topic"]["Properties"]["Policy"]["Fn::If"][1]
    assert policy["Version"] == "2012-10-17"


def test_template_text_is_kept_byte_for_byte() -> None:
    assert parse_template(YAML).text == YAML


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "JSON not well-formed"),
        ("a: [", "YAML not well-formed"),
        ("{}", "At least one Resources member"),
        ('{"Resources": {"A": {}}}', "must contain a Type"),
        ('{"Resources": {"A-b": {"Type": "X"}}}', "non alphanumeric"),
        ('{"Resources": {"A": {"Type": "X", "Propertys": {}}}}', "Propertys"),
        ('{"Resources": {"A": {"Type": "X", "DeletionPolicy": "Keep"}}}', "Keep"),
        ('{"Transform": "AWS::Serverless-2016-10-31", "Resources": {}}', "Serverless"),
        ('{"Parameters": {"P": {"Type": "Colour"}}, "Resources": {"A": {"Type": "X"}}}', "Colour"),
        ('{"Nonsense": 1, "Resources": {"A": {"Type": "X"}}}', "Nonsense"),
    ],
)
def test_malformed_template_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(AwsError, match=message):
        parse_template(text)
