"""The resource provider schemas, and the check for unsupported parts of templates."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from sageloop.local_cloud.cloudformation.providers.registry import supported
from sageloop.local_cloud.cloudformation.schemas import schema_of, unknown_properties, unsupported

NONE: frozenset[str] = frozenset()


def one(type_name: str, **properties: Any) -> dict[str, Any]:
    return {"Thing": {"Type": type_name, "Properties": properties}}


def test_schema_has_create_only_and_read_only_properties() -> None:
    schema = schema_of("AWS::Lambda::Function")
    assert schema is not None
    assert {"FunctionName", "PackageType"} <= schema.create_only
    assert "Arn" in schema.read_only
    assert "Code.S3Key" in schema.write_only
    assert schema.primary_identifier == ("FunctionName",)
    assert {"Code", "Role"} == schema.required


def test_conditional_replacement_counts_as_replacement() -> None:
    schema = schema_of("AWS::DynamoDB::Table")
    assert schema is not None
    assert "KeySchema" in schema.create_only


def test_defaults_are_read() -> None:
    schema = schema_of("AWS::KMS::Key")
    assert schema is not None
    assert schema.defaults["KeySpec"] == "SYMMETRIC_DEFAULT"


def test_unknown_type_has_no_schema() -> None:
    assert schema_of("AWS::Not::There") is None


def test_reading_schemas_does_not_import_the_linter() -> None:
    code = (
        "import sys; from sageloop.local_cloud.cloudformation.schemas import schema_of; "
        "assert schema_of('AWS::S3::Bucket'); "
        "print([m for m in sys.modules if m.startswith('cfnlint')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_nested_unknown_property_is_reported_with_its_path() -> None:
    schema = schema_of("AWS::S3::Bucket")
    assert schema is not None
    properties = {
        "LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "ExpirationInDay": 3}]},
        "VersioningConfiguration": {"Statuss": "Enabled"},
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    assert unknown_properties(schema, properties) == [
        "LifecycleConfiguration.Rules.ExpirationInDay",
        "VersioningConfiguration.Statuss",
    ]


def test_open_maps_and_functions_are_not_checked() -> None:
    schema = schema_of("AWS::Lambda::Function")
    assert schema is not None
    properties = {
        "Environment": {"Variables": {"ANYTHING": "x"}},
        "Code": {"Fn::If": ["A", {"S3Bucket": "b"}, {"Ref": "AWS::NoValue"}]},
        "VpcConfig": {"Ref": "X"},
    }
    assert unknown_properties(schema, properties) == []


def test_policy_documents_are_not_checked() -> None:
    statement = {"Effect": "Allow", "Anything": "x"}
    assert not unsupported(
        one("AWS::IAM::Role", AssumeRolePolicyDocument={"Statement": [statement]}), allow=NONE
    )


def test_all_problems_are_listed_at_once() -> None:
    problems = unsupported(
        {
            "A": {"Type": "AWS::Not::There"},
            "B": {"Type": "AWS::EC2::Instance"},
            "C": {"Type": "AWS::S3::Bucket", "Properties": {"BucketNam": "x"}},
            "D": {"Type": "AWS::Lambda::Function", "Properties": {"ImageConfig": {}}},
            "E": {"Type": "Custom::Anything", "Properties": {"ServiceToken": "x", "a": 1}},
            "F": {"Type": "AWS::CloudFormation::CustomResource", "Properties": {"b": 1}},
            "G": {"Type": "AWS::SNS::Topic"},
        },
        allow=NONE,
    )
    assert [line.split()[0].rstrip(":") for line in problems] == ["A", "B", "C", "D"]
    assert "AWS has no resource type 'AWS::Not::There'" in problems[0]
    assert "allow AWS::EC2::Instance by name" in problems[1]
    assert "AWS has no property BucketNam" in problems[2]
    assert "allow AWS::Lambda::Function.ImageConfig by name" in problems[3]


@pytest.mark.parametrize(
    ("resources", "allow"),
    [
        (one("AWS::EC2::Instance", ImageId="x"), "AWS::EC2::Instance"),
        (one("AWS::Lambda::Function", ImageConfig={}), "AWS::Lambda::Function.ImageConfig"),
    ],
)
def test_part_allowed_by_name_is_accepted(resources: dict[str, Any], allow: str) -> None:
    assert unsupported(resources, allow=NONE)
    assert unsupported(resources, allow=frozenset((allow,))) == []


def test_misspelt_property_is_refused_although_another_is_allowed() -> None:
    resources = one("AWS::S3::Bucket", Versioning={})
    assert unsupported(resources, allow=frozenset(("AWS::S3::Bucket.AbacStatus",)))


@pytest.mark.parametrize("type_name", sorted(supported()))
def test_coverage_names_properties_of_the_schema_only(type_name: str) -> None:
    schema, coverage = schema_of(type_name), supported()[type_name]
    assert schema is not None
    assert coverage.executed | coverage.stored <= schema.properties
    assert not coverage.executed & coverage.stored
    assert schema.required <= coverage.executed | coverage.stored
