"""Limits of requests and responses, with AWS's messages where they are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hosting_stage import IMAGE, ROLE, Stage, fresh, opened, refusal
from serving_stage import packed

__all__ = ["opened"]


@pytest.fixture
def stage(opened: Stage) -> Iterator[Stage]:
    with fresh(opened) as stage:
        stage.endpoint()
        yield stage


@pytest.mark.feature("bad input: a request over the limit")
def test_request_over_six_megabytes_is_refused(stage: Stage) -> None:
    code, message = refusal(
        stage.runtime.invoke_endpoint, EndpointName=stage.name, Body=b"x" * 6_291_457
    )
    assert code == "ValidationError"
    assert "less than or equal to 6291456" in message
    assert stage.total("Invocations") == 0


@pytest.mark.feature("bad input: a response of 7 MB")
def test_response_over_six_megabytes_is_a_model_error(stage: Stage) -> None:
    code, message = refusal(stage.runtime.invoke_endpoint, EndpointName=stage.name, Body="big")
    assert (code, "exceeds the limit of 6291456" in message) == ("ModelError", True)


@pytest.mark.feature("serving: inference ids")
def test_inference_id_is_passed_to_the_model(stage: Stage) -> None:
    assert stage.invoke("id", InferenceId="order-17") == "order-17"


@pytest.mark.feature("bad input: request members that the endpoint does not support")
@pytest.mark.parametrize(
    ("members", "expected"),
    [({"CustomAttributes": "x" * 1025}, "less than or equal to 1024"),
     ({"InferenceId": "x" * 65}, "less than or equal to 64"),
     ({"TargetModel": "a.tar.gz"}, "not a multi-model endpoint"),
     ({"InferenceComponentName": "one"}, "has no inference components"),
     ({"TargetContainerHostname": "one"}, "mode Direct"),
     ({"TargetVariant": "other"}, "Variant other not found")],
)  # fmt: skip
def test_unsupported_request_members_are_refused(
    stage: Stage, members: dict[str, Any], expected: str
) -> None:
    code, message = refusal(
        stage.runtime.invoke_endpoint, EndpointName=stage.name, Body="x", **members
    )
    assert (code, expected in message) == ("ValidationError", True), message


@pytest.mark.parametrize("member", ["EnableExplanations", "SessionId", "PrefixAwareId"])
def test_unsupported_features_are_refused(stage: Stage, member: str) -> None:
    code, message = refusal(
        stage.runtime.invoke_endpoint, EndpointName=stage.name, Body="x", **{member: "x"}
    )
    assert (code, member in message) == ("NotImplemented", True)


@pytest.mark.feature("serving: uncompressed model data")
@pytest.mark.parametrize("compression", ["None", "Gzip"])
def test_model_data_source_is_provided_to_the_model(stage: Stage, compression: str) -> None:
    stage.s3.put_object(Bucket="data", Key="plain/name.txt", Body=b"from the source")
    stage.s3.put_object(Bucket="data", Key="m.gz", Body=packed({"name.txt": "from the source"}))
    plain = {"S3Uri": "s3://data/plain/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    archive = {"S3Uri": "s3://data/m.gz", "S3DataType": "S3Object", "CompressionType": "Gzip"}
    source = {"S3DataSource": plain if compression == "None" else archive}
    stage.sagemaker.create_model(
        ModelName="sourced", ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "ModelDataSource": source},
    )  # fmt: skip
    stage.config("sourced", "sourced")
    stage.sagemaker.update_endpoint(EndpointName=stage.name, EndpointConfigName="sourced")
    stage.wait_until_stable()

    assert stage.invoke("model") == "from the source"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [({"S3Uri": "s3://data/plain"}, "end with a slash"),
     ({"CompressionType": "Gzip"}, "must be S3Object"),
     ({"ManifestS3Uri": "s3://data/manifest"}, "ManifestS3Uri")],
)  # fmt: skip
def test_invalid_model_data_source_is_refused(
    stage: Stage, changed: dict[str, str], expected: str
) -> None:
    source = {"S3Uri": "s3://data/plain/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    code, message = refusal(
        stage.sagemaker.create_model, ModelName="m", ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "ModelDataSource": {"S3DataSource": source | changed}},
    )  # fmt: skip
    assert (code, expected in message) == ("ValidationException", True), message
