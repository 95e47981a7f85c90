"""Too large, too deep or too slow input is refused with AWS's errors."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from process_stage import create_role, refusal

from sageloop.local_cloud.client import LocalCloud

ROLE = "arn:aws:iam::123456789012:role/training-tests"
QUEUE = {"Type": "AWS::SQS::Queue"}


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as made:
        create_role(made)
        made.client("s3").create_bucket(Bucket="data")
        yield made


def create(cloud: LocalCloud, body: str, **members: Any) -> tuple[str, str, int]:
    """The error for a template, after which no stack exists."""
    cloudformation = cloud.client("cloudformation")
    response = refusal(
        cloudformation.create_stack, StackName="refused", TemplateBody=body, **members
    )
    assert refusal(cloudformation.describe_stacks, StackName="refused")[0] == "ValidationError"
    return response


BOMB = (
    "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n    Properties:\n      Tags:\n"
    "        - &a0 {Key: a, Value: b}\n"
    + "".join(f"        - &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 11))
)


@pytest.mark.feature("bad input: templates that expand or nest without bound are refused")
def test_yaml_aliases_are_refused_as_on_aws(cloud: LocalCloud) -> None:
    code, message, _ = create(cloud, BOMB)

    assert code == "ValidationError"
    assert message == "Template error: YAML aliases are not allowed in CloudFormation templates"


@pytest.mark.feature("bad input: templates that expand or nest without bound are refused")
@pytest.mark.parametrize(
    "deep",
    [
        json.dumps({"Resources": {"Q": QUEUE}})[:-1]
        + f', "Metadata": {"[" * 120}{"]" * 120}}}',
        '{"Metadata": ' + "[" * 20_000 + "]" * 20_000 + "}",
        "Metadata: " + "[" * 20_000 + "]" * 20_000 + "\n",
    ],
    ids=["json", "json without end", "yaml without end"],
)  # fmt: skip
def test_deep_template_is_refused(cloud: LocalCloud, deep: str) -> None:
    code, message, _ = create(cloud, deep)

    assert code == "ValidationError"
    assert message == "Template format error: the template is nested deeper than 100 levels"


@pytest.mark.feature("bad input: templates that expand or nest without bound are refused")
def test_functions_that_expand_a_string_are_refused(cloud: LocalCloud) -> None:
    value: Any = "x" * 100
    for _ in range(25):
        value = {"Fn::Sub": ["${a}${a}", {"a": value}]}
    queue = {"Type": "AWS::SQS::Queue", "Condition": "Long"}
    body = {"Conditions": {"Long": {"Fn::Equals": [value, "x"]}}, "Resources": {"Queue": queue}}

    code, message, _ = create(cloud, json.dumps(body))

    assert code == "ValidationError"
    assert message.startswith("Template error: Fn::Sub makes a string of 6553600 characters")


def template(size: int) -> str:
    body = json.dumps({"Resources": {"Queue": QUEUE}, "Description": "%"})
    return body.replace("%", "x") + " " * (size - len(body))


def test_template_in_the_request_is_limited_to_51_200_bytes(cloud: LocalCloud) -> None:
    code, message, _ = create(cloud, template(51_201))

    assert code == "ValidationError"
    assert "at 'templateBody'" in message
    assert "less than or equal to 51200" in message
    validated = cloud.client("cloudformation").validate_template(TemplateBody=template(51_200))
    assert validated["Description"] == "x"


def test_template_in_s3_is_limited_to_a_megabyte(cloud: LocalCloud) -> None:
    s3, cloudformation = cloud.client("s3"), cloud.client("cloudformation")
    s3.put_object(Bucket="data", Key="large.json", Body=template(1_048_577).encode())
    s3.put_object(Bucket="data", Key="right.json", Body=template(1_048_576).encode())
    url = f"{cloud.endpoint_url}/data"

    code, message, _ = refusal(cloudformation.validate_template, TemplateURL=f"{url}/large.json")

    assert code == "ValidationError"
    assert message.startswith("Template may not exceed 1048576 bytes in size")
    assert cloudformation.validate_template(TemplateURL=f"{url}/right.json")["Description"] == "x"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("(a|aa)+$", "takes more than"), ("(", "is not a regular expression")],
)
def test_invalid_or_slow_allowed_pattern_is_refused(
    cloud: LocalCloud, pattern: str, reason: str
) -> None:
    parameter = {"Type": "String", "AllowedPattern": pattern}
    body = {"Parameters": {"Name": parameter}, "Resources": {"Queue": QUEUE}}

    code, message, _ = create(
        cloud,
        json.dumps(body),
        Parameters=[{"ParameterKey": "Name", "ParameterValue": "a" * 60 + "!"}],
    )  # fmt: skip

    assert code == "ValidationError"
    assert message.startswith("Template validation error: AllowedPattern of parameter Name:")
    assert reason in message


def test_key_of_more_than_1024_bytes_is_refused(cloud: LocalCloud) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket="data", Key="k" * 1024, Body=b"x")

    for key in ("k" * 1025, "é" * 513):
        assert refusal(s3.put_object, Bucket="data", Key=key, Body=b"x") == (
            "KeyTooLongError", "Your key is too long", 400,
        )  # fmt: skip


def declared(cloud: LocalCloud, service: str, length: int) -> str:
    """The response to a request that declares so many bytes and sends none."""
    host, port = "127.0.0.1", int(cloud.endpoint_url.rsplit(":", 1)[1])
    with socket.create_connection((host, port), 30) as line:
        line.sendall(
            f"POST /2015-03-31/functions HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: "
            f"AWS4-HMAC-SHA256 Credential={cloud.environment()['AWS_ACCESS_KEY_ID']}/20260101/"
            f"us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n"
            f"Content-Length: {length}\r\nConnection: close\r\n\r\n".encode()
        )
        return line.makefile("rb").read().decode()


@pytest.mark.parametrize(("service", "most"), [("lambda", 69_905_067), ("dynamodb", 64 * 1024**2)])
def test_request_with_too_large_declared_length_is_refused_unread(
    cloud: LocalCloud, service: str, most: int
) -> None:
    response = declared(cloud, service, most + 1)

    assert response.startswith("HTTP/1.1 413 ")
    assert "RequestEntityTooLargeException" in response
    assert f"Request must be smaller than {most} bytes" in response


def broken(cloud: LocalCloud, service: str, body: bytes | dict[str, str]) -> Any:
    """A separate client whose requests get a malformed body."""
    import boto3

    environment = cloud.environment()
    client = boto3.client(
        service, endpoint_url=cloud.endpoint_url, region_name="us-east-1",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    client.meta.events.register("before-call", lambda params, **_: params.update(body=body))
    return client


DEEP = b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}"
OPERATIONS = {
    "cloudwatch": "list_metrics",
    "dynamodb": "list_tables", "sagemaker": "list_models", "events": "list_rules",
    "logs": "describe_log_groups", "sqs": "list_queues", "kms": "list_keys",
    "secretsmanager": "list_secrets", "ssm": "describe_parameters",
    "application-autoscaling": "describe_scalable_targets",
}  # fmt: skip


@pytest.mark.feature("bad input: a malformed request is a client error")
@pytest.mark.parametrize("body", [b'{"a": ', b"\xff\xfe", DEEP], ids=["torn", "no text", "deep"])
@pytest.mark.parametrize("service", OPERATIONS)
def test_malformed_request_is_a_serialization_error(
    cloud: LocalCloud, service: str, body: bytes
) -> None:
    members = {"ServiceNamespace": "sagemaker"} if service.startswith("application") else {}
    called = OPERATIONS[service]

    code, _, status = refusal(getattr(broken(cloud, service, body), called), **members)

    assert (code, status) == ("SerializationException", 400)
    getattr(cloud.client(service), called)(**members)


def test_compressed_request_is_decompressed_within_a_limit(cloud: LocalCloud) -> None:
    # boto3 compresses it to some kilobytes.
    client = broken(cloud, "cloudwatch", b" " * 20_000_000)

    code, message, status = refusal(client.put_metric_data, Namespace="n", MetricData=[])

    assert (code, status) == ("SerializationException", 400)
    assert message.endswith("it decompresses to more than 16777216 bytes")


@pytest.mark.parametrize("body", [b"\x9f" * 5000, b"\xa1", b"\xff"], ids=["deep", "torn", "odd"])
def test_malformed_cbor_is_a_client_error(cloud: LocalCloud, body: bytes) -> None:
    def as_cbor(params: dict[str, Any], **_: Any) -> None:
        params["headers"] = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
        params["url"] += "service/GraniteServiceVersion20100801/operation/PutMetricData"

    client = broken(cloud, "cloudwatch", body)
    client.meta.events.register("before-call", as_cbor)
    statuses: list[int] = []
    client.meta.events.register(
        "before-parse", lambda response_dict, **_: statuses.append(response_dict["status_code"])
    )

    with pytest.raises(UnicodeDecodeError):  # the client expected JSON
        client.put_metric_data(Namespace="n", MetricData=[])

    assert set(statuses) == {400}
    cloud.client("cloudwatch").list_metrics()
