"""Templates combined into one refer to each other's resources directly."""

from __future__ import annotations

from typing import Any

from tests.security.checks.combined import combined

EXPORTING: dict[str, Any] = {
    "Resources": {"Key": {"Type": "AWS::KMS::Key"}},
    "Outputs": {"Key": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}, "Export": {"Name": "a:Key"}}},
}
IMPORTING: dict[str, Any] = {
    "Resources": {
        "Topic": {
            "Type": "AWS::SNS::Topic",
            "DependsOn": "Role",
            "Properties": {
                "KmsMasterKeyId": {"Fn::ImportValue": "a:Key"},
                "DisplayName": {"Fn::Sub": "${Role} ${Role.Arn} ${AWS::Region} ${!Role}"},
                "TopicName": {"Fn::Join": ["-", [{"Ref": "Role"}, {"Ref": "AWS::Region"}]]},
            },
        },
        "Role": {"Type": "AWS::IAM::Role"},
    }
}


def test_import_becomes_a_reference_to_the_exported_resource() -> None:
    template, origin = combined({"x-A": EXPORTING, "x-B": IMPORTING})

    topic = template["Resources"]["B0Topic"]["Properties"]
    assert topic["KmsMasterKeyId"] == {"Fn::GetAtt": ["A0Key", "Arn"]}
    assert origin["A0Key"] == ("x-A", "Key")


def test_references_within_a_stack_are_renamed() -> None:
    template, _ = combined({"x-A": EXPORTING, "x-B": IMPORTING})

    topic = template["Resources"]["B0Topic"]
    assert topic["DependsOn"] == ["B0Role"]
    assert topic["Properties"]["DisplayName"] == {
        "Fn::Sub": "${B0Role} ${B0Role.Arn} ${AWS::Region} ${!Role}"
    }
    assert topic["Properties"]["TopicName"] == {
        "Fn::Join": ["-", [{"Ref": "B0Role"}, {"Ref": "AWS::Region"}]]
    }
