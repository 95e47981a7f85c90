from __future__ import annotations

from pathlib import Path

import pytest
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from constructs_lib import ConfigurationError
from constructs_lib._private.acknowledge import wildcard_texts
from constructs_lib._private.assets import function_folder


def test_code_of_wheel_precedes_checkout(tmp_path: Path) -> None:
    package = tmp_path / "constructs_lib"
    for place in (package / "_lambda" / "f", tmp_path / "lambda" / "f", tmp_path / "lambda" / "g"):
        place.mkdir(parents=True)

    assert function_folder("f", package=package) == package / "_lambda" / "f"
    assert function_folder("g", package=package) == tmp_path / "lambda" / "g"


def test_missing_code_error_has_both_folders(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"_lambda/f \(wheel\) and .*lambda/f \(checkout\)"
    ):
        function_folder("f", package=tmp_path / "constructs_lib")


def test_error_has_code_and_path(stack: Stack) -> None:
    error = ConfigurationError("Rule", stack, "no")

    assert (error.code, error.path, str(error)) == ("Rule", "Test", "[Test] Rule: no")


def test_wildcards_have_logical_ids_of_their_stack(stack: Stack) -> None:
    bucket = s3.Bucket(stack, "Bucket")

    resource = bucket.arn_for_objects("x/*")

    assert set(wildcard_texts(stack, [resource])[resource]) == {"<Bucket83908E77.Arn>/x/*"}


def test_wildcards_have_names_of_exports(stack: Stack) -> None:
    bucket = s3.Bucket(stack, "Bucket")
    other = Stack(stack.node.scope, "Other")  # type: ignore[arg-type]

    resource = bucket.arn_for_objects("x/*")

    texts = wildcard_texts(other, ["plain", bucket.bucket_arn, resource])

    assert list(texts) == [resource]
    assert "Test:ExportsOutputFnGetAttBucket83908E77Arn063C8555/x/*" in texts[resource]


@pytest.mark.parametrize("name", ["TrainingRole", "HostingRole", "NotebookRole"])
def test_roles_are_grantable(stack: Stack, name: str) -> None:
    import constructs_lib

    role = getattr(constructs_lib, name)(stack, "Role")
    bucket = s3.Bucket(stack, "Bucket")

    assert isinstance(bucket.grant_read(role), iam.Grant)
